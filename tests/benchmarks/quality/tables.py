"""Print the tables of docs/benchmarks.md from the lines that `run.py` has written.

Run it with: python tests/benchmarks/quality/tables.py [--out runs/quality] [--scale 1]

Differences are from (e) with the same seed, with the 95 % interval of Student's t over the seeds;
of one seed there is no interval, and the table says so.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.quality.latency import read_latencies
from benchmarks.quality.protocol import (
    ABLATION_BUDGET,
    BASELINE,
    CONTESTANTS,
    SEEDS,
    TEACHER,
    Key,
    Row,
    rows_of,
)
from scipy.stats import t as student_t

OURS: Final = "e"
FRECHET: Final = "frechet-lite0"
FIGURES: Final[Mapping[str, tuple[str, str]]] = {
    "PSNR to target": ("psnr to target", "{:.2f}"),
    "LPIPS-like to target": ("lpips-lite0 to target", "{:.4f}"),
    "PSNR to teacher": ("psnr to teacher", "{:.2f}"),
    "LPIPS-like to teacher": ("lpips-lite0 to teacher", "{:.4f}"),
}
NOTHING: Final = "–"
ONE_SEED: Final = "one seed"

Found = Mapping[Key, Row]


def tables(rows: Iterable[Row], latencies: Mapping[Key, float]) -> str:
    """Write all tables.

    Args:
        rows: Lines of one protocol a work.
        latencies: Median milliseconds of the best export, of the runs that were timed.
    """
    found = {Key.of(row): row for row in rows}
    families = list(dict.fromkeys(key.family for key in found))
    parts = [
        _contest(found, family, budget, latencies)
        for family in families
        for budget in SEEDS
        if _seeds(found, family, budget, None)
    ]
    parts += [_ablation(found, family) for family in families if _arms(found, family)]
    failed = [f"- {key}: {row['error']}" for key, row in found.items() if "error" in row]
    if failed:
        parts.append("\n".join(["Without a result:", "", *failed, ""]))
    return "\n".join(parts)


def difference(values: Sequence[float], digits: str = "{:+.3g}") -> str:
    """Write the mean of paired differences with its 95 % interval.

    Args:
        values: One difference a seed.
        digits: How a figure is written.
    """
    if not values:
        return NOTHING
    centre = fmean(values)
    if len(values) < 2:
        return f"{digits.format(centre)} ({ONE_SEED})"
    half = float(student_t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    low, high = digits.format(centre - half), digits.format(centre + half)
    return f"{digits.format(centre)} ({low} … {high})"


def _contest(found: Found, family: str, budget: int, latencies: Mapping[Key, float]) -> str:
    head = ["contestant", "seeds", "Fréchet", "from (e), 95 %", "LPIPS-like to teacher, from (e)"]
    head += [*FIGURES, "MACs", "parameters", "best export", "training", "search"]
    lines = [f"### {family}, 1/{budget}", "", *_head(head)]
    for name in (TEACHER, BASELINE):
        row = found.get(Key(family, 1, 0, name))
        if row is not None:
            lines.append(_line(name, ["", *_scores([row], "", "")], _costs([row]), latencies, []))
    for letter, title in CONTESTANTS.items():
        seeds = _seeds(found, family, budget, letter)
        if not seeds:
            continue
        keys = [Key(family, budget, seed, letter) for seed in seeds]
        rows = [found[key] for key in keys]
        cells = ["", ""]
        if letter != OURS:
            cells = [
                difference(paired(found, family, budget, letter, FRECHET)),
                difference(paired(found, family, budget, letter, "lpips-lite0 to teacher")),
            ]
        scores = [str(len(seeds)), *_scores(rows, *cells)]
        lines.append(_line(f"({letter}) {title}", scores, _costs(rows), latencies, keys))
    return "\n".join([*lines, ""])


def paired(found: Found, family: str, budget: int, name: str, figure: str) -> list[float]:
    """Return the differences of a contestant from (e), seed by seed.

    Args:
        found: Lines by key.
        family: The work.
        budget: The budget.
        name: The contestant.
        figure: Name of a score.
    """
    values = []
    for seed in _seeds(found, family, budget, name):
        base = found.get(Key(family, budget, seed, OURS), {}).get("scores", {})
        mine = found[Key(family, budget, seed, name)]["scores"]
        if figure in base and figure in mine:
            values.append(mine[figure] - base[figure])
    return values


def _ablation(found: Found, family: str) -> str:
    head = ["switched off", "Fréchet, change", "LPIPS-like to teacher, change", "share of budget"]
    lines = [f"### {family}, 1/{ABLATION_BUDGET}: each default switched off", "", *_head(head)]
    for arm in _arms(found, family):
        seeds = _seeds(found, family, ABLATION_BUDGET, arm)
        rows = [found[Key(family, ABLATION_BUDGET, seed, arm)] for seed in seeds]
        cells = [
            difference(paired(found, family, ABLATION_BUDGET, arm, figure))
            for figure in (FRECHET, "lpips-lite0 to teacher")
        ]
        share = f"{fmean(row['share'] for row in rows):.0%}"
        lines.append(_cells([arm.removeprefix(f"{OURS}, "), *cells, share]))
    return "\n".join([*lines, ""])


def _arms(found: Found, family: str) -> list[str]:
    known = {*CONTESTANTS, TEACHER, BASELINE}
    names = (key.contestant for key, row in found.items() if key.family == family and "cost" in row)
    return [name for name in dict.fromkeys(names) if name not in known]


def _seeds(found: Found, family: str, budget: int, name: str | None) -> list[int]:
    """Return the seeds of a contestant, or of any, that have a result."""
    return sorted(
        {
            key.seed
            for key, row in found.items()
            if (key.family, key.budget) == (family, budget)
            and (key.contestant == name or (name is None and key.contestant in CONTESTANTS))
            and "scores" in row
        }
    )


def _scores(rows: Sequence[Row], *differences: str) -> list[str]:
    cells = [_mean(rows, lambda row: row["scores"].get(FRECHET), "{:.1f}"), *differences]
    for figure, digits in FIGURES.values():
        cells.append(_mean(rows, lambda row, name=figure: row["scores"].get(name), digits))
    return cells


def _costs(rows: Sequence[Row]) -> list[str]:
    return [
        _mean(rows, lambda row: _of(row, "cost", "macs"), "{:.1f} M", 1e6),
        _mean(rows, lambda row: _of(row, "cost", "params"), "{:,.0f} k", 1e3),
        _mean(rows, _training, "{:.0f} s"),
        _mean(rows, lambda row: _of(row, "seconds", "search"), "{:.0f} s"),
    ]


def _line(
    title: str,
    scores: Sequence[str],
    costs: Sequence[str],
    latencies: Mapping[Key, float],
    keys: Sequence[Key],
) -> str:
    timed = [latencies[key] for key in keys if key in latencies]
    latency = f"{fmean(timed):.2f} ms" if timed else NOTHING
    return _cells([title, *scores, *costs[:2], latency, *costs[2:]])


def _mean(
    rows: Sequence[Row], get: Callable[[Row], float | None], digits: str, unit: float = 1.0
) -> str:
    values = [value for row in rows if (value := get(row)) is not None]
    return digits.format(fmean(values) / unit) if values else NOTHING


def _training(row: Row) -> float | None:
    """Return the seconds of all stages but the search, such as the fit of decomposed layers."""
    spent = row.get("seconds")
    return None if spent is None else sum(spent.get(name, 0.0) for name in ("prepare", "train"))


def _of(row: Row, part: str, name: str) -> float | None:
    value: float | None = row.get(part, {}).get(name)
    return value


def _head(titles: Sequence[str]) -> list[str]:
    return [_cells(titles), "|---" * len(titles) + "|"]


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(words: Sequence[str]) -> None:
    """Print the tables."""
    from benchmarks.quality.run import ROWS, arguments
    from benchmarks.quality.work import SPECS, Work

    given = arguments(words)
    works = {name: Work(spec, given.scale, given.out) for name, spec in SPECS.items()}
    rows = rows_of(given.out / ROWS, {name: work.protocol for name, work in works.items()})
    print(tables(rows, read_latencies(given.out, rows)))


if __name__ == "__main__":
    main(sys.argv[1:])
