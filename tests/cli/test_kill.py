"""A job that is killed again and again ends with the files of one that is not, bit for bit."""

import multiprocessing
import random
import signal
import sys
import time
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from gancompress.cli import main
from gancompress.store import read_json

from .conftest import digests

# Written while a job goes on, or with the time in them: what they say else is compared below.
CHANGING = ("events.jsonl", "stages/", "search.sqlite3", "summary.json", "bench")


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """Starts processes that have imported everything, and done nothing yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["torch", "gancompress.cli", "gancompress.compress", "gancompress.report"]
    )
    return context


def start(context: ForkServerContext, words: tuple[object, ...]) -> BaseProcess:
    process = context.Process(target=main, args=(["--quiet", *map(str, words)],))
    process.start()
    return process


def finish(context: ForkServerContext, *words: object) -> float:
    """Let a command end, and return how long it has taken."""
    began = time.monotonic()
    process = start(context, words)
    process.join(300)
    assert process.exitcode == 0
    return time.monotonic() - began


def killed(
    context: ForkServerContext, rng: random.Random, seconds: float, kills: int, *words: object
) -> int:
    """Kill a command at random moments, as often as asked, and then let it end."""
    done = 0
    for _ in range(kills):
        process = start(context, words)
        process.join(rng.uniform(0.0, seconds))
        if process.exitcode is None:
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL
            done += 1
        else:
            assert process.exitcode == 0
    finish(context, *words)
    return done


def files(folder: Path) -> dict[str, str]:
    return {
        name: digest
        for name, digest in digests(folder).items()
        if not name.startswith(CHANGING) and ".partial" not in name
    }


def summaries(folder: Path) -> dict[str, dict[str, object]]:
    """What the stages say about themselves, without times and sizes that depend on them."""
    kept = {}
    for path in sorted((folder / "stages").glob("*.json")):
        if path.stem != "bench":
            kept[path.stem] = {k: v for k, v in read_json(path).items() if k != "seconds"}
    return kept


def compare(
    context: ForkServerContext, toml: Path, folder: Path, kills: tuple[int, int], seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311
    whole, cut = folder / "whole", folder / "cut"
    train = ("train", "--config", toml, "--out")
    compress = ("compress", "--config", toml, "--teacher", whole / "teacher", "--out")
    seconds = finish(context, *train, whole / "teacher")
    done = killed(context, rng, seconds, kills[0], *train, cut / "teacher")
    assert files(cut / "teacher") == files(whole / "teacher")
    assert summaries(cut / "teacher") == summaries(whole / "teacher")
    seconds = finish(context, *compress, whole / "small")
    # What was done before a kill need not be done again, so the moments come early.
    done += killed(context, rng, 0.6 * seconds, kills[1], *compress, cut / "small")
    assert done > 0
    assert files(cut / "small") == files(whole / "small")
    assert summaries(cut / "small") == summaries(whole / "small")


@pytest.fixture(scope="module")
def short(toml: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared configuration with fewer steps."""
    file = tmp_path_factory.mktemp("short") / "run.toml"
    text = toml.read_text().replace("steps = 30", "steps = 6").replace("trials = 6", "trials = 3")
    file.write_text(text)
    return file


@pytest.mark.skipif(sys.platform != "linux", reason="the processes are forked")
def test_six_kills_at_random_moments_change_no_file(
    context: ForkServerContext, short: Path, tmp_path: Path
) -> None:
    compare(context, short, tmp_path, (2, 4), seed=0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the processes are forked")
def test_fifty_kills_at_random_moments_change_no_file(
    context: ForkServerContext, short: Path, tmp_path: Path
) -> None:
    compare(context, short, tmp_path, (10, 40), seed=1)
