"""What a GAN family is: the three abstract classes that a plugin author meets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.utils.data import Dataset

from gancompress.config import Recipe
from gancompress.gan.folders import SplitFolders
from gancompress.gan.prepare import Preparer
from gancompress.gan.source import Source

if TYPE_CHECKING:
    from gancompress.gan.teacher import TeacherObjective

REAL: Final = "real"
"""Where a batch without a target keeps a picture of the domain that the generator draws."""


class FamilyOptions(BaseModel):
    """Base of a family's options: frozen, and unknown keys are refused.

    Each field is ``-o key=value`` on the command line and a key under ``[options]`` in TOML.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Batch:
    """One batch (or, from a data set, one sample without the batch axis).

    Args:
        inputs: Positional inputs of the generator, each ``(N, C, H, W)`` in [-1, 1].
        target: Ground truth ``(N, C, H, W)`` in [-1, 1]; None where the data are unpaired.
        extras: Whatever else the family's objective needs, by name; unpaired data put a picture
            of the domain that the generator draws under ``real``.
    """

    inputs: tuple[Tensor, ...]
    target: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on another device."""
        return Batch(
            tuple(x.to(device) for x in self.inputs),
            None if self.target is None else self.target.to(device),
            {k: v.to(device) for k, v in self.extras.items()},
        )

    @property
    def real(self) -> Tensor | None:
        """A true picture of what the generator draws: the target, or one without a partner."""
        return self.target if self.target is not None else self.extras.get(REAL)

    def detached(self) -> "Batch":
        """Return the batch without the gradients of what was drawn into its extras."""
        return replace(self, extras={k: v.detach() for k, v in self.extras.items()})

    def __len__(self) -> int:
        return len(self.inputs[0])


def collate(samples: Sequence[Batch]) -> Batch:
    """Stack samples along a new batch axis.

    Args:
        samples: Samples without a batch axis, all with a target or all without.

    Returns:
        One batch of ``len(samples)``.
    """
    targets = [s.target for s in samples if s.target is not None]
    return Batch(
        tuple(torch.stack(column) for column in zip(*(s.inputs for s in samples), strict=True)),
        torch.stack(targets) if targets else None,
        {key: torch.stack([s.extras[key] for s in samples]) for key in samples[0].extras},
    )


class Objective(ABC):
    """Discriminators and adversarial losses of a family.

    The training loop itself adds reconstruction, ``λ_recon · L_recon``, and distillation,
    ``λ_distill · L_distill`` (GAN Compression, arXiv 2003.08936, equation 1), so an objective
    holds only what is adversarial.
    """

    @property
    @abstractmethod
    def discriminators(self) -> nn.ModuleDict:
        """The discriminators by name; the student's start from the teacher's."""

    @abstractmethod
    def generator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return the weighted adversarial terms of the generator, each a scalar.

        Args:
            batch: The batch that made the output.
            output: The generator's picture ``(N, C, H, W)`` in [-1, 1], with gradient.
        """

    @abstractmethod
    def discriminator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return the weighted terms of the discriminators, each a scalar.

        Args:
            batch: The batch that made the output; `Batch.real` is the real picture.
            output: The generator's picture, detached.
        """


OptionsT = TypeVar("OptionsT", bound=FamilyOptions)


class GanFamily(ABC, Generic[OptionsT]):
    """A kind of conditional GAN: its options, generator, data and objective."""

    name: ClassVar[str]
    options: type[OptionsT]

    @abstractmethod
    def generator(self, options: OptionsT) -> nn.Module:
        """Build the family's generator with fresh weights."""

    @abstractmethod
    def dataset(self, options: OptionsT, split: str) -> Dataset[Batch]:
        """Open the data.

        Args:
            options: The family's options.
            split: ``train``, ``val`` (used by search) or ``test`` (held out until evaluation).

        Returns:
            A map-style data set of samples without a batch axis; ``train`` may augment at random.

        Raises:
            DataError: If the data cannot be read.
        """

    @abstractmethod
    def objective(self, options: OptionsT) -> Objective:
        """Build the discriminators and losses with fresh weights."""

    def teacher_objective(self, options: OptionsT) -> "TeacherObjective | None":
        """Build what a teacher is trained with, where that is more than one generator.

        Args:
            options: The family's options.

        Returns:
            The objective with the networks that learn beside the generator, fresh weights; by
            default None: the teacher is trained with `objective`.
        """
        del options
        return None

    def baseline(self, options: OptionsT, batch: Batch) -> Tensor:
        """Return the picture that costs nothing, against which `recovery` is measured.

        Args:
            options: The family's options.
            batch: Inputs ``(N, C, H, W)`` in [-1, 1].

        Returns:
            By default the untouched first input, ``(N, C, H, W)`` in [-1, 1].
        """
        del options
        return batch.inputs[0]

    def recipes(self) -> Mapping[str, Recipe]:
        """Return ready-made configurations by name; none by default."""
        return {}

    def sources(self) -> Mapping[str, Source]:
        """Return published data sets and checkpoints by name; none by default."""
        return {}

    def preparers(self) -> Sequence[Preparer]:
        """Return what makes this family's folders out of a data set's own; none by default."""
        return ()

    def folders(self, options: OptionsT) -> Sequence[SplitFolders]:
        """Return how the data lie in folders, so that they can be checked file by file.

        Args:
            options: The family's options.

        Returns:
            The splits that there are, or should be; by default none: the data are then checked
            by opening every split and reading every sample.

        Raises:
            DataError: If the options do not name a folder.
        """
        del options
        return ()

    def import_checkpoint(
        self, options: OptionsT, path: Path, state: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor] | None:
        """Translate a foreign checkpoint's keys to this family's generator.

        Args:
            options: The family's options.
            path: Where the checkpoint was read from.
            state: Its tensors by name.

        Returns:
            The state dict for `generator`, or None where this family does not know the layout.
        """
        del options, path, state
        return None

    def import_discriminators(
        self, options: OptionsT, path: Path, state: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor] | None:
        """Translate the keys of a foreign checkpoint's discriminators to this family's.

        Args:
            options: The family's options.
            path: Where they were read from.
            state: Their tensors by name.

        Returns:
            The state dict for the discriminators of `objective`, or None where this family does
            not know the layout.
        """
        del options, path, state
        return None


AnyFamily = GanFamily[Any]
