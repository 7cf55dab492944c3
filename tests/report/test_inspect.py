from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from gancompress.report import advice, frozen_reasons, inspection, plain_text


@dataclass(frozen=True)
class Share:
    params: int
    macs: int


@dataclass(frozen=True)
class Coverage:
    elastic: Share
    coupled: Share
    frozen: Share
    total: Share
    reasons: Mapping[str, Share] = field(default_factory=dict)


@dataclass(frozen=True)
class Channels:
    key: str
    units: int
    width: int
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    frozen: str | None = None
    statistics_coupled: bool = False


@dataclass(frozen=True)
class Analysed:
    groups: Sequence[Channels]
    shares: Coverage

    def coverage(self) -> Coverage:
        return self.shares


REASON = "'aten.unknown' at net.py:41 is no operator that is known, so what enters it stays whole"
LONG = "generator.decoder.stage3.block.adaptive[bold].modulation.convolution.pointwise"
GRAPH = Analysed(
    (
        Channels("model.4", 32, 64, ("model.4", "model.7"), ("model.8",)),
        Channels("mlp.2[a:64]", 64, 64, ("mlp.2",), ("fc",), statistics_coupled=True),
        Channels(LONG, 3, 3, ("model.26",), (), frozen=REASON),
    ),
    Coverage(Share(600, 6_000_000), Share(100, 0), Share(300, 2_000_000), Share(1000, 8_000_000)),
)


def test_groups_show_widths_and_states() -> None:
    text = plain_text(inspection(GRAPH))
    assert "3 channel groups, 2 searchable" in text
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert lines["model.4"] == ["32", "64", "2", "1", "elastic"]
    # brackets in a name are not markup
    assert lines["mlp.2[a:64]"][:4] == ["64", "64", "1", "1"]
    assert "statistics-coupled" in text


def test_nothing_is_cut_off_at_80_columns() -> None:
    text = plain_text(inspection(GRAPH), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    lines = text[: text.index("coverage\n")].splitlines()
    first, last = lines[1].index("units"), lines[1].index("state")
    assert LONG in "".join(line[: first - 1].strip() for line in lines)
    assert f"frozen: {REASON}" in " ".join(line[last:].strip() for line in lines)


def test_coverage_sums_to_the_whole() -> None:
    text = plain_text(inspection(GRAPH))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert rows["elastic"] == ["600", "60.0", "%", "6.00", "M", "75.0", "%"]
    assert rows["coupled"] == ["100", "10.0", "%", "0", "0.0", "%"]
    assert rows["frozen"] == ["300", "30.0", "%", "2.00", "M", "25.0", "%"]
    assert rows["total"] == ["1.00", "k", "100.0", "%", "8.00", "M", "100.0", "%"]


def test_a_generator_without_weights_has_no_shares() -> None:
    nothing = Share(0, 0)
    text = plain_text(inspection(Analysed((), Coverage(nothing, nothing, nothing, nothing))))
    assert "0 channel groups" in text
    assert "–" in text


FFT = "fft_fft2 in 'body.{}' at net.py:41"
FROZEN = Analysed(
    (
        *(Channels(f"body.{k}.conv", 8, 8, (f"body.{k}.conv",), (), FFT.format(k)) for k in (1, 2)),
        Channels("leave", 3, 3, ("leave",), (), frozen="network output"),
    ),
    Coverage(
        Share(0, 0),
        Share(0, 0),
        Share(600, 0),
        Share(600, 0),
        {
            FFT.format(1): Share(200, 0),
            FFT.format(2): Share(150, 0),
            "network output": Share(220, 0),
            "tensor 'gain' is used outside a layer": Share(30, 0),
        },
    ),
)


def test_what_is_frozen_is_added_up_by_reason_with_what_can_be_done() -> None:
    text = plain_text(inspection(FROZEN), width=120)
    rows = [line.split("  ") for line in text[text.index("frozen, and") :].splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert ["fft_fft2 at net.py:41", "2", "350", "give the operator a rule"] in cells
    assert [row[:3] for row in cells if row and row[0] == "network output"] == [
        ["network output", "1", "220"]
    ]
    # Weights that belong to no group are frozen too.
    assert any(row[:3] == ["tensor 'gain' is used outside a layer", "0", "30"] for row in cells)
    assert text.rstrip().endswith("docs/how-to/operators")
    assert max(map(len, plain_text(inspection(FROZEN), width=80).splitlines())) <= 80


def test_every_reason_is_named_once_and_none_where_nothing_is_frozen() -> None:
    assert frozen_reasons(FROZEN) == (
        FFT.format(1),
        FFT.format(2),
        "network output",
        "tensor 'gain' is used outside a layer",
    )
    elastic = Analysed((Channels("a", 8, 8, ("a",), ("b",)),), GRAPH.shares)
    assert frozen_reasons(elastic) == ()
    assert "what you can do" not in plain_text(inspection(elastic))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("network input", "nothing"),
        ("'model.4' is ignored on request", "take it out of what is ignored"),
        ("a single unit cannot be narrowed", "nothing"),
        ("verification: without a unit the output differs by 1.0e-02", "OpRuleContract"),
        ("GRU 'rnn' at net.py:3: MyRule cannot read the call (no)", "correct the rule"),
        ("Block 'b' at net.py:3: it is opaque (TypeError: no)", "give its class a rule"),
        ("Conv2d 'a': its weight is reparametrised; fold it with F first", "FoldReparametr"),
        ("Own 'a' at net.py:3: its tensor 'b.c' belongs to a module inside it", "hold the tensor"),
        ("tensor 'a' is used outside a layer", "make a layer of it"),
        ("it is tied to a tensor made by new_zeros at net.py:3", "a parameter or buffer"),
        ("'a.weight' is used by another operator too", "its own weight"),
        ("view at net.py:3: its shape states a number of channels", "x.shape[1]"),
        ("roll at net.py:3: it rolls channels", "write it without that, or give"),
        ("LocalResponseNorm 'n'", "give the operator a rule"),
    ],
)
def test_there_is_something_to_do_about_each_reason(reason: str, words: str) -> None:
    assert words in advice(reason)
