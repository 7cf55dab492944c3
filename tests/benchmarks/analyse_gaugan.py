"""Trace and analyse GauGAN's generator in this process, and print what each stage took as JSON.

A process of its own, because the operating system tells only the highest memory of all its life.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CORES = 2


def peak_bytes() -> int:
    """Return the highest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike `ru_maxrss`, which a process inherits from the one that started it.
        (line,) = [one for one in status.read_text().splitlines() if one.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Measure stage by stage."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    stages: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        stages[name] = {"seconds": time.perf_counter() - begun, "peak_bytes": peak_bytes()}

    # The imports are stages too, hence not at the top of the file.
    with stage("import torch"):
        import torch
    with stage("import gancompress"):
        from gancompress.graph import analyse, trace
        from gancompress.passes import FoldReparametrisation, run_passes
    torch.set_num_threads(CORES)
    with stage("generator"):
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from benchmarks.gaugan import GauGan, labels

        torch.manual_seed(0)
        generator, example = GauGan().eval(), labels()
    with stage("trace"):
        traced = trace(generator, (example,))
    with stage("fold"):
        plain = run_passes(traced, [FoldReparametrisation()])
    with stage("analyse"):
        graph = analyse(plain)
    cover = graph.coverage()
    shares = {"params": cover.total.params, "macs": cover.total.macs}
    elastic = {"params": cover.elastic.params, "macs": cover.elastic.macs}
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "stages": stages,
                "total": shares,
                "elastic": elastic,
                "groups": len(graph.groups),
            }
        )
    )


if __name__ == "__main__":
    main()
