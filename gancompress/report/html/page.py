"""The page: every section of every run, put into one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from gancompress.errors import ConfigError, GancompressError
from gancompress.report.html import architecture, headline, origin, progress, samples, sensitivity
from gancompress.report.html import search as searching
from gancompress.report.html.compare import Comparison, compare
from gancompress.report.html.section import Section
from gancompress.report.html.source import RunSource
from gancompress.report.units import count, figure, percent
from gancompress.store.atomic import write_atomic

REPORT: Final = "report.html"


@dataclass(frozen=True)
class RunPage:
    """What is shown of one run.

    Args:
        number: Counted from 1.
        name: The folder's name.
        family: The GAN family.
        recipe: Its recipe; empty where none is named.
        generator: The user's own generator; empty for the family's.
        stages: Where each stands.
        heard: Time of the last event; empty where there is none.
        sections: What is shown below one another.
        problems: What is damaged, a sentence each.
    """

    number: int
    name: str
    family: str
    recipe: str
    generator: str
    stages: tuple[progress.StageState, ...]
    heard: str
    sections: tuple[Section, ...]
    problems: tuple[str, ...]


def write_report(
    runs: Sequence[Path | str], out: Path | None = None, *, most: int = samples.MOST
) -> Path:
    """Write the report of a run, or of several that are compared.

    Args:
        runs: Run directories.
        out: The file; None takes ``report.html`` in the run, and for several runs
            ``comparison.html`` in the current folder.
        most: Samples at most.

    Returns:
        The file.

    Raises:
        ConfigError: If there is no run, one is given twice, or `most` is negative.
        RunError: If a folder is no run.
        StorageError: If the file cannot be written.
    """
    roots = [Path(run) for run in runs]
    page = render_report(roots, most=most)
    place = out
    if place is None:
        place = roots[0] / REPORT if len(roots) == 1 else Path("comparison.html")
    write_atomic(place, page.encode())
    return place


def render_report(runs: Sequence[Path], *, most: int = samples.MOST) -> str:
    """Render the report as text.

    Args:
        runs: Run directories.
        most: Samples at most; several runs share them out.

    Returns:
        HTML that loads nothing from elsewhere.

    Raises:
        ConfigError: If there is no run, one is given twice, or `most` is negative.
        RunError: If a folder is no run.
    """
    if not runs:
        raise ConfigError("no run is given", hint="for example gancompress report runs/demo")
    if most < 0:
        raise ConfigError(
            f"{most} samples cannot be shown", hint="give --samples 16, or 0 for none"
        )
    twice = next((r for i, r in enumerate(runs) if r.resolve() in _resolved(runs[:i])), None)
    if twice is not None:
        raise ConfigError(f"'{twice}' is given twice", hint="compare it with another run")
    sources = [RunSource.open(run) for run in runs]
    share = most if len(sources) == 1 else -(-most // len(sources))
    pages = [run_page(source, number, share) for number, source in enumerate(sources, 1)]
    comparison: Comparison | None = compare(sources, share) if len(sources) > 1 else None
    return _environment().get_template("page.html.j2").render(
        runs=pages, comparison=comparison, version=_version(), names=[p.name for p in pages]
    )  # fmt: skip


def run_page(source: RunSource, number: int, most: int) -> RunPage:
    """Read everything about one run.

    Args:
        source: The run.
        number: Counted from 1.
        most: Samples at most.
    """
    name = str(source.root)
    sections = (
        Section.read(
            "headline",
            "Teacher and compressed",
            f"gancompress finetune {name}",
            lambda: headline.headline(source),
        ),
        Section.read(
            "samples",
            "Samples",
            f"gancompress evaluate {name}",
            lambda: samples.gallery(source, most) if most else None,
        ),
        Section.read(
            "architecture",
            "Architecture",
            "gancompress distill",
            lambda: architecture.architecture(source),
        ),
        Section.read(
            "coverage", "Coverage", "gancompress distill", lambda: architecture.coverage(source)
        ),
        Section.read(
            "sensitivity",
            "Sensitivity",
            f"gancompress sensitivity {name}",
            lambda: sensitivity.sensitivity(source),
        ),
        Section.read(
            "training",
            "Training",
            "gancompress distill",
            lambda: _trainings(source),
        ),
        Section.read(
            "search", "Search", f"gancompress search {name}", lambda: searching.search(source)
        ),
        Section.read(
            "ranking",
            "Ranking check",
            f"gancompress search {name} --check-ranking 5",
            lambda: searching.ranking(source),
        ),
        Section.read("origin", "Reproduce", "", lambda: origin.origin(source)),
    )
    facts, problems = _facts(source)
    for section in sections:
        problems += [section.problem] if section.problem else []
        problems += getattr(section.content, "problems", ())
    return RunPage(
        number,
        source.name,
        *facts,
        tuple(progress.stage_states(source)),
        progress.last_heard(source),
        sections,
        tuple(dict.fromkeys(problems)),
    )


def _trainings(source: RunSource) -> list[tuple[progress.Training, Any]]:
    return [(one, samples.newest_grid(source, one.stage)) for one in progress.trainings(source)]


def _facts(source: RunSource) -> tuple[tuple[str, str, str], list[str]]:
    problems = []
    unreadable = source.events.unreadable
    if unreadable:
        place = source.root / "events.jsonl"
        lines = "line is" if unreadable == 1 else "lines are"
        problems.append(f"'{place}' is damaged: {unreadable} {lines} no event, and left out")
    try:
        config = source.record("config.json")
        texts = [
            "" if config is None else config.text(key) or ""
            for key in ("family", "recipe", "generator")
        ]
    except GancompressError:
        texts = ["", "", ""]  # the section about the making names what is wrong with it
    return (texts[0], texts[1], texts[2]), problems


def _resolved(runs: Sequence[Path]) -> set[Path]:
    return {run.resolve() for run in runs}


def _version() -> str:
    try:
        return version("gancompress")
    except PackageNotFoundError:  # pragma: no cover - a source tree that is not installed
        return ""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("gancompress.report.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"count": count, "percent": percent, "figure": figure}
    return made
