"""Compare how many subnets each sampler scores until its front is as good as chance makes it.

Run it with: python tests/benchmarks/sampler_efficiency.py [table.json] [seeds] [sampler ...]

A small space, four groups of four widths of the OpenMoji demo's undistilled supernet, is scored
exhaustively on 16 pictures; the table is kept in the file, as that takes minutes. Each sampler then
searches it without a limit, and the volume that its front dominates (MACs and score, up to the
worst of either) is followed subnet by subnet. Printed are, for shares of the whole front's volume,
the median number of subnets over the seeds, and how many times as many chance needs.
"""

import itertools
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import torch

from gancompress.compress.configure import configure, override
from gancompress.compress.prepare import prepare
from gancompress.compress.scoring import subnet_score
from gancompress.cost import Budget, Cost
from gancompress.elastic import MacEstimate, SearchSpace, SubnetConfig, Supernet
from gancompress.search import LocalEvaluator, SamplerName, pareto_front, search
from gancompress.search.result import Trial
from gancompress_pix2pix.family import Pix2Pix

SHARES, MOST = (0.9, 0.95, 0.99), 96
GROUPS, WIDTHS = ("model.4", "model.7", "model.10.conv_block.1.pointwise", "model.19"), 4
Point = tuple[float, float]


def main(table: Path, seeds: int, samplers: Sequence[SamplerName]) -> None:
    """Print one line for each sampler and share."""
    if not table.is_file():
        table.write_text(json.dumps(score_all()))
    content = json.loads(table.read_text())
    space = SearchSpace({key: tuple(widths) for key, widths in content["space"].items()})
    points = {tuple(row[:-2]): (row[-2], row[-1]) for row in content["rows"]}
    worst = (max(p[0] for p in points.values()), max(p[1] for p in points.values()))
    whole = volume(list(points.values()), worst)
    needed = {
        name: [counts(name, seed, space, points, worst=worst, whole=whole) for seed in range(seeds)]
        for name in samplers
    }
    print(f"{len(points)} subnets, {seeds} seeds")
    for index, share in enumerate(SHARES):
        medians = {
            name: statistics.median(run[index] for run in runs) for name, runs in needed.items()
        }
        for name, median in medians.items():
            ratio = medians["random"] / median
            print(f"{share:.0%} of the volume: {name} {median:g} subnets, chance {ratio:.2f} times")


def score_all() -> dict[str, Any]:
    """Score every subnet of the small space."""
    family = Pix2Pix()
    config = override(configure(family, recipe="openmoji"), {"search": {"pictures": 16}})
    teacher = Path(str(family.recipes()["openmoji"].teacher))
    project = prepare(family, config, teacher, fitted=False)
    choices = project.supernet.space.choices
    chosen = {key: spread(choices[key]) for key in GROUPS}
    # The other groups are as narrow as they get, so that these matter.
    others = {key: widths[:1] for key, widths in choices.items() if key not in chosen}
    supernet = Supernet(project.supernet.traced, SearchSpace({**chosen, **others})).eval()
    score, _ = subnet_score(project)
    local, macs = LocalEvaluator(supernet, score), MacEstimate(supernet)
    rows = []
    for widths in itertools.product(*chosen.values()):
        fixed = {key: one[0] for key, one in others.items()}
        subnet = SubnetConfig(dict(zip(chosen, widths, strict=True)) | fixed)
        ((_, value),) = local.evaluate([subnet])
        rows.append([*widths, macs(subnet), value])
    return {"space": chosen, "rows": rows}


def spread(widths: Sequence[int]) -> list[int]:
    """Return four of some widths, the ends among them."""
    return [widths[round(i * (len(widths) - 1) / (WIDTHS - 1))] for i in range(WIDTHS)]


def counts(
    name: SamplerName,
    seed: int,
    space: SearchSpace,
    points: dict[tuple[Any, ...], Point],
    *,
    worst: Point,
    whole: float,
) -> list[int]:
    """Return how many subnets one search scores until it has each share of the volume."""

    def at(net: Any) -> Point:
        return points[tuple(net.widths)]

    table: Any = SimpleNamespace(space=space, materialise=Looked)
    found = search(
        table,
        budget=Budget(),
        cost=lambda net: Cost(int(at(net)[0]), 0, 0),
        score=lambda net: at(net)[1],
        sampler=name,
        seed=seed,
        trials=MOST,
    )
    seen = [(float(trial.cost.macs), trial.score) for trial in found.trials]
    volumes = [volume(seen[: count + 1], worst) for count in range(len(seen))]
    # A share that is not reached counts as if the next subnet had brought it.
    return [
        next((i for i, v in enumerate(volumes, 1) if v >= share * whole), MOST + 1)
        for share in SHARES
    ]


class Looked(torch.nn.Module):
    """A subnet whose figures are looked up."""

    def __init__(self, config: SubnetConfig) -> None:
        super().__init__()
        self.widths = list(config.widths.values())


def volume(points: Sequence[Point], worst: Point) -> float:
    """Return the area that a front dominates, up to the worst of either."""
    trials = [
        Trial(i, SubnetConfig({}), Cost(int(macs), 0, 0), score)
        for i, (macs, score) in enumerate(points)
    ]
    front = pareto_front(trials)
    area, ceiling = 0.0, worst[1]
    for trial in front:
        area += (worst[0] - trial.cost.macs) * (ceiling - trial.score)
        ceiling = trial.score
    return area


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "sampler-efficiency.json")
    # The Gaussian process takes a second a subnet: it is for those who name it.
    usual = [name for name in get_args(SamplerName) if name not in {"exhaustive", "gp"}]
    named: Any = sys.argv[3:] or usual
    main(place, int(sys.argv[2]) if len(sys.argv) > 2 else 8, named)
