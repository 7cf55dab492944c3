"""Run a file in a process of its own: python -I fresh.py JOB.

JOB is a JSON file with the keys ``player``, ``file``, ``device``, ``settings``, ``calls`` (the
names of the arrays of each call), ``inputs`` and ``outputs`` (paths of ``.npz`` files). The last
line on stdout is JSON: ``{"outputs": [3, 3]}``, how many each call gave, or ``{"error": "…"}``.
"""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(place: str) -> None:
    """Do a job and say how it went."""
    job = json.loads(Path(place).read_text(encoding="utf-8"))
    try:
        answer: dict[str, Any] = {"outputs": play(job)}
    except Exception as error:  # noqa: BLE001 - a runtime may raise anything, and the parent tells
        answer = {"error": str(error).strip() or type(error).__name__}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def play(job: dict[str, Any]) -> list[int]:
    """Run all calls, and write what they gave."""
    run = runpy.run_path(job["player"])["load"](job["file"], job["device"], job["settings"])
    found: dict[str, Any] = {}
    counts = []
    with np.load(job["inputs"]) as given:
        for number, names in enumerate(job["calls"]):
            outputs = run([given[name] for name in names])
            found |= {f"{number}_{k}": np.asarray(value) for k, value in enumerate(outputs)}
            counts.append(len(outputs))
    np.savez(job["outputs"], **found)
    return counts


if __name__ == "__main__":
    main(sys.argv[1])
