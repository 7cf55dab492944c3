"""The layer at which a file parts from the network."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancompress.errors import ExportError
from gancompress.export import ExportTarget, Wanted, export
from gancompress.export.first_difference import first_difference
from gancompress.export.target import Runner
from gancompress.graph import trace

PICTURES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Bent(ExportTarget):
    """Runs the network with one of its layers changed."""

    name = "bent"

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.net: nn.Module = nn.Identity()

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        self.net = copy.deepcopy(model)
        for name, layer in self.net.named_modules():
            if name == self.layer:
                layer.bias.data += 1
        path.write_text("")
        return {}

    def load(self, path: Path, device: str, settings: Mapping[str, Any]) -> Runner:
        def run(inputs: Sequence[Any]) -> list[Any]:
            with torch.no_grad():
                found = self.net(*map(torch.from_numpy, inputs))
            return [found.numpy()]

        return run


class Row(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(7)))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x)) + x
        return x


@pytest.mark.parametrize("place", [0, 3, 6])
def test_the_first_layer_that_differs_is_named(place: int, tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=rf"by \S+, more than 0.001, beginning at 'layers.{place}'"
    ):
        export(Row(), tmp_path / "net", Bent(f"layers.{place}"), inputs=(PICTURES,))


def test_what_cannot_be_cut_is_not_explained(tmp_path: Path) -> None:
    target, where = Bent("x"), {"tolerance": 1e-3, "file": tmp_path / "part"}
    assert first_difference(nn.ReLU(), target, (PICTURES,), Wanted(), **where) is None  # type: ignore[arg-type]
    graph = trace(Row().eval(), (PICTURES,)).module
    target.write = None  # type: ignore[assignment, method-assign]
    assert first_difference(graph, target, (PICTURES,), Wanted(), **where) is None  # type: ignore[arg-type]
