"""The generator before and after: the widths of its groups, what was decomposed, the coverage."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gancompress.report.advice import advice, without_module
from gancompress.report.html.record import Record
from gancompress.report.html.source import RunSource
from gancompress.report.units import count, percent

_PARTS: Final = ("elastic", "coupled", "frozen")
_MEANING: Final = {
    "elastic": "can be narrowed along at least one axis",
    "coupled": "only follows a group, such as a norm's scale",
    "frozen": "stays as it is, for a reason that is named",
}


@dataclass(frozen=True)
class GroupBar:
    """One channel group.

    Args:
        key: Its name.
        full: Units of the teacher; None where the run does not say.
        chosen: Units that are kept; None where no subnet is chosen yet.
        share: The chosen ones of the widest group, in per cent.
        full_share: The full ones of the widest group, in per cent.
        frozen: Why it stays; empty where it can be narrowed.
        decomposed: Layers of the group that were decomposed.
    """

    key: str
    full: int | None
    chosen: int | None
    share: float
    full_share: float
    frozen: str
    decomposed: tuple[str, ...]


@dataclass(frozen=True)
class Architecture:
    """The net, group by group.

    Args:
        bars: In the order of the net.
        subnet: Which subnet the widths are of, in words; empty where none is chosen yet.
        decomposed: Layers that were decomposed, with what took their places.
    """

    bars: tuple[GroupBar, ...]
    subnet: str
    decomposed: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CoveragePart:
    """A share of the generator.

    Args:
        name: ``elastic``, ``coupled`` or ``frozen``.
        meaning: What that is.
        params: Parameters, as text.
        params_share: In per cent.
        macs: MACs, as text.
        macs_share: In per cent.
    """

    name: str
    meaning: str
    params: str
    params_share: float
    macs: str
    macs_share: float


@dataclass(frozen=True)
class Coverage:
    """How much of the generator can be narrowed.

    Args:
        parts: The three shares, which sum to everything.
        reasons: Why something is frozen: the reason, its parameters, MACs, and the way out.
    """

    parts: tuple[CoveragePart, ...]
    reasons: tuple[tuple[str, str, str, str], ...]


def architecture(source: RunSource) -> Architecture | None:
    """Read the groups with their widths before and after.

    Args:
        source: The run.

    Returns:
        The net; None where neither the groups nor a subnet are known yet.

    Raises:
        RunError: If a file is damaged.
    """
    record = source.record("architecture.json")
    widths, subnet = _chosen(source)
    if record is None and not widths:
        return None
    known = {} if record is None else {one.need_text("key"): one for one in record.items("groups")}
    replaced = () if record is None else tuple(_decomposed(record))
    names = dict.fromkeys([*known, *widths])
    full = {key: one.need_count("units") for key, one in known.items()}
    widest = max([1, *full.values(), *widths.values()])
    bars = []
    for key in names:
        one = known.get(key)
        # A group that no subnet names stays as wide as it was.
        kept = widths.get(key, full.get(key)) if widths else None
        bars.append(
            GroupBar(
                key,
                full.get(key),
                kept,
                100 * (kept or 0) / widest,
                100 * full.get(key, 0) / widest,
                "" if one is None else one.text("frozen") or "",
                () if one is None else tuple(_within(one, [layer for layer, _ in replaced])),
            )
        )
    return Architecture(tuple(bars), subnet, replaced)


def coverage(source: RunSource) -> Coverage | None:
    """Read how much of the generator can be narrowed.

    Args:
        source: The run.

    Returns:
        The coverage; None where the generator is not analysed yet.

    Raises:
        RunError: If a file is damaged.
    """
    record = source.record("architecture.json")
    if record is None or record.at("coverage") is None:
        return None
    total = [record.need_count("coverage", "total", of) for of in ("params", "macs")]
    parts = []
    for name in _PARTS:
        values = [record.need_count("coverage", name, of) for of in ("params", "macs")]
        shares = [100 * x / y if y else 0.0 for x, y in zip(values, total, strict=True)]
        parts.append(
            CoveragePart(
                name, _MEANING[name], count(values[0]), shares[0], count(values[1]), shares[1]
            )
        )
    return Coverage(tuple(parts), tuple(_reasons(record, total)))


def _reasons(record: Record, total: list[int]) -> Iterator[tuple[str, str, str, str]]:
    # One operator in many blocks is one line.
    sums: dict[str, list[int]] = {}
    for reason, one in record.entries("coverage", "reasons"):
        known = sums.setdefault(without_module(reason), [0, 0])
        known[0] += one.need_count("params")
        known[1] += one.need_count("macs")
    for reason, (params, macs) in sums.items():
        share = percent(macs / total[1]) if total[1] else ""
        yield reason, count(params), f"{count(macs)} ({share})", advice(reason)


def _chosen(source: RunSource) -> tuple[dict[str, int], str]:
    """Return the widths of the subnet that the run has settled on, and which it is."""
    finetune = source.stage("finetune")
    if finetune is not None:
        return finetune.counts("widths"), "the fine-tuned subnet"
    begun = source.record("subnet.json")
    if begun is not None:
        return begun.counts("widths"), "the subnet that is fine-tuned"
    search = source.stage("search")
    if search is not None:
        return search.counts("best", "widths"), "the best subnet of the search"
    return {}, ""


def _decomposed(record: Record) -> Iterator[tuple[str, str]]:
    for one in record.items("decomposed"):
        parts = " + ".join(part.need_text() for part in one.items("parts"))
        yield one.need_text("layer"), f"{one.text('kind') or 'layer'} → {parts}"


def _within(group: Record, layers: list[str]) -> Iterator[str]:
    producers = [one.need_text() for one in group.items("producers")]
    for layer in layers:
        if any(name == layer or name.startswith(f"{layer}.") for name in producers):
            yield layer
