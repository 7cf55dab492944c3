"""Draw what every contestant makes of the same held-out inputs, a picture for each work.

Run it with: python tests/benchmarks/quality/grid.py [--out runs/quality]

The samples are chosen by their index, before anybody looked: `SAMPLES` of them, spread evenly over
the pictures that are scored. Seed 0, a tenth of the MACs.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from benchmarks.quality.latency import model_folder
from benchmarks.quality.protocol import CONTESTANTS, Key
from benchmarks.quality.run import arguments
from benchmarks.quality.work import SPECS, Spec, Work
from torch import Tensor

from gancompress.export import CompressedModel
from gancompress.gan import collate
from gancompress.report.grid import save_grid

SAMPLES: Final = 8
BUDGET: Final = 10


def columns(out: Path, work: Work) -> dict[str, Tensor]:
    """Return the pictures by column: input, target, teacher, and every contestant that is done.

    Args:
        out: Where results are.
        work: The work.
    """
    data = work.data["test"]
    batch = collate([data[index * len(data) // SAMPLES] for index in range(SAMPLES)])
    # A label map has more channels than a picture: its family paints it.
    found = {"input": work.family.baseline(work.options, batch)}
    if batch.target is not None:
        found["target"] = batch.target
    nets = {"teacher": work.teacher.module}
    for letter in CONTESTANTS:
        folder = model_folder(out, work, Key(work.spec.name, BUDGET, 0, letter))
        if folder.is_dir():
            nets[f"({letter})"] = CompressedModel.load(folder).module
    with torch.inference_mode():
        found |= {name: net.eval()(*batch.inputs) for name, net in nets.items()}
    return found


def main(words: Sequence[str], specs: Mapping[str, Spec] = SPECS) -> None:
    """Draw the grid of every work.

    Args:
        words: Arguments.
        specs: The works.
    """
    given = arguments(words)
    for name, spec in specs.items():
        work = Work(spec, given.scale, given.out)
        if not (given.out / "models" / work.protocol).is_dir():
            continue
        place = save_grid(given.out / f"{name}.png", columns(given.out, work))
        print(place)


if __name__ == "__main__":
    main(sys.argv[1:])
