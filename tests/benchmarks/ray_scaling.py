"""Subnets a minute with one worker and with two, in turns in one run, and the ratio.

All workers are started and warm before the clock is. Each has one thread, so this needs two idle
cores: ``python tests/benchmarks/ray_scaling.py``, or with a run directory in which ``distill`` is
done, whose pictures and metric are taken then. The target is a ratio of 1.7.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from gancompress.compress import Job, Project, configure
from gancompress.compress.scoring import subnet_score
from gancompress.compress.workers import scorer_recipe
from gancompress.elastic import SubnetConfig
from gancompress.plugins import PluginHost
from gancompress.search import Evaluator, LocalEvaluator
from gancompress.search.cluster import own_cluster
from gancompress.search.workers import RayEvaluator


def measure(project: Project, subnets: int, rounds: int) -> dict[str, float]:
    """Return subnets a minute, the median of all rounds, by who scored them."""
    rng = random.Random(0)  # noqa: S311 - not for cryptography
    configs = [project.supernet.sample(rng) for _ in range(subnets)]
    recipe = scorer_recipe(project)
    score, _ = subnet_score(project)
    with own_cluster(3, sum(map(len, recipe.tensors.values()))) as ray:
        one, two = (RayEvaluator(ray, recipe, workers=count) for count in (1, 2))
        evaluators: dict[str, Evaluator] = {
            "this process": LocalEvaluator(project.supernet, score),
            "1 worker": one,
            "2 workers": two,
        }
        warm(one, configs)
        warm(two, configs)
        scores = [dict(each.evaluate(configs)) for each in evaluators.values()]
        assert scores[0] == scores[1] == scores[2]
        seconds: dict[str, list[float]] = {name: [] for name in evaluators}
        for _ in range(rounds):
            for name, each in evaluators.items():
                began = time.perf_counter()
                list(each.evaluate(configs))
                seconds[name].append(time.perf_counter() - began)
        one.close()
        two.close()
    return {name: 60 * subnets / median(taken) for name, taken in seconds.items()}


def warm(evaluator: RayEvaluator, configs: Sequence[SubnetConfig]) -> None:
    """Have subnets scored until every worker is there."""
    while any(hand.asked for hand in evaluator._hands):
        list(evaluator.evaluate(configs[: evaluator.workers]))


def openmoji(folder: Path, host: PluginHost, pictures: int) -> Job:
    """Begin a run of the recipe whose teacher is shipped."""
    family = host.family("pix2pix")
    search = {"pictures": pictures, "macs": "8x"}
    config = configure(family, recipe="openmoji", overrides={"search": search})
    return Job.begin(folder, family, config, host)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--subnets", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=128)
    given = parser.parse_args()
    torch.set_num_threads(1)
    host = PluginHost.discover()
    with tempfile.TemporaryDirectory() as folder:
        if given.run is None:
            job = openmoji(Path(folder) / "run", host, given.pictures)
        else:
            job = Job.resume(given.run, host, stage="search", needed=("distill",))
        with job.open(("search",), again=True) as project:
            assert project is not None
            found = measure(project, given.subnets, given.rounds)
            pictures = project.config.search.pictures
    print(f"{given.subnets} subnets on {pictures} pictures, 1 thread each;")
    print(f"subnets a minute, median of {given.rounds} rounds in turns, warm-up excluded")
    for name, rate in found.items():
        print(f"{name:<14}{rate:>8.1f}")
    print(f"2 workers / 1 worker: {found['2 workers'] / found['1 worker']:.2f} (target 1.7)")


if __name__ == "__main__":
    main()
