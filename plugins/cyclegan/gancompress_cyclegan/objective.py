"""The losses of a CycleGAN teacher (Zhu et al., arXiv 1703.10593, equations 1 to 3)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.gan import (
    REAL,
    Batch,
    Drawn,
    GanMode,
    PicturePool,
    TeacherObjective,
    discriminator_loss,
    generator_loss,
)

BACK = "back"


@dataclass(frozen=True)
class CycleWeights:
    """What the terms without a discriminator weigh.

    Args:
        there: The way from an input to the other domain and back.
        back: The way from a real picture of the other domain and back.
        identity: Leaving a picture alone that is of the target domain already, relative to the
            two above.
    """

    there: float = 10.0
    back: float = 10.0
    identity: float = 0.5


@dataclass(frozen=True, eq=False)
class Side:
    """What judges one domain.

    Args:
        critic: Maps pictures of the domain to logits.
        pool: The generated ones that it remembers.
    """

    critic: nn.Module
    pool: PicturePool


class CycleObjective(TeacherObjective):
    """A way there, which is the teacher, and a way back, which learns beside it.

    Args:
        way_back: Maps the other domain to the inputs'.
        drawn: The domain that the teacher draws.
        given: The domain of its inputs.
        weights: Weights of the terms without a discriminator.
        mode: Adversarial loss.
    """

    def __init__(
        self,
        way_back: nn.Module,
        drawn: Side,
        given: Side,
        weights: CycleWeights,
        mode: GanMode = "lsgan",
    ) -> None:
        self._helpers = nn.ModuleDict({BACK: way_back, "pool": drawn.pool, "pool_back": given.pool})
        self._kept = nn.ModuleDict({"discriminator": drawn.critic})
        self._discriminators = nn.ModuleDict({"discriminator": drawn.critic, BACK: given.critic})
        self._drawn, self._given = drawn, given
        self.weights, self.mode = weights, mode

    @property
    def discriminators(self) -> nn.ModuleDict:
        """``discriminator`` judges what the teacher draws, ``back`` what the way back draws."""
        return self._discriminators

    @property
    def helpers(self) -> nn.ModuleDict:
        """The way back, and the history of both discriminators."""
        return self._helpers

    @property
    def kept(self) -> nn.ModuleDict:
        """The discriminator of the domain that the teacher draws."""
        return self._kept

    def draw(self, generator: nn.Module, batch: Batch) -> Drawn:
        """Go there and back from both domains.

        Raises:
            ValueError: If the batch has no real picture.
        """
        given, real = batch.inputs[0], _real(batch)
        way_back = self._helpers[BACK]
        output, returned = generator(given), way_back(real)
        terms = {
            "cycle": self.weights.there * _distance(way_back(output), given),
            "cycle_back": self.weights.back * _distance(generator(returned), real),
        }
        if self.weights.identity:
            there, back = (
                self.weights.identity * w for w in (self.weights.there, self.weights.back)
            )
            # A picture of the target domain weighs what its own cycle weighs.
            terms["identity"] = back * _distance(generator(real), real)
            terms["identity_back"] = there * _distance(way_back(given), given)
        return Drawn(output, terms, {BACK: returned})

    def generator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return the adversarial terms of both ways."""
        verdicts = {
            "gan": self._drawn.critic(output),
            "gan_back": self._given.critic(batch.extras[BACK]),
        }
        return {k: generator_loss(v.float(), mode=self.mode) for k, v in verdicts.items()}

    def discriminator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return half of the four terms; generated pictures come from the history.

        Raises:
            ValueError: If the batch has no real picture.
        """
        drawn = self._judge(self._drawn, output, _real(batch))
        given = self._judge(self._given, batch.extras[BACK], batch.inputs[0])
        return {
            **{f"d_{name}": 0.5 * loss for name, loss in drawn.items()},
            **{f"d_{name}_{BACK}": 0.5 * loss for name, loss in given.items()},
        }

    def _judge(self, side: Side, made: Tensor, real: Tensor) -> dict[str, Tensor]:
        fake, true = side.critic(side.pool(made)).float(), side.critic(real).float()
        return {
            "fake": discriminator_loss(fake, real=False, mode=self.mode),
            "real": discriminator_loss(true, real=True, mode=self.mode),
        }


def _distance(picture: Tensor, goal: Tensor) -> Tensor:
    return F.l1_loss(picture.float(), goal.float())


def _real(batch: Batch) -> Tensor:
    if batch.real is None:
        raise ValueError(f"a cycle needs a picture of the other domain under '{REAL}'")
    return batch.real
