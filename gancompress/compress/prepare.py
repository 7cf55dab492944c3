"""From a teacher's weights to a supernet that still computes what the teacher computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gancompress.config import RunConfig
from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import CheckpointError
from gancompress.gan import AnyFamily, Batch, Objective, collate
from gancompress.graph import OpRule, TracedGenerator, trace
from gancompress.passes import Decompose, FoldReparametrisation, SortChannels, run_passes
from gancompress.store import load_weights


@dataclass(frozen=True)
class Project:
    """Everything that the stages after the teacher share.

    Args:
        config: The configuration.
        family: The GAN family.
        options: Its options.
        teacher: The traced teacher, in eval mode.
        supernet: Decomposed, sorted and elastic, with the teacher's weights.
        objective: Discriminators and losses; the discriminators start from the teacher's.
    """

    config: RunConfig
    family: AnyFamily
    options: Any
    teacher: TracedGenerator
    supernet: Supernet
    objective: Objective

    def batches(self, split: str, size: int = 32, most: int | None = None) -> list[Batch]:
        """Return the pictures of a split in order.

        Args:
            split: ``train``, ``val`` or ``test``.
            size: Pictures a batch.
            most: Pictures at most; None takes all.
        """
        data: Any = self.family.dataset(self.options, split)
        count = len(data) if most is None else min(most, len(data))
        # Training pictures are augmented at random: the same ones every time.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return [
                collate([data[i] for i in range(start, min(start + size, count))])
                for start in range(0, count, size)
            ]

    def baseline(self, batch: Batch) -> Tensor:
        """Return the picture that costs nothing."""
        return self.family.baseline(self.options, batch)


def prepare(
    family: AnyFamily, config: RunConfig, teacher: Path, rules: Sequence[OpRule] = ()
) -> Project:
    """Load the teacher and make the supernet.

    Args:
        family: The GAN family.
        config: The configuration.
        teacher: Folder with ``generator.safetensors`` and ``discriminators.safetensors``.
        rules: Operator rules of plugins.

    Returns:
        What the later stages work on.

    Raises:
        CheckpointError: If weights are missing, damaged or of another architecture.
    """
    options = family.options.model_validate(config.options)
    torch.manual_seed(config.seed)
    generator = family.generator(options)
    objective = family.objective(options)
    load_into(generator, teacher / "generator.safetensors")
    load_into(objective.discriminators, teacher / "discriminators.safetensors")
    data: Any = family.dataset(options, "train")
    traced = trace(generator.eval(), tuple(x[None] for x in data[0].inputs))
    decompose = Decompose(config.decompose.layers, norm_between=config.decompose.norm_between)
    student = run_passes(traced, [FoldReparametrisation(), decompose, SortChannels()])
    space = SearchSpace.multiples_of(
        config.space.divisor, smallest=config.space.smallest, largest=config.space.largest
    )
    return Project(config, family, options, traced, Supernet(student, space, rules), objective)


def load_into(module: nn.Module, path: Path) -> None:
    """Load weights strictly, at the module's own precision.

    Args:
        module: Changed in place.
        path: A ``.safetensors`` or PyTorch file.

    Raises:
        CheckpointError: If the file cannot be read, or is of another architecture.
    """
    state: Mapping[str, Tensor] = load_weights(path)
    own = module.state_dict()
    lacking, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    unlike = [k for k in sorted(own.keys() & state.keys()) if own[k].shape != state[k].shape]
    for names, what in ((lacking, "lacks"), (unknown, "has the unknown"), (unlike, "differs in")):
        if names:
            raise CheckpointError(
                f"'{path}' is of another architecture: it {what} '{names[0]}'"
                + (f" and {len(names) - 1} more" if len(names) > 1 else ""),
                hint="give the options that it was trained with",
            )
    module.load_state_dict(state)
