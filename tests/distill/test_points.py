import pytest
import torch
from torch import Tensor, nn

from gancompress.distill import distillation_points
from gancompress.gan import ResNetGenerator
from gancompress.graph import trace

PICTURE = (torch.zeros(1, 3, 32, 32),)


def modules_at(generator: nn.Module, count: int) -> list[str]:
    """Name each point by the outermost module that computes it."""
    traced = trace(generator, PICTURE)
    points = distillation_points(traced, count)
    nodes = {node.name: node for node in traced.module.graph.nodes}
    names = []
    for point in points:
        node = nodes[point]
        while node.op != "call_module":  # an addition belongs to the block before it
            node = node.all_input_nodes[-1]
        names.append(".".join(str(node.target).split(".")[:2]))
    return names


def test_on_the_resnet_they_are_the_references_four() -> None:
    # GAN Compression distils after the last down-sampling activation and blocks 3, 6 and 9.
    assert modules_at(ResNetGenerator(width=4), 4) == [
        "model.9",
        "model.12",
        "model.15",
        "model.18",
    ]


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, ["model.18"]), (99, None)])
def test_fewer_and_more_points(count: int, expected: list[str] | None) -> None:
    found = modules_at(ResNetGenerator(width=4), count)
    assert found == ([f"model.{i}" for i in range(9, 19)] if expected is None else expected)


def test_a_net_that_is_never_a_picture_has_no_points() -> None:
    class Flat(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)

    assert distillation_points(trace(Flat(), PICTURE), 4) == ()
