"""The once-for-all supernet, or one subnet of it, learns from a teacher."""

import copy
import random
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from gancompress.config import DistillConfig
from gancompress.distill.adapters import Adapter, adapter_key, feature_distance, match
from gancompress.distill.points import distillation_points
from gancompress.distill.task import TrainingTask
from gancompress.elastic import SubnetConfig, Supernet
from gancompress.gan import Batch, Drawn, Objective
from gancompress.graph import TracedGenerator


class StudentTask(TrainingTask):
    """``λ_gan·L_cGAN + λ_recon·L_recon + λ_distill·L_distill`` (arXiv 2003.08936, equation 1).

    Unpaired data are made paired by the teacher's picture.

    Args:
        supernet: The student.
        teacher: The traced teacher; it is frozen, in eval mode.
        objective: Discriminators, which should start from the teacher's, and adversarial losses.
        config: Weights, sampling and distillation points.
        subnet: Trains this subnet alone; None trains the whole space.
    """

    def __init__(
        self,
        supernet: Supernet,
        teacher: TracedGenerator,
        objective: Objective,
        config: DistillConfig,
        subnet: SubnetConfig | None = None,
    ) -> None:
        points = distillation_points(teacher, config.points) if config.lambda_distill else ()
        self.points = tuple(p for p in points if p in supernet.traced.shapes)
        adapters = nn.ModuleDict(
            {
                adapter_key(p): Adapter(supernet.traced.shapes[p][1], teacher.shapes[p][1])
                for p in self.points
            }
        )
        super().__init__(nn.ModuleDict({"generator": supernet, "adapters": adapters}), objective)
        self.supernet, self.config, self.subnet = supernet, config, subnet
        self.teacher = (
            with_taps(teacher.module, self.points).eval().requires_grad_(requires_grad=False)
        )
        self.tap = supernet.tap(self.points)

    def to(self, device: torch.device) -> None:
        """Move student, discriminators and teacher."""
        super().to(device)
        self.teacher.to(device)

    def match_adapters(self, batch: Batch) -> None:
        """Start every adapter from the least-squares map at full width, on one batch."""
        before = self.supernet.config
        widest = {group.key: group.units for group in self.supernet.graph.searchable()}
        self.supernet.activate(SubnetConfig(widest))
        with torch.no_grad():
            _, goal = self.teacher(*batch.inputs)
            _, features = self.tap(*batch.inputs)
        for point in self.points:
            adapter = self.trained["adapters"].get_submodule(adapter_key(point))
            if isinstance(adapter, Adapter):
                match(adapter, features[point], goal[point])
        self.supernet.activate(before)

    def begin_step(self, step: int, rng: random.Random) -> None:
        """Activate the subnet of this step."""
        if self.subnet is not None:
            self.supernet.activate(self.subnet)
            return
        choose = _SAMPLINGS[self.config.sampling]
        self.supernet.activate(choose(self.supernet, step, rng))

    def generate(self, batch: Batch) -> Drawn:
        """Run teacher and student, and compare pictures and features."""
        with torch.no_grad():
            goal, goal_features = self.teacher(*batch.inputs)
        output, features = self.tap(*batch.inputs)
        terms = {
            "reconstruction": self.config.lambda_recon * self._reconstruction(output, goal, batch)
        }
        if self.points:
            positions = {point: self.supernet.active_units(point) for point in self.points}
            distance = feature_distance(
                dict(self.trained["adapters"].named_children()), features, goal_features, positions
            )
            terms["distillation"] = self.config.lambda_distill * distance
        return Drawn(output, terms)

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Draw with the teacher beside the student, at the width that is active."""
        drawn = super().pictures(batch)
        student = drawn.pop("generated")
        return {**drawn, "teacher": self.teacher(*batch.inputs)[0], "student": student}

    def _reconstruction(self, output: Tensor, goal: Tensor, batch: Batch) -> Tensor:
        kind = self.config.recon_target
        to_teacher = F.l1_loss(output.float(), goal.float())
        if batch.target is None or kind == "teacher":
            return to_teacher
        to_target = F.l1_loss(output.float(), batch.target)
        return to_target if kind in {"auto", "paired"} else 0.5 * (to_teacher + to_target)


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


def _uniform(supernet: Supernet, step: int, rng: random.Random) -> SubnetConfig:
    del step
    return supernet.sample(rng)


def _sandwich(supernet: Supernet, step: int, rng: random.Random) -> SubnetConfig:
    ends = (supernet.space.largest(), supernet.space.smallest())
    return ends[step % 4] if step % 4 < len(ends) else supernet.sample(rng)


_SAMPLINGS: Mapping[str, Callable[[Supernet, int, random.Random], SubnetConfig]] = {
    "uniform": _uniform,
    "sandwich": _sandwich,
}
