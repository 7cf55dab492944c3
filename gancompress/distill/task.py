"""What the training loop trains: a task says what a step computes, the loop does the rest."""

import random
from abc import ABC, abstractmethod
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.gan import Batch, Drawn, Objective, TeacherObjective


class TrainingTask(ABC):
    """One kind of training: a teacher from scratch, a supernet, or one subnet.

    Args:
        trained: Modules whose parameters the generator's optimiser moves, by name; the first,
            ``generator``, is the one that is averaged and kept.
        objective: The discriminators and adversarial losses.
    """

    def __init__(self, trained: nn.ModuleDict, objective: Objective) -> None:
        self.trained = trained
        self.objective = objective

    @property
    def generator(self) -> nn.Module:
        """The module that is averaged and kept."""
        return self.trained["generator"]

    def to(self, device: torch.device) -> None:
        """Move what a step computes with, the discriminators included.

        Args:
            device: Where the loop trains.
        """
        self.trained.to(device)
        self.objective.discriminators.to(device)

    def compile(self, *, undo: bool = False) -> None:
        """Have `torch.compile` make kernels of the networks whose shapes stay the same.

        Args:
            undo: Whether the networks become what they were.
        """
        for module in self._steady():
            if undo:
                vars(module).pop("_compiled_call_impl", None)
            else:
                module.compile()

    def _steady(self) -> list[nn.Module]:
        """Networks that compute the same in every step: by default the discriminators."""
        return list(self.objective.discriminators.values())

    def begin_step(self, step: int, rng: random.Random) -> None:
        """Choose what this step trains, such as the active subnet; by default nothing.

        Every process has to choose the same. Where gradients are accumulated this is called for
        each micro-batch, which may train another subnet.

        Args:
            step: Micro-steps taken so far; the steps themselves where nothing is accumulated.
            rng: Random numbers of this step alone, so that a resumed run draws the same ones, and
                so does every process.
        """
        del step, rng

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Draw sample pictures; the loop calls it without gradients, in eval mode.

        Args:
            batch: Inputs ``(N, C, H, W)`` in [-1, 1].

        Returns:
            Pictures ``(N, C, H, W)`` in [-1, 1] by label, such as input, target, generated.
        """
        columns = {"input": batch.inputs[0], "target": batch.target}
        columns["generated"] = self.generator(*batch.inputs)
        return {label: value for label, value in columns.items() if value is not None}

    @abstractmethod
    def generate(self, batch: Batch) -> Drawn:
        """Run the generator.

        Args:
            batch: Inputs ``(N, C, H, W)`` in [-1, 1].

        Returns:
            The picture, and the weighted terms beside the adversarial ones.
        """


class TeacherTask(TrainingTask):
    """A teacher from scratch: ``λ_gan·L_cGAN + λ_recon·L1(G(x), y)`` (arXiv 1611.07004).

    Args:
        generator: The teacher.
        objective: Its discriminators and adversarial losses; a `TeacherObjective` brings networks
            that learn beside the teacher.
        lambda_recon: Weight of the reconstruction; it counts only where data have a target.
    """

    def __init__(self, generator: nn.Module, objective: Objective, lambda_recon: float) -> None:
        helpers = dict(objective.helpers.items() if isinstance(objective, TeacherObjective) else ())
        super().__init__(nn.ModuleDict({**helpers, "generator": generator}), objective)
        self.lambda_recon = lambda_recon

    def _steady(self) -> list[nn.Module]:
        nets = [net for net in self.trained.values() if any(True for _ in net.parameters())]
        return [*super()._steady(), *nets]

    def generate(self, batch: Batch) -> Drawn:
        """Run the teacher and compare it with the target."""
        drawn = self._draw(batch)
        if batch.target is None:
            return drawn
        distance = F.l1_loss(drawn.output.float(), batch.target)
        terms = {"reconstruction": self.lambda_recon * distance}
        return replace(drawn, terms={**drawn.terms, **terms})

    def _draw(self, batch: Batch) -> Drawn:
        if isinstance(self.objective, TeacherObjective):
            return self.objective.draw(self.generator, batch)
        return Drawn(self.generator(*batch.inputs), {})
