from collections.abc import Sequence
from dataclasses import dataclass

from gancompress.report import inspection, plain_text


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
    lines = text[: text.index("coverage")].splitlines()
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
