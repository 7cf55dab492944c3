"""The table and the plot of a sensitivity."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gancompress.report import plain_text, save_sensitivity_plot, sensitivity_table
from gancompress.report.sensitivity import loss_rate
from gancompress.sensitivity import GroupEffect, LayerEffect, SensitivityReport

LAYERS = (
    LayerEffect("body.first", "Conv2d", 500, 400, 4, {"near": 0.1, "far": 12.5}),
    LayerEffect("body.[b]", "ConvTranspose2d", 100, -10, 4, {"near": 2345.6, "far": None}),
    LayerEffect("body.last", "Conv2d", 100, 50, 4, {"near": None, "far": 1.0}),
)
GROUPS = tuple(
    GroupEffect(name, width, 32, width / 32, 10 * (32 - width), 1, {"near": loss, "far": 1.0})
    for name, width, loss in (("g", 8, 0.5), ("g", 16, 0.02), ("h", 8, None))
)


def report(layers=LAYERS, groups=GROUPS) -> SensitivityReport:
    skipped = {"out": "frozen: network output"}
    return SensitivityReport("near", ("near", "far"), 1000, 10, 7, layers, groups, skipped)


def test_the_table_has_every_change_in_the_order_of_the_net() -> None:
    text = plain_text(sensitivity_table(report()), width=100)
    lines = [line.split() for line in text.splitlines()]

    assert lines[0][-3:] == ["7", "held-out", "ones"] or "7 held-out" in text
    rows = [line for line in lines if line and line[0].startswith("body.")]
    assert rows == [
        ["body.first", "Conv2d", "50.0", "%", "40.0", "%", "0.100", "12.5", "0.00250"],
        ["body.[b]", "ConvTranspose2d", "10.0", "%", "-1.0", "%", "2,346", "∞", "–"],
        ["body.last", "Conv2d", "10.0", "%", "5.0", "%", "∞", "1.00", "–"],
    ]
    assert ["g", "8", "of", "32", "24.0", "%", "0.500", "1.00", "0.0208"] in lines
    assert ["16", "of", "32", "16.0", "%", "0.0200", "1.00", "0.00125"] in lines
    assert "not tried: out: frozen: network output" in text


def test_the_table_of_nothing_says_so() -> None:
    text = plain_text(sensitivity_table(report((), ())))

    assert "no layer can be decomposed" in text
    assert "no group was narrowed" in text


@pytest.mark.parametrize(
    ("loss", "saved", "rate"), [(0.5, 100, 0.05), (0.5, 0, None), (0.5, -1, None), (None, 9, None)]
)
def test_the_rate_is_the_loss_for_a_hundredth_of_the_macs(
    loss: float | None, saved: int, rate: float | None
) -> None:
    assert loss_rate(loss, saved, 1000) == rate


def pixels(path: Path, colour: tuple[int, int, int]) -> int:
    with Image.open(path) as picture:
        return int((np.asarray(picture.convert("RGB")) == colour).all(axis=2).sum())


BLUE, RED = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def test_bars_are_as_long_as_their_losses(tmp_path: Path) -> None:
    def bars(long: float) -> int:
        effects = (
            LayerEffect("a", "Conv2d", 1, 1, 1, {"near": 1.0, "far": 0.0}),
            LayerEffect("b", "ConvTranspose2d", 1, 1, 1, {"near": long, "far": 0.0}),
        )
        save_sensitivity_plot(tmp_path / "plot.png", report(effects, ()))
        return pixels(tmp_path / "plot.png", RED)

    assert bars(1.0) > 1.5 * bars(0.5) > 1.5 * bars(0.25)


@pytest.mark.parametrize(
    ("layers", "groups"),
    [(LAYERS, GROUPS), ((), GROUPS), (LAYERS, ()), ((), ()), (LAYERS, GROUPS[2:])],
)
def test_every_report_can_be_drawn(tmp_path: Path, layers, groups) -> None:
    place = tmp_path / "deep" / "plot.png"

    save_sensitivity_plot(place, report(layers, groups))

    assert (pixels(place, BLUE) > 100) is bool(layers or groups[:1] == GROUPS[:1])


def test_a_report_of_many_groups_has_a_curve_for_each(tmp_path: Path) -> None:
    many = tuple(
        GroupEffect(f"block.{k}.conv", 8, 16, 0.5, 9, 1, {"near": 0.01 * (k + 1), "far": 1.0})
        for k in range(40)
    )

    save_sensitivity_plot(tmp_path / "plot.png", report(LAYERS, many))

    assert pixels(tmp_path / "plot.png", BLUE) > 1000
