"""Sub-generators that the tool makes by itself, against the published hand-written classes."""

import copy
import json
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from gancompress import (
    SearchSpace,
    SortChannels,
    SubnetConfig,
    SubnetError,
    Supernet,
    TracedGenerator,
    run_passes,
    trace,
)
from gancompress.cost.macs import count_macs
from gancompress_gaugan.generator import SpadeGenerator, Upsampling
from gancompress_gaugan.published import published_decomposition, published_subnet

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text(encoding="utf-8"))
ROWS: list[dict[str, Any]] = PUBLISHED["rows"]
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "published-architectures.md"
# The smallest labels at which the mobile nets' instance norms see more than one pixel. Every
# layer's positions grow with the area, so costs here are a whole fraction of those published.
SMALL: dict[Upsampling, tuple[int, int]] = {"more": (64, 128), "normal": (32, 64)}


def made(labels: int, upsampling: Upsampling, *, width: int = 64) -> SpadeGenerator:
    torch.manual_seed(0)
    return SpadeGenerator(labels, width, upsampling=upsampling, spectral=False).eval()


@cache
def full(labels: int, upsampling: Upsampling) -> TracedGenerator:
    inputs = (torch.zeros(1, labels, *SMALL[upsampling]),)
    return trace(made(labels, upsampling), inputs)


@cache
def mobile(labels: int, upsampling: Upsampling) -> Supernet:
    traced = full(labels, upsampling)
    student = run_passes(traced, [published_decomposition(traced.module)])
    return Supernet(student, SearchSpace.multiples_of(8, smallest=1 / 8))


def net_of(row: dict[str, Any]) -> nn.Module:
    kind = row["input"][1], row["upsampling"]
    if row["kind"] == "full":
        return full(*kind).module
    supernet = mobile(*kind)
    # A mobile net of 48 is 48 of each unit of the one of 64; its hidden layers follow, as in all.
    config = row.get("config", "_".join([str(row["ngf"])] * 8))
    return supernet.materialise(published_subnet(supernet.graph, config))


class LeakyElements(TorchDispatchMode):
    """Counts what leaky ReLUs put out."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.leaky_relu.default:
            self.total += result.numel()
        return result


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
@torch.no_grad()
def test_every_row_is_met_to_the_last_digit(row: dict[str, Any]) -> None:
    net = net_of(row)
    small = (1, row["input"][1], *SMALL[row["upsampling"]])
    times = prod(row["input"]) // prod(small)
    macs = count_macs(net, (torch.zeros(small),))
    # And once at the published size, with no numbers behind the shapes.
    abstract, maps = copy.deepcopy(net).to("meta"), torch.zeros(row["input"], device="meta")
    with FlopCounterMode(display=False) as flops, LeakyElements() as leaky:
        picture = abstract(maps)
    found = {
        "params": sum(parameter.numel() for parameter in net.parameters()),
        "macs_conv": flops.get_total_flops() // 2,
        "macs_torchprofile_001": times * macs.published,
        "leaky_relu": leaky.total,
    }
    assert {key: row[key] for key in found} == found
    assert times * macs.true == row["macs_conv"]
    assert picture.shape == (1, 3, *row["input"][2:])


def test_the_rows_are_those_of_the_table() -> None:
    kinds = [row["kind"] for row in ROWS]
    assert {kind: kinds.count(kind) for kind in sorted(set(kinds))} == {
        "full": 2, "mobile": 2, "sub": 4,
    }  # fmt: skip
    assert {row["upsampling"] for row in ROWS} == {"normal", "more"}
    assert len({row["name"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if "printed_macs" in row])
def test_printed_figures_are_those_of_the_row(row: dict[str, Any]) -> None:
    digits = len(row["printed_params"][:-1].partition(".")[2])
    assert f"{row['params'] / 1e6:.{digits}f}M" == row["printed_params"]
    digits = len(row["printed_macs"][:-1].partition(".")[2])
    assert f"{row['macs_torchprofile_001'] / 1e9:.{digits}f}G" == row["printed_macs"]


@cache
def small_supernet(*, decomposed: bool = True) -> Supernet:
    net = made(5, "more", width=8)
    traced = trace(net, (torch.zeros(1, 5, 64, 128),))
    passes = [published_decomposition(net)] if decomposed else []
    return Supernet(run_passes(traced, passes), SearchSpace.multiples_of(1, smallest=1 / 32))


def test_the_layers_are_those_of_the_hand_written_class() -> None:
    supernet = small_supernet()
    net = supernet.materialise(published_subnet(supernet.graph, "2_3_4_5_6_7_8_4"))
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    expected = {
        "fc.weight": (32, 5, 3, 3),
        "head_0.conv_0.weight": (48, 32, 3, 3),
        "head_0.norm_0.mlp_shared.0.weight": (6, 5, 3, 3),
        "head_0.norm_0.mlp_gamma.depthwise.weight": (6, 1, 3, 3),
        "head_0.norm_0.mlp_gamma.depthwise.bias": (6,),
        "head_0.norm_0.mlp_gamma.pointwise.weight": (32, 6, 1, 1),
        "head_0.norm_1.mlp_beta.pointwise.weight": (48, 6, 1, 1),
        "head_0.conv_1.weight": (32, 48, 3, 3),
        "G_middle_0.conv_0.weight": (64, 32, 3, 3),
        "G_middle_1.conv_1.weight": (32, 80, 3, 3),
        "up_0.conv_0.weight": (48, 32, 3, 3),
        "up_0.conv_1.weight": (48, 48, 3, 3),
        "up_0.conv_s.weight": (48, 32, 1, 1),
        "up_1.norm_s.mlp_shared.0.weight": (14, 5, 3, 3),
        "up_2.conv_0.weight": (16, 28, 3, 3),
        "up_3.conv_1.weight": (4, 4, 3, 3),
        "conv_img.weight": (3, 4, 3, 3),
    }
    assert {name: shapes[name] for name in expected} == expected
    children = [name for name, _ in net.get_submodule("up_3.norm_s.mlp_beta").named_children()]
    assert children == ["depthwise", "norm", "pointwise"]


@pytest.mark.parametrize("decomposed", [True, False])
def test_every_group_has_a_width(decomposed: bool) -> None:
    supernet = small_supernet(decomposed=decomposed)
    subnet = published_subnet(supernet.graph, "_".join(["8"] * 8))
    assert set(subnet.widths) == {group.key for group in supernet.graph.searchable()}
    hidden = {key: width for key, width in subnet.widths.items() if "mlp_shared" in key}
    assert set(hidden.values()) == {16}


def test_a_sorted_net_works_at_published_widths() -> None:
    supernet = small_supernet()
    student = SortChannels().apply(supernet.traced)
    narrow = Supernet(student, SearchSpace.multiples_of(1, smallest=1 / 16))
    subnet = published_subnet(narrow.graph, "4_4_6_4_4_4_4_4")
    maps = torch.rand(1, 5, 64, 128)
    with torch.no_grad():
        small = narrow.materialise(subnet)(maps)
        assert torch.equal(small, narrow.activate(subnet)(maps))
        narrow.activate(SubnetConfig())
        torch.testing.assert_close(narrow(maps), supernet.traced.module(maps))


@pytest.mark.parametrize(
    ("config", "sentence", "way_out"),
    [
        ("", "no row of positive whole numbers", "32_32_48"),
        ("8_8_x_8_8_8_8_8", "'8_8_x_8_8_8_8_8' is no row", "32_32_48"),
        ("8_8_0_8_8_8_8_8", "no row", "32_32_48"),
        ("8_8_8_8_8_8_8_8\n", "no row", "32_32_48"),
        ("8_8_8_8_8_8", "has 6 numbers", "give 8"),
        (
            "8_8_9_8_8_8_8_8",
            "asks for 144 channels of 'G_middle_0.conv_0', which has 128",
            "above 8",
        ),
    ],
)
def test_a_wrong_config_is_refused(config: str, sentence: str, way_out: str) -> None:
    with pytest.raises(SubnetError, match=sentence) as caught:
        published_subnet(small_supernet().graph, config)
    assert way_out in caught.value.hint


def graph_of(net: nn.Module) -> Any:
    return Supernet(trace(net.eval(), (torch.zeros(1, 3, 128, 128),))).graph


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (SpadeGenerator(3, 4, upsampling="most", spectral=False), "no number for 'up_4."),
        (SpadeGenerator(3, 4, widest=4, spectral=False), "'fc' has 16 channels, not 16 times 4"),
        (nn.Conv2d(3, 3, 3), "has no block 'up_3'"),
    ],
    ids=["most", "capped", "another net"],
)
def test_a_generator_of_another_shape_is_refused(net: nn.Module, reason: str) -> None:
    with pytest.raises(SubnetError, match=reason) as caught:
        published_subnet(graph_of(net), "_".join(["2"] * 8))
    assert "SpadeGenerator" in caught.value.hint


def test_a_net_without_label_norms_has_nothing_to_decompose() -> None:
    with pytest.raises(SubnetError, match="none of its norms"):
        published_decomposition(nn.Conv2d(3, 3, 3))


def test_the_page_has_every_row() -> None:
    cells = ("params", "macs_conv", "macs_torchprofile_001")
    expected = [
        f"| {row['name']} | {row.get('config', '–')} | "
        + " | ".join(f"{row[cell]:,}" for cell in cells)
        + " |"
        for row in ROWS
    ]
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("|---|---|--:|--:|--:|") + 1
    assert lines[start : start + len(ROWS) + 1] == [*expected, ""]
