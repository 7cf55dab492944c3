"""Is a search under a limit of latency better than one under MACs? Both, at equal latency.

Run it with: python tests/benchmarks/latency_search.py RUN [--macs 12x] [--on openvino] [--trials N]

RUN is a run directory of `gancompress demo` or `distill` in which the supernet is distilled. For
each seed the subnets are searched under a limit of MACs; the best one's latency on the target is
then the only limit of a second search of as many trials. Both best subnets are timed again, in
turns, and scored by the run's own metric on validation pictures, which nothing was trained on but
which both searches looked at; and on the test split, which neither did. Lower scores are better.
It needs idle cores.
"""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import nn

from gancompress.compress import Job, Project
from gancompress.compress.metrics import find_metrics, score_with
from gancompress.compress.scoring import CALIBRATION_PICTURES, subnet_score
from gancompress.compress.stages import load_distilled
from gancompress.compress.timing import SubnetTimer
from gancompress.cost import Budget, measure_cost, measure_latency_in_turns
from gancompress.elastic import SubnetConfig, calibrate_batch_norm
from gancompress.plugins import PluginHost
from gancompress.search import LocalEvaluator, SearchResult, search


@dataclass(frozen=True)
class Found:
    """The best subnet of one search."""

    subnet: SubnetConfig
    macs: int
    validation: float
    test: float
    ms: float


def main() -> None:
    """Print a row for each search, and the mean differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--macs", default="12x")
    parser.add_argument("--on", default="openvino")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    job = Job.resume(given.run, PluginHost.discover(), stage="search", needed=("distill",))
    with job.open(("search",), again=True) as opened:
        assert opened is not None
        load_distilled(job.run, opened)
        project = on_target(opened, given.on)
        print(f"target {given.on}, {given.trials} trials a search, limit of MACs {given.macs}")
        print("| seed | limit | MACs | ms | score, validation | score, test |")
        print("|---|---|---|---|---|---|")
        pairs = [compare(project, given.macs, given.trials, seed) for seed in range(given.seeds)]
    for name in ("validation", "test"):
        differences = [getattr(b, name) - getattr(a, name) for a, b in pairs]
        spread = f", standard deviation {stdev(differences):.2f}" if len(pairs) > 1 else ""
        print(f"latency minus MACs, {name}: {fmean(differences):+.2f}{spread}")


def on_target(project: Project, on: str) -> Project:
    """Return the project with another target for latency."""
    settings = project.config.search.model_copy(update={"on": on})
    return replace(project, config=project.config.model_copy(update={"search": settings}))


def compare(project: Project, macs: str, trials: int, seed: int) -> tuple[Found, Found]:
    """Search under a limit of MACs, then of the latency of what was found."""
    timer = SubnetTimer(project)
    cost = measure_cost(project.teacher.module, project.teacher.example_inputs)
    first = look(project, Budget(macs=macs).resolve(cost), trials, seed)
    subnet = first.best.config
    limit = timer(project.supernet.materialise(subnet).eval())
    second = look(project, Budget(latency_ms=limit), trials, seed, latency=timer)
    times = in_turns(project, timer, [r.best.config for r in (first, second)])
    pair = tuple(
        Found(r.best.config, r.best.cost.macs, r.best.score, test_score(project, r.best.config), ms)
        for r, ms in zip((first, second), times, strict=True)
    )
    for name, found in zip((macs, f"{limit:.2f} ms"), pair, strict=True):
        print(
            f"| {seed} | {name} | {found.macs / 1e6:.1f} M | {found.ms:.2f} "
            f"| {found.validation:.1f} | {found.test:.1f} |",
            flush=True,
        )
    return pair[0], pair[1]


def look(
    project: Project,
    budget: Budget,
    trials: int,
    seed: int,
    latency: Callable[[nn.Module], float] | None = None,
) -> SearchResult:
    """Search with the run's own sampler and metric."""
    score, _ = subnet_score(project)
    inputs = project.teacher.example_inputs
    return search(
        project.supernet,
        budget=budget,
        evaluator=LocalEvaluator(project.supernet, score),
        cost=lambda net: measure_cost(net, inputs),
        latency=latency,
        trials=trials,
        sampler=project.config.search.sampler,
        seed=seed,
    )


def in_turns(project: Project, timer: SubnetTimer, subnets: list[SubnetConfig]) -> list[float]:
    """Time subnets again, in turns, on the target."""
    with ExitStack() as stack:
        runners = {
            str(at): stack.enter_context(
                timer._running(project.supernet.materialise(subnet).eval())
            )
            for at, subnet in enumerate(subnets)
        }
        times = measure_latency_in_turns(runners, runs=60, warmup=5)
    return [times[str(at)].p50 for at in range(len(subnets))]


def test_score(project: Project, subnet: SubnetConfig) -> float:
    """Score a subnet on pictures that no search has seen."""
    name = project.config.search.score
    metric = find_metrics([name], project.metrics)[name]
    measure, _ = score_with(metric, project.batches("test"))
    net = project.supernet.materialise(subnet).eval()
    batches = project.batches("train", most=CALIBRATION_PICTURES)
    return measure(calibrate_batch_norm(net, [batch.inputs for batch in batches]))


if __name__ == "__main__":
    main()
