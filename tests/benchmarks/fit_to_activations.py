"""Measure what fitting decompositions to activations gains, on pictures that were not fitted to.

Run it with: python tests/benchmarks/fit_to_activations.py

The residual blocks of the shipped OpenMoji teacher are decomposed with and without calibration on
32 training pictures, and nothing is trained afterwards. Printed are how many times fewer MACs the
blocks have, the mean relative error of their layers' outputs on the calibration data and on
validation pictures, and the L1 distance to the teacher's pictures of the latter.
"""

import sys
import time
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

import torch

from gancompress.compress.configure import configure
from gancompress.compress.prepare import Project, prepare
from gancompress.graph import TracedGenerator
from gancompress.passes import Decompose, Patches, collect_activations, residual_convolutions
from gancompress_pix2pix.family import Pix2Pix

PICTURES = 32
FITTED = {True: "fitted", False: "by the weights"}
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"multiplier": 2},
    {"method": "low_rank", "max_error": 0.2},
    {"method": "cheapest", "max_error": 0.2},
    {"method": "cheapest", "max_error": 0.3},
)


def main() -> None:
    """Print one line for each set of options, fitted and not."""
    family = Pix2Pix()
    teacher = Path(str(family.recipes()["openmoji"].teacher))
    project = prepare(family, configure(family, recipe="openmoji"), teacher)
    traced = project.teacher
    paths = residual_convolutions(traced)
    known, unseen = (
        collect_activations(traced, [project.samples(split, PICTURES)], paths)
        for split in ("train", "val")
    )
    for options in OPTIONS:
        # Nearly nothing is that close by the weights alone.
        for fitted in (True,) if "max_error" in options else (False, True):
            began = time.perf_counter()
            decompose = Decompose(paths, **options, calibration=known if fitted else ())
            line = describe(project, decompose, known, unseen)
            seconds = time.perf_counter() - began
            sys.stdout.write(f"{options} {FITTED[fitted]}: {line} ({seconds:.0f} s)\n")
            sys.stdout.flush()


def describe(
    project: Project,
    decompose: Decompose,
    known: Mapping[str, Patches],
    unseen: Mapping[str, Patches],
) -> str:
    """Say what the decomposition saves and loses."""
    traced = project.teacher
    plan = decompose.plan(traced)
    saved = sum(one.before.macs for one in plan) / sum(one.after.macs for one in plan)
    student = decompose.apply(traced)
    errors = [
        sum(error(traced, student, path, patches[path]) for path in patches) / len(patches)
        for patches in (known, unseen)
    ]
    batch = project.samples("val", 162)
    with torch.no_grad():
        distance = (student.module(*batch.inputs) - traced.module(*batch.inputs)).abs().mean()
    return (
        f"{saved:.1f} times fewer MACs, error {errors[0]:.3f} and unseen {errors[1]:.3f}, "
        f"L1 {float(distance):.4f}"
    )


def error(before: TracedGenerator, after: TracedGenerator, path: str, patches: Patches) -> float:
    """Return a layer's relative error, its mean output left out, as a norm follows."""
    kernel: Any = before.module.get_submodule(path)
    layer: Any = after.module.get_submodule(path)
    # A patch is a picture of the kernel's size: both layers give one position without a border.
    x = patches.values.unflatten(2, kernel.kernel_size)
    with torch.no_grad():
        outputs = [unbordered(one, x).flatten(1) for one in (kernel, layer)]
    whole, other = (y - y.mean(0) for y in outputs)
    return sqrt(float((whole - other).square().sum() / whole.square().sum()))


def unbordered(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Run a layer, or a row of them, without its border."""
    for part in layer if isinstance(layer, torch.nn.Sequential) else [layer]:
        x = torch.nn.functional.conv2d(x, part.weight, part.bias, groups=part.groups)
    return x


if __name__ == "__main__":
    main()
