"""Compare what the sensitivity of single layers predicts with what a short distillation ends at.

Run it with: python tests/benchmarks/predicted_loss.py [steps [choices]]

Sets of the shipped OpenMoji teacher's layers are drawn at random: first of all sizes, then as many
that have half of the layers each, which no count of layers can tell apart. Each set is decomposed
as `compress` decomposes it, and the widest student trained for as many steps on the same pictures.
Predicted is the sum of the layers' own losses, measured by `lpips-lite0` on validation
drawings; measured is the student's on test drawings. Printed are both for each set, and Kendall's
tau between them; beside it tau of two other predictions: the number of MACs saved, and the loss of
the whole set before it is trained.
"""

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from scipy.stats import kendalltau

from gancompress.compress.choice import calibration_inputs
from gancompress.compress.configure import configure, override
from gancompress.compress.metrics import distances
from gancompress.compress.prepare import Project, prepare
from gancompress.distill import distill
from gancompress.sensitivity import SensitivityReport, sensitivity
from gancompress_pix2pix.family import Pix2Pix

STEPS, CHOICES, SAMPLES, TESTED = 100, 14, 32, 128
METRIC = "lpips-lite0"


def main(steps: int, choices: int) -> None:
    """Print one line for each set of layers, then the correlations."""
    family = Pix2Pix()
    config = configure(family, recipe="openmoji")
    teacher = Path(str(family.recipes()["openmoji"].teacher))
    report = measure(prepare(family, override(config, {"decompose": {"layers": "none"}}), teacher))
    every = [effect.layer for effect in report.layers]
    kinds = {
        "sets of all sizes": [spread(len(every), choices, place) for place in range(choices)],
        "sets of half the layers": [len(every) // 2] * choices,
    }
    for title, sizes in kinds.items():
        sys.stdout.write(f"{title}\n")
        rows = []
        for layers in sets_of(every, sizes):
            project = prepare(family, override(config, {"decompose": {"layers": layers}}), teacher)
            rows.append(compare(project, report, layers, steps))
        correlate(rows)


def compare(
    project: Project, report: SensitivityReport, layers: tuple[str, ...], steps: int
) -> tuple[float, ...]:
    """Print and return the three predictions for one set, and what training ends at."""
    began = time.monotonic()
    predicted, saved = report.predicted(layers)
    untrained = distance(project, "val", SAMPLES)
    trained = train(project, steps)
    sys.stdout.write(
        f"{len(layers):2d} layers save {saved / report.macs:4.0%}: predicted {predicted:.4f}, "
        f"untrained {untrained:.4f}, after {steps} steps {trained:.4f} "
        f"({time.monotonic() - began:.0f} s)\n"
    )
    sys.stdout.flush()
    return predicted, float(saved), untrained, trained


def correlate(rows: Sequence[tuple[float, ...]]) -> None:
    """Print Kendall's tau of each prediction with what training ends at."""
    *predictions, trained = zip(*rows, strict=True)
    names = ("sum of single losses", "MACs saved", "loss of the whole set, untrained")
    for name, column in zip(names, predictions, strict=True):
        found = kendalltau(column, trained)
        sys.stdout.write(f"tau of {name}: {found.statistic:.2f} (p = {found.pvalue:.1g})\n")


def spread(most: int, count: int, place: int) -> int:
    """Return the size of one of several sets whose sizes go evenly from 2 to all."""
    return round(2 + (most - 2) * place / (count - 1))


def measure(project: Project) -> SensitivityReport:
    """Measure every layer of the teacher by itself."""
    inputs = [batch.inputs for batch in project.batches("val", most=SAMPLES)]
    return sensitivity(
        project.teacher,
        inputs,
        metrics=distances([METRIC], {}),
        ratios=(),
        calibration=calibration_inputs(project.data, project.config),
    )


def sets_of(layers: Sequence[str], sizes: Sequence[int]) -> list[tuple[str, ...]]:
    """Draw a set of each size, in the order of the net."""
    draw = random.Random(0)  # noqa: S311 - a sample, not a secret
    return [tuple(sorted(draw.sample(layers, size), key=layers.index)) for size in sizes]


def train(project: Project, steps: int) -> float:
    """Train the widest student and return its distance to the teacher on test drawings."""
    config = project.config.distill.model_copy(update={"steps": steps})
    torch.manual_seed(project.config.seed)
    distill(
        project.supernet,
        teacher=project.teacher,
        data=project.data["train"],
        objective=project.objective,
        config=config,
        subnet=project.supernet.space.largest(),
        seed=project.config.seed,
    )
    return distance(project, "test", TESTED)


def distance(project: Project, split: str, most: int) -> float:
    """Return the widest student's distance to the teacher's pictures of one split."""
    project.supernet.activate(project.supernet.space.largest())
    student, teacher = project.supernet.eval(), project.teacher.module
    batches = project.batches(split, most=most)
    with torch.no_grad():
        drawn = [(student(*batch.inputs), teacher(*batch.inputs)) for batch in batches]
    ours, theirs = (torch.cat(pictures) for pictures in zip(*drawn, strict=True))
    return distances([METRIC], {})[METRIC](ours, theirs)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [STEPS, CHOICES][len(given) :]))
