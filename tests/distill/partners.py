"""What both processes of a test do; run as a program, it is process 1 of them."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gancompress.config import TrainConfig
from gancompress.distill import TeacherTask, Team, fit
from gancompress.errors import TrainingError
from gancompress.events import RunEvent, StageProgress
from gancompress.gan import (
    Batch,
    Drawn,
    PairedObjective,
    PairedPictures,
    PatchDiscriminator,
    PicturePool,
    ResNetGenerator,
    TeacherObjective,
)
from gancompress.store import save_tensors

CONFIG = TrainConfig(steps=10, batch_size=4, checkpoint_every=5, ema=0.9)


class Remembering(PairedObjective, TeacherObjective):
    """A paired objective that judges older pictures too, as unpaired ones do."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__(discriminator)
        self._helpers = nn.ModuleDict({"pool": PicturePool(3, 3, 32)})

    @property
    def helpers(self) -> nn.ModuleDict:
        return self._helpers

    def draw(self, generator: nn.Module, batch: Batch) -> Drawn:
        return Drawn(generator(*batch.inputs), {})

    def discriminator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        return super().discriminator_losses(batch, self._helpers["pool"](output))


def data(pairs: int = 12) -> PairedPictures:
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (pairs, 4, 4, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    return PairedPictures(inputs, np.full_like(inputs, 230), flip=True, shift=2)


def task(seed: int = 0, *, pool: bool = False, norm: str = "instance") -> TeacherTask:
    torch.manual_seed(seed)
    generator = ResNetGenerator(3, 3, 4, 1, norm)  # type: ignore[arg-type]
    discriminator = PatchDiscriminator(6, 4, 2, norm)  # type: ignore[arg-type]
    objective = Remembering(discriminator) if pool else PairedObjective(discriminator)
    return TeacherTask(generator, objective, 100.0)


def losses(folder: Path) -> list[dict[str, float]]:
    """Ten steps of a net that sees every picture alone."""
    seen: list[dict[str, float]] = []

    def note(event: RunEvent) -> None:
        if isinstance(event, StageProgress):
            seen.append(dict(event.metrics))

    # The weights of process 1 are others to begin with.
    result = fit(task(seed=Team.join().index), data(), CONFIG, emit=note)
    name = f"process-{Team.join().index}-of-{Team.join().count}.safetensors"
    save_tensors(folder / name, result.generator.state_dict())
    return seen


def remembering(folder: Path) -> dict[str, Tensor]:
    """A whole run with picture histories and batch norms, and one that is cut and goes on."""
    steady = CONFIG.optimiser.model_copy(update={"schedule": "constant"})
    whole = CONFIG.model_copy(update={"batch_size": 2, "ema": 0.0, "optimiser": steady})
    unbroken, again = task(pool=True, norm="batch"), task(pool=True, norm="batch")
    fit(unbroken, data(), whole)
    half = whole.model_copy(update={"steps": 5})
    fit(task(pool=True, norm="batch"), data(), half, folder=folder / "cut")
    Team.join().wait()
    fit(again, data(), whole, folder=folder / "cut")
    expected = unbroken.trained.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in again.trained.state_dict().items())
    return expected


def _die() -> None:
    Team.join().wait()


if __name__ == "__main__":
    verb, place = sys.argv[1], Path(sys.argv[2])
    if verb == "losses":
        losses(place)
    elif verb == "remembering":
        save_tensors(place / "theirs.safetensors", remembering(place))
    elif verb == "die":
        _die()
    elif verb == "outlive":
        try:
            Team.join().wait()
            fit(task(), data(), CONFIG.model_copy(update={"steps": 10_000}))
        except TrainingError as error:
            (place / "said.txt").write_text(str(error))
