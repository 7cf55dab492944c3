"""A family's trained generator and its data, as they are before anything is compressed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gancompress.compress.checkpoint import TeacherWeights
from gancompress.compress.configure import configure
from gancompress.compress.generator import build_generator
from gancompress.compress.pictures import batches_of
from gancompress.compress.prepare import load_generator, open_split
from gancompress.config import RunConfig
from gancompress.errors import ConfigError
from gancompress.gan import AnyFamily, Batch
from gancompress.plugins import PluginHost


@dataclass(frozen=True, eq=False)
class Subject:
    """What is about to be compressed, to look at: a trained generator and its family's data.

    Args:
        generator: The trained generator, in eval mode.
        family: The GAN family.
        options: Its options.
        config: The configuration that they come from.
    """

    generator: nn.Module
    family: AnyFamily
    options: Any
    config: RunConfig

    def data(self, split: str) -> Any:
        """Open a split: a data set of samples without a batch axis.

        Args:
            split: ``train``, ``val`` or ``test``.

        Raises:
            DataError: If the data cannot be read, or there are none.
        """
        return open_split(self.family, self.options, split)

    def batches(self, split: str, size: int = 32, most: int | None = None) -> list[Batch]:
        """Return pictures of a split, ``(N, C, H, W)`` in [-1, 1].

        Args:
            split: ``train``, ``val`` or ``test``.
            size: Pictures a batch.
            most: Pictures at most, spread evenly over the split; None takes all, in order.

        Raises:
            DataError: If the data cannot be read, or there are none.
        """
        return batches_of(self.data(split), self.config.seed, size=size, most=most)

    def baseline(self, batch: Batch) -> Tensor:
        """Return the picture that costs nothing, ``(N, C, H, W)`` in [-1, 1].

        Args:
            batch: Inputs.
        """
        return self.family.baseline(self.options, batch)


def open_subject(
    family: str | AnyFamily,
    *,
    recipe: str | None = None,
    options: Mapping[str, Any] | None = None,
    teacher: Path | str | None = None,
    host: PluginHost | None = None,
) -> Subject:
    """Load a family's trained generator and its data, to look at before compressing it.

    Args:
        family: A GAN family or its name.
        recipe: One of its recipes.
        options: The family's options.
        teacher: Weights as `compress` takes them; None takes those that come with the recipe.
        host: The plugins; None finds those that are installed.

    Returns:
        Generator and data.

    Raises:
        CheckpointError: If the weights are missing, damaged or of another architecture.
        ConfigError: If a recipe, an option or its value is unknown, or there are no weights.
        PluginError: If there is no such family.
    """
    host = host or PluginHost.discover()
    chosen = host.family(family) if isinstance(family, str) else family
    config = configure(chosen, recipe=recipe, overrides={"options": dict(options or {})})
    place = config.teacher if teacher is None else Path(teacher)
    if place is None:
        raise ConfigError(
            f"no trained generator of family '{chosen.name}' is named",
            hint="give teacher=, or recipe= with one that comes with a teacher",
        )
    settled = chosen.options.model_validate(config.options)
    generator = build_generator(chosen, config)
    load_generator(generator, TeacherWeights.read(place), chosen, settled)
    return Subject(generator.eval(), chosen, settled, config)
