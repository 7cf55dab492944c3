"""Time nets in one runtime, in a process of its own: python -I child.py JOB.

JOB is a JSON file that `gancompress.bench.measure` writes; this script needs numpy, the runtime and
nothing else, but where the nets are run by PyTorch this package. Its keys:

- ``path``, ``import``: folders to look for modules in, and the runtime's module;
- ``player``, ``turns``: scripts with ``load`` (see `gancompress.export.players`) and with
  ``time_in_turns``;
- ``cpus``: the processors that the process is bound to; null binds it to none;
- ``nets``: name, ``file`` and ``settings`` of each;
- ``inputs``, ``batches``: an ``.npz``, and the names of its arrays by batch size;
- ``runs``, ``warmup``: calls;
- ``counters``: folders of energy counters;
- ``answer``: where the result goes: ``{name: {"memory": bytes, "times": {batch: [s]}, "energy":
  {batch: joules}, "errors": {batch: text}}}``.
"""

import json
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

STATUS = Path("/proc/self/status")
PATIENCE = 300  # seconds until a process that measures memory is given up
CALLS = 2  # of them, since a runtime may keep memory of the first call for the next


def main(place: str) -> None:
    """Do a job."""
    job = json.loads(Path(place).read_text(encoding="utf-8"))
    sys.path[:0] = job["path"]
    if job["cpus"] is not None:
        os.sched_setaffinity(0, job["cpus"])
    with suppress(ImportError):  # what is missing is told by the player
        import_module(job["import"])
    with np.load(job["inputs"]) as given:
        inputs = {n: [given[name] for name in names] for n, names in job["batches"].items()}
    load = runpy.run_path(job["player"])["load"]
    found: dict[str, Any] = {
        net["name"]: {"memory": None, "times": {}, "energy": {}, "errors": {}}
        for net in job["nets"]
    }
    for net in job["nets"]:  # before any runtime has made threads, which do not survive a fork
        found[net["name"]]["memory"] = memory(load, net, next(iter(inputs.values())))
    ready = {}
    for net in job["nets"]:
        try:
            ready[net["name"]] = load(net["file"], "cpu", net["settings"])
        except Exception as error:  # noqa: BLE001 - a runtime may raise anything
            found[net["name"]]["errors"] = dict.fromkeys(inputs, said(error))
    for batch, arrays in inputs.items():
        time_batch(job, ready, batch, arrays, found)
    Path(job["answer"]).write_text(json.dumps(found), encoding="utf-8")


def time_batch(
    job: Mapping[str, Any],
    ready: Mapping[str, Callable[[Sequence[Any]], Any]],
    batch: str,
    arrays: Sequence[Any],
    found: dict[str, Any],
) -> None:
    """Time all nets in turns on inputs of one batch size, then what each draws."""
    runners = {}
    for name, run in ready.items():
        try:
            run(arrays)
        except Exception as error:  # noqa: BLE001 - so it may on a size that it has not
            found[name]["errors"][batch] = said(error)
        else:
            runners[name] = lambda run=run: run(arrays)
    turns = runpy.run_path(job["turns"])["time_in_turns"]
    times = turns(runners, runs=job["runs"], warmup=job["warmup"])
    for name, seconds in times.items():
        found[name]["times"][batch] = seconds
        if job["counters"]:
            found[name]["energy"][batch] = energy(runners[name], job["counters"], job["runs"])


def memory(load: Callable[..., Any], net: Mapping[str, Any], arrays: Sequence[Any]) -> int | None:
    """Return how much memory a process needs at most that loads a net and runs it.

    The process is a copy of this one, in which the runtime is imported and nothing is loaded. What
    is measured is its peak resident memory less what was resident when it began.

    Returns:
        Bytes; None where the system does not say, or the net does not run.
    """
    if not (hasattr(os, "fork") and resident("VmHWM")):
        return None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(PATIENCE)
            before = resident("VmRSS")
            run = load(net["file"], "cpu", net["settings"])
            for _ in range(CALLS):
                run(arrays)
            os.write(writing, str(resident("VmHWM") - before).encode())
        finally:
            os._exit(0)  # whatever happened: the rest is the other process's
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return max(0, int(text)) if text else None


def resident(key: str) -> int:
    """Read ``VmRSS`` or ``VmHWM`` of this process, in bytes; 0 where it is not to be had."""
    with suppress(OSError):
        for line in STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith(f"{key}:"):
                return 1024 * int(line.split()[1])
    return 0


def energy(run: Callable[[], Any], counters: Sequence[str], calls: int) -> float:
    """Return the joules that the processors took a call, everything else on them included."""
    before = [joules(folder) for folder in counters]
    for _ in range(calls):
        run()
    total = 0.0
    for folder, start in zip(counters, before, strict=True):
        spent = joules(folder) - start
        # A counter begins anew at its end.
        total += spent if spent >= 0 else spent + joules(folder, "max_energy_range_uj")
    return total / calls


def joules(folder: str, name: str = "energy_uj") -> float:
    """Read a counter of microjoules."""
    return int((Path(folder) / name).read_text(encoding="ascii")) / 1e6


def said(error: Exception) -> str:
    """Return what a runtime said, in a line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    main(sys.argv[1])
