"""The once-for-all supernet, or one subnet of it, learns from a teacher."""

import copy
import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from gancompress.config import DistillConfig
from gancompress.distill.critics import FrozenCritics
from gancompress.distill.film import Condition
from gancompress.distill.loss import Channels, Comparison, DistillLoss
from gancompress.distill.losses import find_losses
from gancompress.distill.online import TEACHER, OnlineObjective
from gancompress.distill.points import distillation_points
from gancompress.distill.schedule import make_schedule
from gancompress.distill.task import TrainingTask
from gancompress.elastic import SubnetConfig, Supernet
from gancompress.gan import Batch, Drawn, Objective
from gancompress.graph import TracedGenerator

# What runs of earlier releases call the adapters in their checkpoints.
_ADAPTERS: Final = {"adapter-mse": "adapters"}


class StudentTask(TrainingTask):
    """``λ_gan·L_cGAN + λ_recon·L_recon + λ_distill·Σ w_i·L_i`` (arXiv 2003.08936, equation 1).

    Unpaired data are made paired by the teacher's picture.

    Args:
        supernet: The student.
        teacher: The traced teacher; a copy learns where the configuration says ``online``, and is
            frozen, in eval mode, elsewhere.
        objective: Discriminators and adversarial losses of the student.
        config: Weights, sampling and distillation points.
        subnet: Trains this subnet alone; None trains the whole space.
        losses: The distillation losses that there are, by name; empty for the core's own.
        critics: The discriminators that losses look at pictures with, and that an online teacher
            begins with; None takes the objective's.
        condition: Is told the subnet of each step; None where no discriminator asks.

    Raises:
        ConfigError: If there is no loss of a name, or a schedule lacks its budget.
    """

    def __init__(
        self,
        supernet: Supernet,
        teacher: TracedGenerator,
        objective: Objective,
        config: DistillConfig,
        subnet: SubnetConfig | None = None,
        *,
        losses: Mapping[str, DistillLoss] = MappingProxyType({}),
        critics: Objective | None = None,
        condition: Condition | None = None,
    ) -> None:
        self.supernet, self.config, self.subnet = supernet, config, subnet
        self.condition = condition
        self.losses = find_losses(config.losses, losses) if config.lambda_distill else {}
        self.lost = 0
        """How many of the distillation points that were asked for are not in the graph."""
        # As it begins: the discriminators that are trained go on to change.
        judges = objective if critics is None else critics
        self.points = self._points(teacher)
        self.losses = {
            name: loss
            for name, loss in self.losses.items()
            if self.points or not loss.uses_features
        }
        self._judge = self._critics(judges)
        channels = {
            p: Channels(supernet.traced.shapes[p][1], teacher.shapes[p][1]) for p in self.points
        }
        self.parts = {name: loss.trainable(channels) for name, loss in self.losses.items()}
        self.teacher = with_taps(teacher.module, self.points)
        self.online = config.teacher == "online"
        modules: dict[str, nn.Module] = {"generator": supernet}
        modules |= {_key(name): parts for name, parts in self.parts.items() if len(parts)}
        if self.online:
            modules["teacher"] = self.teacher.requires_grad_()
            objective = OnlineObjective(objective, copy.deepcopy(judges))
        else:
            self.teacher.eval().requires_grad_(requires_grad=False)
        super().__init__(nn.ModuleDict(modules), objective)
        self.schedule = make_schedule(config, supernet, teacher) if subnet is None else None
        self.tap = supernet.tap(self.points)

    def to(self, device: torch.device) -> None:
        """Move student, discriminators and teacher."""
        super().to(device)
        self.teacher.to(device)
        if self._judge is not None:
            self._judge.to(device)

    def match_adapters(self, batch: Batch) -> None:
        """Give what learns beside the student its start, from one batch at full width."""
        before = self.supernet.config
        widest = {group.key: group.units for group in self.supernet.graph.searchable()}
        self.supernet.activate(SubnetConfig(widest))
        with torch.no_grad():
            goal, goals = self.teacher(*batch.inputs)
            output, features = self.tap(*batch.inputs)
            seen = self._compare(batch, (output, features), (goal, goals))
            for name, loss in self.losses.items():
                loss.match(seen, self.parts[name])
        self.supernet.activate(before)

    def begin_step(self, step: int, rng: random.Random) -> None:
        """Activate the subnet of this micro-step."""
        chosen = self.schedule(step, rng) if self.schedule is not None else self.subnet
        if chosen is not None:
            self.supernet.activate(chosen)
        if self.condition is not None:
            self.condition.set(self.supernet.config)

    def generate(self, batch: Batch) -> Drawn:
        """Run teacher and student, and compare pictures and features."""
        with torch.set_grad_enabled(self.online):
            taught, goals = self.teacher(*batch.inputs)
        output, features = self.tap(*batch.inputs)
        goal = self._widest_picture(batch) if self._follows else taught.detach()
        terms = {"reconstruction": self.config.lambda_recon * self._distance(output, goal, batch)}
        seen = self._compare(batch, (output, features), (goal, goals))
        for name, loss in self.losses.items():
            weight = self.config.lambda_distill * self.config.losses[name]
            terms[f"distill_{name}"] = weight * loss(seen, self.parts[name])
        if not self.online:
            return Drawn(output, terms)
        terms["teacher_reconstruction"] = self.config.lambda_recon * _to_target(taught, batch)
        return Drawn(output, terms, {TEACHER: taught})

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Draw with the teacher beside the student, at the width that is active."""
        drawn = super().pictures(batch)
        student = drawn.pop("generated")
        return {**drawn, "teacher": self.teacher(*batch.inputs)[0], "student": student}

    @property
    def _follows(self) -> bool:
        """Whether the active subnet learns from the widest one: in-place distillation."""
        inplace = self.subnet is None and self.config.sampling == "sandwich"
        return inplace and self.supernet.config != self.supernet.space.largest()

    def _widest_picture(self, batch: Batch) -> Tensor:
        current = self.supernet.config
        with torch.no_grad():
            picture: Tensor = self.supernet.activate(self.supernet.space.largest())(*batch.inputs)
        self.supernet.activate(current)
        return picture

    def _distance(self, output: Tensor, goal: Tensor, batch: Batch) -> Tensor:
        kind = self.config.recon_target
        to_teacher = F.l1_loss(output.float(), goal.float())
        if batch.target is None or kind == "teacher" or self._follows:
            return to_teacher
        to_target = _to_target(output, batch)
        return to_target if kind in {"auto", "paired"} else 0.5 * (to_teacher + to_target)

    def _compare(
        self,
        batch: Batch,
        student: tuple[Tensor, Mapping[str, Tensor]],
        teacher: tuple[Tensor, Mapping[str, Tensor]],
    ) -> Comparison:
        (output, features), (goal, goals) = student, teacher
        return Comparison(
            batch,
            output,
            goal,
            features,
            {point: maps.detach() for point, maps in goals.items()},
            {point: self.supernet.active_units(point) for point in self.points},
            self._judge,
        )

    def _points(self, teacher: TracedGenerator) -> tuple[str, ...]:
        if not any(loss.uses_features for loss in self.losses.values()):
            return ()
        found = distillation_points(teacher, self.config.points)
        kept = tuple(point for point in found if point in self.supernet.traced.shapes)
        self.lost = self.config.points - len(kept)
        return kept

    def _critics(self, objective: Objective) -> FrozenCritics | None:
        asked = any(loss.uses_discriminators for loss in self.losses.values())
        there = any(True for _ in objective.discriminators.parameters())
        return FrozenCritics(objective) if asked and there else None


def with_taps(module: fx.GraphModule, names: Sequence[str]) -> fx.GraphModule:
    """Return a copy of a net that also returns the values of some nodes.

    Args:
        module: The net, left as it is.
        names: Names of its nodes.

    Returns:
        A net that returns its output and a dict of the nodes' values.
    """
    net = copy.deepcopy(module)
    nodes: Mapping[str, fx.Node] = {node.name: node for node in net.graph.nodes}
    output = next(node for node in net.graph.nodes if node.op == "output")
    output.args = ((output.args[0], {name: nodes[name] for name in names}),)
    net.graph.lint()
    net.recompile()
    return net


def _key(loss: str) -> str:
    """Return the name of what a loss trains among a checkpoint's modules, which hold no dot."""
    return _ADAPTERS.get(loss, f"loss-{loss}".replace(".", "-"))


def _to_target(picture: Tensor, batch: Batch) -> Tensor:
    return F.l1_loss(picture.float(), batch.target)  # type: ignore[arg-type]  # paired data alone
