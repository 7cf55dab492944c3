"""The published MUNIT generators from the front end alone: traced, decomposed, narrowed."""

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from generators.munit import PublishedMunit
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gancompress import Decompose, SearchSpace, SubnetConfig, Supernet, run_passes, trace
from gancompress.cost.macs import count_macs
from gancompress.passes import residual_convolutions

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "published-architectures.md"
ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "munit.json").read_text(encoding="utf-8")
)
CONFIG = ROWS[1]["config"]
# What this tool counts and the published figures do not: the two means of the decoder's norms,
# the product of batch and channels before each of eight adaptive norms; with the style encoder
# the 256 features of the full net, 64 of the narrow one, that its pooling puts out.
SCALARS = 2 + 8
POOLED = {"full": 256, "sub": 64}


def inputs(size: int, *, style: bool) -> tuple[Tensor, ...]:
    return (torch.rand(1, 3, size, size), *([] if style else [torch.rand(1, 8)]))


def config_widths(numbers: list[int]) -> dict[str, int]:
    """Return the channels of each part, in the order of the config's ten numbers."""
    style, first, down_1, down_2, *inside, up_1, up_2 = numbers
    encoder, decoder = [4 * n for n in inside[:2]], [4 * n for n in inside[2:]]
    return {
        **dict(zip(("style_encoder.1", "style_encoder.4"), (style, 2 * style), strict=True)),
        **{f"style_encoder.{place}": 4 * style for place in (7, 10, 13)},
        "encoder.1": first,
        "encoder.5": 2 * down_1,
        "encoder.9": 4 * down_2,
        **{f"encoder.{12 + block}.model.1": encoder[block // 2] for block in range(4)},
        **{f"blocks.{block}.conv1": decoder[block // 2] for block in range(4)},
        "decoder.2": 2 * up_1,
        "decoder.7": up_2,
    }


def published_subnet(supernet: Supernet, config: str) -> SubnetConfig:
    """Translate a config string into the widths of the groups, by who makes their channels."""
    widths, found = config_widths([int(word) for word in config.split("_")]), {}
    for group in supernet.graph.searchable():
        producers = [name.removesuffix(".pointwise") for name in group.producers]
        named = [widths[name] for name in producers if name in widths]
        # The MLP stays as it is, but for what it says to each adaptive norm.
        found[group.key] = named[0] if named else group.units
    return SubnetConfig(found)


@cache
def nets(*, style: bool) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    traced = trace(PublishedMunit(encodes_style=style).eval(), inputs(16, style=style))
    # Mobile are the residual blocks and the decoder's 5x5 convolutions.
    layers = (*residual_convolutions(traced), "decoder.2", "decoder.7")
    mobile = Decompose(layers, norm_between=True, depthwise_bias=True)
    supernet = Supernet(run_passes(traced, [mobile]), SearchSpace.multiples_of(8, smallest=1 / 8))
    return {
        "full": traced.module,
        "sub": supernet.materialise(published_subnet(supernet, CONFIG)),
    }


@torch.no_grad()
def figures(net: nn.Module, *, style: bool) -> dict[str, int]:
    """Return parameters, MACs of the published size by shapes alone, and both conventions."""
    abstract = copy.deepcopy(net).to("meta")
    with FlopCounterMode(display=False) as flops:
        picture = abstract(*(x.to("meta") for x in inputs(256, style=style)))
    assert picture.shape == (1, 3, 256, 256)
    # All but the MLP grows with the area, so two small sizes say what a large one costs.
    small, double = (count_macs(net, inputs(size, style=style)) for size in (16, 32))
    true, published = (
        few + (many - few) // 3 * 255
        for few, many in ((small.true, double.true), (small.published, double.published))
    )
    return {
        "params": sum(parameter.numel() for parameter in net.parameters()),
        "flops": flops.get_total_flops() // 2,
        "true": true,
        "published": published,
    }


@pytest.mark.parametrize("style", [False, True], ids=["without style encoder", "with it"])
@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_both_rows_are_met_to_the_last_digit(row: dict[str, Any], *, style: bool) -> None:
    found = figures(nets(style=style)[row["kind"]], style=style)
    ending = "_with_style" if style else ""
    extra = SCALARS + (POOLED[row["kind"]] if style else 0)
    assert found == {
        "params": row["params" if style else "params_without_style_encoder"],
        "flops": row[f"macs_conv{ending}"],
        "true": row[f"macs_conv{ending}"],
        "published": row[f"macs_torchprofile_001{ending}"] + extra,
    }


def test_the_narrow_net_is_the_supernet_at_these_widths() -> None:
    torch.manual_seed(0)
    net = PublishedMunit(width=8, mlp=8, encodes_style=True).eval()
    traced = trace(net, inputs(32, style=True))
    layers = (*residual_convolutions(traced), "decoder.2", "decoder.7")
    student = Decompose(layers, norm_between=True, depthwise_bias=True).apply(traced)
    supernet = Supernet(student, SearchSpace.multiples_of(1, smallest=1 / 8)).eval()
    subnet = published_subnet(supernet, "2_3_4_5_6_7_8_4_2_3")
    assert len(set(subnet.widths.values())) > 8
    picture = inputs(32, style=True)
    with torch.no_grad():
        small = supernet.materialise(subnet)(*picture)
        assert torch.equal(small, supernet.activate(subnet)(*picture))


def test_the_page_has_both_rows() -> None:
    cells = (
        *("params_without_style_encoder", "params", "macs_conv", "macs_conv_with_style"),
        *("macs_torchprofile_001", "macs_torchprofile_001_with_style"),
    )
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for row in ROWS:
        config = row["config"] if row["kind"] == "sub" else "–"
        line = f"| {row['name']} | {config} | " + " | ".join(f"{row[c]:,}" for c in cells) + " |"
        assert line in lines
