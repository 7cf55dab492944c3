"""The network is cleaned up step by step, and a step that changes it is left out."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from gancompress.export import clean_up
from gancompress.graph import TracedGenerator
from gancompress.graph.values import copy_module
from gancompress.passes import GraphPass

PICTURES = torch.rand(2, 3, 8, 8)


class Spoils(GraphPass):
    name: ClassVar[str] = "spoils"

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        module = copy_module(traced.module)
        for parameter in module.parameters():
            parameter.data += 1
        return traced.with_module(module)


class Raises(GraphPass):
    name: ClassVar[str] = "raises"

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        raise RuntimeError("no way\nat all")


def net() -> nn.Module:
    return nn.Sequential(nn.Dropout(), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()


def test_what_helped_is_listed() -> None:
    done = clean_up(net(), (PICTURES,))
    assert done.steps == ("drop-idle", "fold-norms")
    assert done.notes == ()
    assert [type(layer).__name__ for layer in done.module.children()] == ["Conv2d", "ReLU"]


@pytest.mark.parametrize(
    ("one", "reason"), [(Spoils(), "the outputs would differ"), (Raises(), "no way")]
)
def test_a_step_that_changes_the_network_is_left_out(one: GraphPass, reason: str) -> None:
    whole = net()
    done = clean_up(whole, (PICTURES,), [one])
    assert done.steps == ()
    assert done.notes == (f"pass '{one.name}' is left out: {reason}",)
    with torch.no_grad():
        torch.testing.assert_close(done.module(PICTURES), whole(PICTURES))


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if float(x.sum()) > 0 else x


def test_what_branches_is_written_as_it_is() -> None:
    whole = Branches()
    done = clean_up(whole, (PICTURES,))
    assert done.module is whole
    assert done.steps == ()
    (note,) = done.notes
    assert note.startswith("the graph is not cleaned up: it branches, ")


class Untraceable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.from_numpy(x.numpy()).sum()


def test_what_cannot_be_traced_is_written_as_it_is() -> None:
    whole = Untraceable()
    done = clean_up(whole, (PICTURES,))
    assert done.module is whole
    (note,) = done.notes
    assert note.startswith("the graph is not cleaned up: ")


class Fickle(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


def test_what_differs_from_its_trace_is_written_as_it_is() -> None:
    whole = Fickle()
    done = clean_up(whole, (PICTURES,))
    assert done.module is whole
    assert done.notes == ("the graph is not cleaned up: its trace differs",)
