"""Compare what residual blocks are decomposed into, before and after a short distillation.

Run it with: python tests/benchmarks/norm_between.py [steps]

The shipped OpenMoji teacher's residual blocks are decomposed in three ways; each widest student is
then trained for as many steps on the same pictures, as `compress` trains it. Printed are the L1
distance and the PSNR to the teacher's pictures of the validation split.
"""

import sys
import time
from collections.abc import Sequence
from math import log10
from pathlib import Path

import torch

from gancompress.compress.configure import configure, override
from gancompress.compress.prepare import Project, prepare
from gancompress.config import RunConfig
from gancompress.distill import distill
from gancompress.gan import Batch
from gancompress.passes import Decompose, FoldReparametrisation
from gancompress_pix2pix.family import Pix2Pix

STEPS, CALIBRATION = 150, 32
VARIANTS = ("without a norm", "with a norm", "without, fitted to activations")


def main(steps: int) -> None:
    """Print one line for each variant."""
    family = Pix2Pix()
    config = configure(family, recipe="openmoji")
    calibration: Sequence[Batch] = ()
    for name in VARIANTS:
        project = make_project(family, config, name, calibration)
        calibration = [project.samples("train", CALIBRATION)]
        sys.stdout.write(f"{name}: {describe(project, steps)}\n")
        sys.stdout.flush()


def make_project(
    family: Pix2Pix, config: RunConfig, name: str, calibration: Sequence[Batch]
) -> Project:
    """Prepare a student exactly as `compress` does."""
    teacher = Path(str(family.recipes()["openmoji"].teacher))
    if name == "with a norm":
        config = override(config, {"decompose": {"norm_between": True}})
    if name != "without, fitted to activations":
        return prepare(family, config, teacher)
    fitted = Decompose("resblocks", calibration=calibration)
    config = override(config, {"decompose": {"layers": "none"}})
    return prepare(family, config, teacher, passes=[FoldReparametrisation(), fitted])


def describe(project: Project, steps: int) -> str:
    """Train the widest student and say how far it is from the teacher before and after."""
    before = distance(project)
    config = project.config.distill.model_copy(update={"steps": steps})
    torch.manual_seed(project.config.seed)
    began = time.monotonic()
    distill(
        project.supernet,
        teacher=project.teacher,
        data=project.data["train"],
        objective=project.objective,
        config=config,
        subnet=project.supernet.space.largest(),
        seed=project.config.seed,
    )
    seconds = time.monotonic() - began
    return f"{before} at first, {distance(project)} after {steps} steps ({seconds:.0f} s)"


def distance(project: Project) -> str:
    """Compare with the teacher on all validation pictures."""
    project.supernet.activate(project.supernet.space.largest())
    student, teacher = project.supernet.eval(), project.teacher.module
    absolute, squared = [], []
    with torch.no_grad():
        for batch in project.batches("val"):
            difference = student(*batch.inputs) - teacher(*batch.inputs)
            absolute.append(difference.abs().flatten(1).mean(1))
            squared.append(difference.square().flatten(1).mean(1))
    psnr = 10 * log10(4 / float(torch.cat(squared).mean()))
    return f"L1 {float(torch.cat(absolute).mean()):.4f}, PSNR {psnr:.1f} dB"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STEPS)
