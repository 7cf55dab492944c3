"""What a teacher is trained with when more than its generator and critics learn."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from gancompress.gan.family import Batch, Objective


@dataclass(frozen=True)
class Drawn:
    """What one step of a training has drawn.

    Args:
        output: The generator's picture ``(N, C, H, W)`` in [-1, 1].
        terms: The weighted terms beside the adversarial ones, each a scalar.
        extras: What else was drawn; the adversarial losses find it among the extras of the batch,
            with gradient for the generator's turn and without for the discriminators'.
    """

    output: Tensor
    terms: Mapping[str, Tensor]
    extras: Mapping[str, Tensor] = field(default_factory=dict)


class TeacherObjective(Objective):
    """The losses of a teacher beside which other networks learn, such as CycleGAN's way back.

    Only the generator and the `kept` discriminators outlive the training: a student learns from
    the teacher's pictures and needs no way back.
    """

    @property
    @abstractmethod
    def helpers(self) -> nn.ModuleDict:
        """What learns beside the generator, by its optimiser, and what must be resumed with it.

        Parameters and buffers are in every checkpoint. The name ``generator`` is taken.
        """

    @property
    def kept(self) -> nn.ModuleDict:
        """The discriminators that are saved with the teacher, named as in `GanFamily.objective`.

        By default all of them.
        """
        return self.discriminators

    @abstractmethod
    def draw(self, generator: nn.Module, batch: Batch) -> Drawn:
        """Run the generator and its helpers.

        Args:
            generator: The teacher.
            batch: Inputs ``(N, C, H, W)`` in [-1, 1].

        Returns:
            The teacher's picture, the terms that need no discriminator, and what the adversarial
            losses need beside them.
        """
