"""Supernet training, images a second: the product's loop against a plain one over sliced layers.

Both train a ResNet-9 of width 32 with separable residual blocks at 64 × 64, batch 8, by the same
three terms, in turns in one run: ``python tests/benchmarks/training_speed.py [rounds] [steps]``.
Beside the product in float32 stands the product with whatever the recipe turns on.
"""

import copy
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from benchmarks.sliced_resnet import PlainLoop, SlicedResNet
from torch import nn

from gancompress.compress.configure import configure
from gancompress.compress.prepare import Project, prepare
from gancompress.config import DistillConfig
from gancompress.distill import StudentTask, Team
from gancompress.distill.learner import Learner
from gancompress.distill.student import with_taps
from gancompress_pix2pix.family import Pix2Pix

BATCH, POINTS = 8, (3, 6, 9)


def make_project() -> Project:
    """Prepare the shipped teacher as `compress` does, by weights alone."""
    family = Pix2Pix()
    overrides = {"decompose": {"fit": 0}, "distill": {"batch_size": BATCH}}
    config = configure(family, recipe="openmoji", overrides=overrides)
    return prepare(family, config, Path(str(family.recipes()["openmoji"].teacher)))


def make_plain(project: Project) -> SlicedResNet:
    """Write the product's weights into the hand-written net."""
    net = SlicedResNet(32, 9)
    pairs = iter(project.supernet.state_dict().values())  # in the order of the forward pass
    order: list[nn.Module] = [net.stem, *net.down]
    for first, second in zip(net.first, net.second, strict=True):
        order += [first, second]
    with torch.no_grad():
        for layer in [*order, *net.up, net.head]:
            for parameter in layer.parameters():
                parameter.copy_(next(pairs).reshape(parameter.shape))
    return net


def widths_of(project: Project) -> list[tuple[int, ...]]:
    """Return the choices of every place of the hand-written net, in its order."""
    return [tuple(widths) for widths in project.supernet.space.choices.values()]


def check_alike(project: Project, plain: SlicedResNet) -> float:
    """Compare both nets at three subnets; the largest difference."""
    x = project.samples("val", 2).inputs[0]
    worst, rng = 0.0, random.Random(0)  # noqa: S311 - not for cryptography
    for _ in range(3):
        config = project.supernet.sample(rng)
        project.supernet.eval().activate(config)
        with torch.no_grad():
            theirs, _ = plain(x, list(config.widths.values()), POINTS)
            worst = max(worst, float((project.supernet(x) - theirs).abs().max()))
    return worst


def product(
    project: Project, precision: str, steps: int, *, channels_last: bool = False
) -> Callable[[int], None]:
    """Return what trains the product for some steps."""
    updates = {"steps": 10**6, "precision": precision, "channels_last": channels_last}
    config: DistillConfig = project.config.distill.model_copy(update=updates)
    task = StudentTask(project.supernet, project.teacher, project.objective, config)
    cpu = torch.device("cpu")
    learner = Learner(task, project.data["train"], config, Team.join(), cpu, seed=0, average=None)

    def run(turn: int) -> None:
        for step in range(turn * steps, (turn + 1) * steps):
            learner.step(step)

    return run


def plain(project: Project, net: SlicedResNet, steps: int) -> Callable[[int], None]:
    """Return what trains the hand-written net for some steps."""
    points = StudentTask(
        project.supernet, project.teacher, project.objective, project.config.distill
    ).points
    teacher = with_taps(project.teacher.module, points).eval()
    weights = project.config.distill.lambda_recon, project.config.distill.lambda_distill
    (critic,) = copy.deepcopy(project.objective.discriminators).values()
    loop = PlainLoop(net, teacher, critic, widths_of(project), POINTS, weights=weights)
    data = project.data["train"]

    def run(seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 - not for cryptography
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
        for step in range(steps):
            chosen = [data[int(i)] for i in order[step * BATCH : (step + 1) * BATCH]]
            inputs = torch.stack([sample.inputs[0] for sample in chosen])
            loop.step(inputs, torch.stack([sample.target for sample in chosen]), rng)

    return run


def main(rounds: int, steps: int) -> None:
    """Print images a second and ratios."""
    project = make_project()
    net = make_plain(project)
    print(f"largest difference of the two nets: {check_alike(project, net):.2g}")
    recipe = project.config.distill.precision
    runs = {
        "plain loop, float32": plain(project, net, steps),
        "gancompress, float32": product(project, "no", steps),
        "gancompress, float32, channels last": product(project, "no", steps, channels_last=True),
        f"gancompress, recipe ({recipe})": product(project, recipe, steps),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run(turn)
            times[name].append(time.perf_counter() - began)
    base = median(times["plain loop, float32"][1:])
    print(f"{torch.get_num_threads()} threads; {rounds} rounds of {steps} steps of {BATCH}")
    for name, taken in times.items():
        seconds = median(taken[1:])  # the first round warms up
        print(f"{name:<36} {steps * BATCH / seconds:>7.1f} images/s {base / seconds:>6.2f}x")


if __name__ == "__main__":
    main(*(int(a) for a in (sys.argv[1:] + ["3", "30"][len(sys.argv) - 1 :])[:2]))
