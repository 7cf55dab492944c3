"""Pictures a second: of the loader alone, and of the training step that waits for them.

Both are timed in turns in one run, on the real loop: ``python tests/benchmarks/loader.py``.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from gancompress.compress import configure
from gancompress.distill import TeacherTask, Team
from gancompress.distill.learner import Learner
from gancompress_pix2pix.family import Pix2Pix


def jpeg_pairs(folder: Path, count: int, size: int = 256) -> Path:
    """Write side-by-side pairs with the detail of photographs."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (folder / split).mkdir(parents=True)
        for index in range(count):
            coarse = rng.integers(0, 256, (16, 32, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((2 * size, size), Image.Resampling.BICUBIC)
            noise = rng.normal(0, 12, (size, 2 * size, 3))
            pixels = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / split / f"{index}.jpg", quality=90)
    return folder


def cases(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield names and configurations."""
    family = Pix2Pix()
    yield "openmoji recipe, 64 px", configure(family, recipe="openmoji")
    pairs = [f"data={folder}", "size=256"]
    for width in (8, 64):
        for where, value in (("in memory", "true"), ("from files", "false")):
            options = [f"in_memory={value}", f"generator_width={width}"]
            options = [*pairs, *options, f"discriminator_width={width}"]
            overrides: Mapping[str, Any] = {"train": {"batch_size": 1 if width == 64 else 4}}
            config = configure(family, options=options, overrides=overrides)
            yield f"JPEG pairs {where}, 256 px, ngf {width}", config


def measure(config: Any, rounds: int) -> tuple[float, float]:
    """Return seconds of loading one batch, and of the step with it."""
    family = Pix2Pix()
    options = family.options.model_validate(config.options)
    torch.manual_seed(0)
    task = TeacherTask(family.generator(options), family.objective(options), 100.0)
    data = family.dataset(options, "train")
    cpu = torch.device("cpu")
    learner = Learner(task, data, config.train, Team.join(), cpu, seed=0, average=None)
    loading, whole = [], []
    for step in range(rounds + 1):
        began = time.perf_counter()
        learner.loader.load(step)
        loaded = time.perf_counter()
        learner.step(step)
        loading.append(loaded - began)
        whole.append(time.perf_counter() - loaded)
    # The first round warms up.
    return median(loading[1:]), median(whole[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=16)
    given = parser.parse_args()
    device = "CUDA" if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    print(f"{device}; median of {given.rounds} rounds, loader and step in turns")
    print(f"{'':<40} {'batch':>5} {'loader/s':>9} {'training/s':>10} {'share of waiting':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for name, config in cases(jpeg_pairs(Path(folder) / "pairs", given.pairs)):
            loading, whole = measure(config, given.rounds)
            size = config.train.batch_size
            print(
                f"{name:<40} {size:>5} {size / loading:>9.0f} {size / whole:>10.1f} "
                f"{loading / whole:>15.1%}"
            )


if __name__ == "__main__":
    main()
