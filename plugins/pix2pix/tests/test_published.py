"""Sub-generators that the tool makes by itself, against the published hand-written classes."""

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn

from gancompress import (
    SearchSpace,
    SortChannels,
    SubnetConfig,
    SubnetError,
    Supernet,
    run_passes,
    trace,
)
from gancompress.cost.macs import count_macs
from gancompress.gan import ResidualBlock, ResNetGenerator
from gancompress_pix2pix.published import published_decomposition, published_subnet

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text(encoding="utf-8"))
ROWS: list[dict[str, Any]] = PUBLISHED["rows"]
CONFIGS = {row["config"]: row for row in ROWS if row["kind"] == "sub"}
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "published-architectures.md"


def supernet_of(width: int, *, mobile: bool = True, blocks: int = 9) -> Supernet:
    torch.manual_seed(0)
    net = ResNetGenerator(width=width, blocks=blocks).eval()
    passes = [published_decomposition()] if mobile else []
    student = run_passes(trace(net, (torch.zeros(1, 3, 16, 16),)), passes)
    return Supernet(student, SearchSpace.multiples_of(8, smallest=1 / 8))


shared_supernet = cache(supernet_of)


def made(row: dict[str, Any]) -> fx.GraphModule:
    supernet = shared_supernet(row["ngf"], mobile=row["kind"] != "full")
    if "config" not in row:
        return supernet.materialise(SubnetConfig())
    subnet = published_subnet(supernet.graph, row["config"], legacy=row["kind"] == "legacy")
    return supernet.materialise(subnet)


def norm_elements(net: nn.Module, size: int) -> int:
    """Elements that instance norms put out, which the published convention counts as MACs."""
    net, sizes = copy.deepcopy(net).to("meta"), []
    for layer in net.modules():
        if isinstance(layer, nn.InstanceNorm2d):
            layer.register_forward_hook(lambda _layer, _inputs, out: sizes.append(out.numel()))
    net(torch.zeros(1, 3, size, size, device="meta"))
    return sum(sizes)


def params(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_every_row_is_met_to_the_last_digit(row: dict[str, Any]) -> None:
    net = made(row)
    macs = count_macs(net, (torch.zeros(1, 3, 256, 256),))
    found = {
        "params": params(net),
        "macs_conv": macs.published - norm_elements(net, 256),
        "macs_torchprofile_001": macs.published,
        "macs_conv_true_transposed": macs.true,
    }
    # Where a row was only ever printed by output positions, the true work has nothing to meet.
    assert {key: row.get(key, found[key]) for key in found} == found
    assert sum(key in row for key in found) >= 3


def test_the_rows_are_those_of_the_table() -> None:
    kinds = [row["kind"] for row in ROWS]
    assert {kind: kinds.count(kind) for kind in sorted(set(kinds))} == {
        "full": 1, "legacy": 3, "mobile": 4, "sub": 17,
    }  # fmt: skip
    assert len({row["name"] for row in ROWS}) == len(ROWS)


def as_printed(value: int, printed: str) -> str:
    """The value in the unit and with the digits of a printed figure."""
    unit = {"M": 1e6, "G": 1e9}.get(printed[-1])
    if unit is None:
        return str(value)
    digits = len(printed[:-1].partition(".")[2])
    return f"{value / unit:.{digits}f}{printed[-1]}"


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_printed_figures_are_those_of_the_row_or_it_says_why_not(row: dict[str, Any]) -> None:
    pairs = [
        (row[printed], as_printed(row[exact], row[printed]))
        for printed, exact in (
            ("printed_params", "params"),
            ("printed_macs", "macs_torchprofile_001"),
        )
        if printed in row
    ]
    assert all(one == other for one, other in pairs) == ("unlike" not in row)


def test_the_layers_are_those_of_the_hand_written_class() -> None:
    supernet = shared_supernet(64)
    net = supernet.materialise(published_subnet(supernet.graph, "16_24_32_40_48_56_40_24"))
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters() if "weight" in name}
    expected = {
        "model.1.weight": (16, 3, 7, 7),
        "model.4.weight": (48, 16, 3, 3),
        "model.7.weight": (128, 48, 3, 3),
    }
    for place, inside in enumerate([160] * 3 + [192] * 3 + [224] * 3):
        block = f"model.{10 + place}.conv_block"
        expected |= {
            f"{block}.1.depthwise.weight": (128, 1, 3, 3),
            f"{block}.1.pointwise.weight": (inside, 128, 1, 1),
            f"{block}.5.depthwise.weight": (inside, 1, 3, 3),
            f"{block}.5.pointwise.weight": (128, inside, 1, 1),
        }
    expected |= {
        "model.19.weight": (128, 80, 3, 3),
        "model.22.weight": (80, 24, 3, 3),
        "model.26.weight": (3, 24, 7, 7),
    }
    assert shapes == expected
    children = [name for name, _ in net.get_submodule("model.10.conv_block.1").named_children()]
    assert children == ["depthwise", "norm", "pointwise"]


def test_the_legacy_class_narrows_the_first_of_three_blocks_only() -> None:
    supernet = shared_supernet(64)
    subnet = published_subnet(supernet.graph, "16_16_24_32_16_16", legacy=True)
    inside = [w for key, w in subnet.widths.items() if ".conv_block.1" in key]
    assert inside == [128, 96, 96] * 3


@pytest.mark.parametrize("width", [96, 48, 32, 16])
def test_generators_of_other_widths_meet_in_the_same_subnets(width: int) -> None:
    supernet = shared_supernet(width)
    fitting = [config for config in CONFIGS if max(map(int, config.split("_"))) <= width]
    assert fitting or width == 16
    for config in fitting:
        net = supernet.materialise(published_subnet(supernet.graph, config))
        assert params(net) == CONFIGS[config]["params"], config
    # The widest subnet of a narrow net, cut from a wider one.
    whole = "_".join([str(width)] * 8)
    wider = shared_supernet(96)
    cut = wider.materialise(published_subnet(wider.graph, whole))
    assert shapes_of(cut) == shapes_of(supernet.materialise(SubnetConfig()))


def shapes_of(net: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in net.named_parameters()}


@pytest.mark.parametrize("mobile", [True, False])
def test_six_and_eight_numbers_fit_any_layers_in_the_same_order(mobile: bool) -> None:
    graph = shared_supernet(16, mobile=mobile, blocks=3).graph
    six = published_subnet(graph, "8_16_8_12_4_16")
    assert six == published_subnet(graph, "8_16_8_12_12_12_4_16")
    assert list(six.widths) == [group.key for group in graph.searchable()]
    assert list(six.widths.values()) == [8, 32, 32, 48, 48, 48, 8, 16]


def test_a_sorted_net_with_biases_works_at_published_widths() -> None:
    torch.manual_seed(0)
    net = ResNetGenerator(width=16, blocks=3).double().eval()
    picture = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    student = published_decomposition().apply(trace(net, (picture,)))
    for name, parameter in student.module.named_parameters():
        if name.endswith("depthwise.bias"):  # as training leaves them
            parameter.data.normal_()
    in_order = SortChannels().apply(student)
    torch.testing.assert_close(in_order.module(picture), student.module(picture))
    supernet = Supernet(in_order)
    subnet = published_subnet(supernet.graph, "8_8_16_8_16_8_16_8")
    small = supernet.materialise(subnet)(picture)
    assert torch.equal(small, supernet.activate(subnet)(picture))
    biases = {n: len(p) for n, p in supernet.materialise(subnet).named_parameters()}
    assert biases["model.10.conv_block.1.depthwise.bias"] == 64
    assert biases["model.10.conv_block.5.depthwise.bias"] == 32


@pytest.mark.parametrize(
    ("config", "legacy", "sentence", "way_out"),
    [
        ("", False, "no row of positive whole numbers", "16_16_32"),
        ("16_16_x_16_16_16", False, "'16_16_x_16_16_16' is no row", "16_16_32"),
        ("16_16_0_16_16_16", False, "no row", "16_16_32"),
        ("16,16,16,16,16,16", False, "no row", "16_16_32"),
        ("16_16_16_16_16_16\n", False, "no row", "16_16_32"),
        ("16_16_16_16_16_16_16", False, "has 7 numbers", "6 or 8"),
        ("16_16_16_16_16_16_16_16", True, "no legacy class", "six numbers"),
        ("8_8_8_8_24_8", False, "asks for 48 channels of 'model.13', which has 32", "above 16"),
    ],
)
def test_a_wrong_config_is_refused(config: str, legacy: bool, sentence: str, way_out: str) -> None:
    graph = shared_supernet(16, blocks=3).graph
    with pytest.raises(SubnetError, match=sentence) as caught:
        published_subnet(graph, config, legacy=legacy)
    assert way_out in caught.value.hint


def test_eight_numbers_need_thirds_of_the_blocks() -> None:
    graph = shared_supernet(16, blocks=4).graph
    with pytest.raises(SubnetError, match="has '4'"):
        published_subnet(graph, "8_8_8_8_8_8_8_8")
    assert len(published_subnet(graph, "8_8_8_8_8_8").widths) == 9


class DeepBlock(ResidualBlock):
    """A block of three convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, nn.InstanceNorm2d)
        self.conv_block.append(nn.Conv2d(channels, channels, 3, padding=1))


def layers_of_resnet(blocks: int = 2) -> list[nn.Module]:
    return list(ResNetGenerator(width=8, blocks=blocks).model)


def two_streams() -> list[nn.Module]:
    layers = layers_of_resnet()
    return [*layers[:11], nn.Conv2d(32, 32, 3, stride=2, padding=1), *layers[11:]]


def deep_blocks() -> list[nn.Module]:
    return [DeepBlock(32) if isinstance(x, ResidualBlock) else x for x in layers_of_resnet()]


def a_layer_more() -> list[nn.Module]:
    return [nn.Conv2d(3, 3, 1), nn.ReLU(), *layers_of_resnet()]


def unusual_widths() -> list[nn.Module]:
    layers = layers_of_resnet()
    down = [nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 32, 3, 2, 1)]
    return [*layers[:4], *down, *layers[8:]]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: layers_of_resnet(blocks=0), "0 of its groups are a residual stream"),
        (two_streams, "2 of its groups are a residual stream"),
        (deep_blocks, "not the insides of blocks"),
        (a_layer_more, "3 groups come before its residual stream and 2 after"),
        (unusual_widths, "full widths"),
    ],
    ids=["no blocks", "two streams", "deep blocks", "a layer more", "unusual widths"],
)
def test_a_generator_of_another_shape_is_refused(
    make: Callable[[], list[nn.Module]], reason: str
) -> None:
    net = nn.Sequential(*make()).eval()
    graph = Supernet(trace(net, (torch.zeros(1, 3, 32, 32),))).graph
    with pytest.raises(SubnetError, match=reason) as caught:
        published_subnet(graph, "4_4_4_4_4_4")
    assert "ResNetGenerator" in caught.value.hint


def test_the_page_has_every_row() -> None:
    cells = ("params", "macs_conv", "macs_torchprofile_001", "macs_conv_true_transposed")
    expected = [
        f"| {row['name']} | {row.get('config', '–')} | "
        + " | ".join(f"{row[cell]:,}" if cell in row else "–" for cell in cells)
        + " |"
        for row in ROWS
    ]
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("|---|---|--:|--:|--:|--:|") + 1
    assert lines[start : start + len(ROWS) + 1] == [*expected, ""]
