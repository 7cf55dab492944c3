"""Compare what is left of a generator's quality, contestant by contestant; see docs/benchmarks.md.

Run it with: python tests/benchmarks/quality/run.py [--only family=openmoji,contestant=a+e]

Four works (three families with their shipped teachers and data, and a generator of a user's own,
whose teacher is trained first), budgets of 1/10, 1/5 and 1/20 of the teacher's true MACs, paired
seeds. What is done is appended to a file of JSON lines, and a second call goes on; an interrupted
run begins anew. Lines that were made with other settings are left alone and count for nothing.
With --latency the models that are there are timed instead, which needs idle cores. `tables.py` and
`grid.py` beside this file read the lines and the models.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from benchmarks.quality.contestants import ARMS, MAKERS
from benchmarks.quality.latency import model_folder, time_models
from benchmarks.quality.protocol import (
    BASELINE,
    CONTESTANTS,
    TEACHER,
    Key,
    append_row,
    chosen,
    plan,
    rows_of,
)
from benchmarks.quality.students import cost_of, share
from benchmarks.quality.work import SPECS, Spec, Work

from gancompress.errors import BudgetError, TrainingError

ROWS = "rows.jsonl"
OUT = Path("runs/quality")


def main(words: Sequence[str], specs: Mapping[str, Spec] = SPECS) -> int:
    """Do what is missing.

    Args:
        words: Arguments.
        specs: The works.

    Returns:
        1 where a run has failed for a reason that is nobody's result, and is to be tried again.
    """
    given = arguments(words)
    torch.set_num_threads(given.threads)
    works = {name: Work(spec, given.scale, given.out) for name, spec in specs.items()}
    keys = [
        key
        for key in chosen(plan(list(specs), list(ARMS)), given.only)
        if key.contestant not in ARMS or ARMS[key.contestant].applies(works[key.family].config)
    ]
    if given.latency:
        main_ones = [key for key in keys if key.seed == 0 and key.contestant in CONTESTANTS]
        time_models(given.out, works, main_ones, given.threads)
        return 0
    failed = 0
    for index, key in enumerate(keys):
        # Looked at every time: another process may work on the same file.
        done = {Key.of(row) for row in _known(given.out, works)}
        if key in done:
            continue
        began = time.perf_counter()
        _say(f"{index + 1}/{len(keys)}: {key}")
        try:
            reference(works[key.family], given.out, done)
            values = result(works[key.family], key, given.out)
        except Exception:  # noqa: BLE001 - the other runs of a night go on
            failed += 1
            traceback.print_exc()
            continue
        append_row(given.out / ROWS, key, values)
        _say(f"    {time.perf_counter() - began:.0f} s, {values.get('scores') or values['error']}")
    return 1 if failed else 0


def result(work: Work, key: Key, out: Path) -> dict[str, Any]:
    """Make one contestant's net, keep it, and return the figures.

    Args:
        work: The work.
        key: The run.
        out: Where models are kept.
    """
    common = {"protocol": work.protocol, "scale": work.scale}
    try:
        made = MAKERS[key.contestant](work, key.budget, key.seed)
    except (BudgetError, TrainingError) as error:  # that is a result too
        return {**common, "error": error.message}
    made.model.save(model_folder(out, work, key))
    cost = cost_of(work, made.model.module)
    batch = work.config.finetune.batch_size
    return {
        **common,
        "scores": work.judge.score(made.model.module),
        "images": made.steps * batch,
        "cost": asdict(cost),
        "share": share(cost.macs, work, key.budget),
        "seconds": dict(made.seconds),
        "notes": list(made.notes),
        "threads": torch.get_num_threads(),
    }


def reference(work: Work, out: Path, done: set[Key]) -> None:
    """Score the teacher and the picture that costs nothing, once.

    Args:
        work: The work.
        out: Where the lines are.
        done: What there is.
    """
    common = {"protocol": work.protocol, "scale": work.scale}
    for name in (TEACHER, BASELINE):
        key = Key(work.spec.name, 1, 0, name)
        if key in done:
            continue
        values: dict[str, Any] = {**common}
        if name == TEACHER:
            values["cost"] = asdict(cost_of(work, work.teacher.module))
            values["scores"] = work.judge.score(work.teacher.module)
        else:
            values["scores"] = work.judge.baseline()
        append_row(out / ROWS, key, values)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", help="such as family=openmoji,budget=10,seed=0,contestant=a+e")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--latency", action="store_true", help="time the models that there are; needs idle cores"
    )
    return parser.parse_args(words)


def _known(out: Path, works: Mapping[str, Work]) -> list[dict[str, Any]]:
    return rows_of(out / ROWS, {name: work.protocol for name, work in works.items()})


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
