"""Compare schedules, discriminators and losses of a supernet's training on the demo's data.

Run it with: python tests/benchmarks/supernet_defaults.py [--out FILE] [--arms NAME…] [--steps N]

Each arm changes one setting of the OpenMoji recipe and trains a supernet from the shipped teacher,
for as many steps on as many pictures as all others, with three seeds. Then the same subnets are
scored on validation drawings, lower being better: the widest that are 8 and 16 times smaller than
the teacher with all groups narrowed alike, and random ones within the 8x budget. What is done is
appended to a file of JSON lines, and a second call goes on. At the end stands for each arm the
score averaged over subnets and seeds, and its difference from the first arm, paired by seed, with
the 95 % interval of Student's t over the seeds. A run of the default settings takes about 66 s of
one core, and all of them 40 minutes.
"""

import argparse
import copy
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from scipy.stats import t as student_t

from gancompress.compress.configure import configure, override
from gancompress.compress.metrics import find_metrics, score_with
from gancompress.compress.prepare import Project, prepare
from gancompress.cost import Budget, Cost, measure_cost
from gancompress.distill import distill
from gancompress.elastic import MacEstimate, SubnetConfig, calibrate_batch_norm
from gancompress.search.candidates import Candidates
from gancompress_pix2pix.family import Pix2Pix

METRICS = ("frechet-lite0", "kid-lite0")
BUDGETS = ("8x", "16x")
BASE = "uniform"
# Weights that bring each term to about the size of the adapters' error in the first step.
ARMS: Mapping[str, Mapping[str, Any]] = {
    BASE: {},
    "sandwich": {"sampling": "sandwich"},
    "budget-aware": {"sampling": "budget-aware", "macs": "8x"},
    "shrink": {"sampling": "shrink"},
    "fresh critics": {"discriminator": "fresh"},
    "scaled critics": {"discriminator": "scaled"},
    "conditioned critics": {"discriminator": "conditioned"},
    "no critics": {"discriminator": "none"},
    "no features": {"lambda_distill": 0.0},
    "kernel-alignment": {"losses": {"kernel-alignment": 10.0}},
    "and wavelet": {"losses": {"adapter-mse": 1.0, "wavelet": 6.0}},
    "and discriminator-features": {"losses": {"adapter-mse": 1.0, "discriminator-features": 10.0}},
}
# Not part of the default comparison: name them with --arms.
MORE: Mapping[str, Mapping[str, Any]] = {
    "channel-distribution": {"losses": {"channel-distribution": 1.0}},
    "and channel-attention": {"losses": {"adapter-mse": 1.0, "channel-attention": 10.0}},
    "and perceptual": {"losses": {"adapter-mse": 1.0, "perceptual": 3.0}},
    "and style": {"losses": {"adapter-mse": 1.0, "style": 30.0}},
    "and ssim": {"losses": {"adapter-mse": 1.0, "ssim": 8.0}},
    "omgd": {"teacher": "online", "discriminator": "none", "recon_target": "teacher"},
}

Score = Callable[[torch.nn.Module], float]
Row = dict[str, Any]


def main(words: Sequence[str]) -> None:
    """Do what is missing, then print the table."""
    given = _arguments(words)
    every = {**ARMS, **MORE}
    unknown = [name for name in given.arms if name not in every]
    if unknown:
        raise SystemExit(f"there is no arm '{unknown[0]}': choose of {', '.join(every)}")
    arms = list(dict.fromkeys([BASE, *given.arms]))
    settings = {key: getattr(given, key) for key in ("steps", "batch", "pictures", "random")}
    rows = known_rows(given.out, settings)
    todo = [
        (arm, seed)
        for seed in range(given.seeds)
        for arm in arms
        if not any((row["arm"], row["seed"]) == (arm, seed) for row in rows)
    ]
    if todo:
        bench = Bench(given)
        for arm, seed in todo:
            row = bench.run(arm, every[arm], seed) | {"settings": settings}
            rows.append(row)
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            sys.stderr.write(f"{arm}, seed {seed}: {row['seconds']:.0f} s\n")
    sys.stdout.write(table(rows, arms))


class Bench:
    """The demo's project, its subnets, and how they are scored."""

    def __init__(self, given: argparse.Namespace) -> None:
        family = Pix2Pix()
        changes = {"space": {"smallest": 0.25}, "decompose": {"fit": given.pictures}}
        config = override(configure(family, recipe="openmoji"), changes)
        teacher = Path(str(family.recipes()["openmoji"].teacher))
        self.given = given
        self.project: Project = prepare(family, config, teacher)
        self.subnets = choose_subnets(self.project, given.random)
        batches = self.project.batches("val", most=given.pictures)
        found = find_metrics(METRICS, {})
        self.scores: dict[str, Score] = {
            name: score_with(metric, batches)[0] for name, metric in found.items()
        }
        self.calibration = [
            batch.inputs for batch in self.project.batches("train", most=given.pictures)
        ]

    def run(self, arm: str, changes: Mapping[str, Any], seed: int) -> Row:
        """Train one supernet from the start, and score its subnets."""
        began = time.process_time()
        project, given = self.project, self.given
        supernet, objective = copy.deepcopy((project.supernet, project.objective))
        loop = {"steps": given.steps, "batch_size": given.batch, "precision": "no"}
        loop["checkpoint_every"] = given.steps
        config = project.config.distill.model_copy(update={**loop, "ema": 0.9, **changes})
        torch.manual_seed(seed)
        distill(
            supernet,
            teacher=project.teacher,
            data=project.data["train"],
            objective=objective,
            config=config,
            seed=seed,
        )
        trained = time.process_time() - began
        scores: dict[str, dict[str, float]] = {name: {} for name in self.scores}
        for label, subnet in self.subnets.items():
            net = calibrate_batch_norm(supernet.materialise(subnet).eval(), self.calibration)
            for name, score in self.scores.items():
                scores[name][label] = score(net)
        seconds = time.process_time() - began
        return {"arm": arm, "seed": seed, "scores": scores, "seconds": seconds, "trained": trained}


def choose_subnets(project: Project, count: int) -> dict[str, SubnetConfig]:
    """Return the uniform subnets of each budget, and random ones within the first."""
    supernet, macs_of = project.supernet, MacEstimate(project.supernet)
    teacher = measure_cost(project.teacher.module, project.teacher.example_inputs)

    def within(macs: str) -> Candidates:
        return Candidates(
            supernet.space.choices,
            Budget(macs).resolve(teacher),
            lambda config: Cost(macs=macs_of(config), macs_published=0, params=0),
        )

    subnets = {}
    for macs in BUDGETS:
        space = within(macs)
        subnets[f"uniform {macs}"] = space.config(space.fit(space.widest))
    draw, space = random.Random(0), within(BUDGETS[0])  # noqa: S311 - a sample, not a secret
    for index in range(count):
        chosen = space.fit(space.positions(supernet.sample(draw)))
        subnets[f"random {index + 1}"] = space.config(chosen)
    return subnets


def known_rows(path: Path, settings: Mapping[str, Any]) -> list[Row]:
    """Read what an earlier call has done with the same settings."""
    if not path.is_file():
        return []
    rows: list[Row] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row: Row = json.loads(line)
        except ValueError:  # the last line of a call that was killed
            continue
        if row["settings"] == settings:
            rows.append(row)
    return rows


def table(rows: Iterable[Row], arms: Sequence[str]) -> str:
    """Return one line for each arm and metric."""
    lines = []
    by_arm = {arm: {row["seed"]: row for row in rows if row["arm"] == arm} for arm in arms}
    for metric in METRICS:
        lines.append(f"{metric}, {len(by_arm[arms[0]])} seeds; lower is better")
        uniform = [f"uniform {macs}" for macs in BUDGETS]
        head = ["all", *uniform, "difference", "95 % interval", "s a run"]
        lines.append(f"{'arm':28s}" + "".join(f"{title:>18s}" for title in head))
        base = {seed: _mean(row, metric) for seed, row in by_arm[arms[0]].items()}
        for arm, found in by_arm.items():
            cells = [f"{fmean(_mean(row, metric) for row in found.values()):.4g}"]
            cells += [
                f"{fmean(row['scores'][metric][label] for row in found.values()):.4g}"
                for label in uniform
            ]
            paired = [
                _mean(row, metric) - base[seed] for seed, row in found.items() if seed in base
            ]
            cells += _difference(paired) if arm != arms[0] else ["", ""]
            cells.append(f"{fmean(row['seconds'] for row in found.values()):.0f}")
            lines.append(f"{arm:28s}" + "".join(f"{cell:>18s}" for cell in cells))
        lines.append("")
    return "\n".join(lines)


def _difference(paired: Sequence[float]) -> list[str]:
    centre = fmean(paired)
    if len(paired) < 2:
        return [f"{centre:+.3g}", "one seed"]
    half = float(student_t.ppf(0.975, len(paired) - 1)) * stdev(paired) / len(paired) ** 0.5
    return [f"{centre:+.3g}", f"{centre - half:+.3g} … {centre + half:+.3g}"]


def _mean(row: Row, metric: str) -> float:
    return fmean(row["scores"][metric].values())


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=Path("supernet_defaults.jsonl"))
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=128, help="that subnets are scored on")
    parser.add_argument("--random", type=int, default=4, help="random subnets")
    return parser.parse_args(words)


if __name__ == "__main__":
    main(sys.argv[1:])
