"""The works: a teacher, its data and settings, and how pictures are scored."""

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from benchmarks.quality.protocol import PICTURES, digest
from generators.pix2pixhd import LocalEnhancer
from torch import Tensor, nn

from gancompress.compress import Lesson, TeacherWeights, configure
from gancompress.compress.configure import override
from gancompress.compress.metrics import find_metrics
from gancompress.compress.pictures import batches_of
from gancompress.compress.prepare import SPLITS, load_discriminators, load_generator, open_split
from gancompress.config import RunConfig
from gancompress.cost import measure_cost
from gancompress.distill import TeacherTask, fit
from gancompress.gan import AnyFamily, Objective, initialise_normal
from gancompress.graph import TracedGenerator, trace
from gancompress.metrics import pictures_of
from gancompress.passes import Decompose, FoldReparametrisation, run_passes
from gancompress.store import save_tensors
from gancompress_cyclegan.family import CycleGan
from gancompress_gaugan.family import GauGan
from gancompress_gaugan.generator import initialise_xavier
from gancompress_pix2pix.family import Pix2Pix

TO_REAL: Final = ("frechet-lite0", "kid-lite0")
PAIRED: Final = ("psnr", "lpips-lite0")


@dataclass(frozen=True)
class Spec:
    """What a work is made of.

    Args:
        name: Its name.
        family: Makes the GAN family.
        recipe: One of its recipes; None begins with the defaults.
        steps: Optimiser steps of one run, all stages together.
        changes: Settings beside the recipe's.
        generator: Makes the user's own generator; None takes the family's.
        initialise: Draws the weights of a net as those of the teacher were drawn.
        teacher: Where the teacher is; None takes the recipe's, and trains the user's.
    """

    name: str
    family: Callable[[], AnyFamily]
    recipe: str | None
    steps: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    generator: Callable[[], nn.Module] | None = None
    initialise: Callable[[nn.Module], nn.Module] = initialise_normal
    teacher: Path | None = None


# A user's own generator keeps the defaults of the space, and learns from the family's data.
OWN: Final[Mapping[str, Any]] = {
    "space": {"smallest": 0.25},
    "train": {"steps": 1500, "ema": 0.99, "checkpoint_every": 1500, "precision": "no"},
}
SPECS: Final[Mapping[str, Spec]] = {
    spec.name: spec
    for spec in (
        Spec("openmoji", Pix2Pix, "openmoji", 480),
        Spec("desert2forest", CycleGan, "desert2forest", 240),
        Spec("landcover", GauGan, "landcover", 240, initialise=initialise_xavier),
        Spec("own", Pix2Pix, "openmoji", 480, OWN, lambda: LocalEnhancer(3, 32)),
    )
}


class Work:
    """A work that is opened: everything that its contestants share.

    Args:
        spec: What it is made of.
        scale: What its steps are multiplied by.
        folder: Where a teacher that is trained here is kept.

    Attributes:
        config: The settings, as they come from the recipe, with as many steps as a run has.
        protocol: Digest of all that results depend on.
    """

    def __init__(self, spec: Spec, scale: float, folder: Path) -> None:
        self.spec, self.scale = spec, scale
        self.family = spec.family()
        # Every run asks for the same splits again.
        self.family.dataset = functools.cache(self.family.dataset)  # type: ignore[method-assign]
        self.config = settings_of(spec, scale, self.family)
        self.protocol = protocol_of(spec, scale, self.config)
        self._folder = folder

    @functools.cached_property
    def options(self) -> Any:
        """The family's options."""
        return self.family.options.model_validate(self.config.options)

    @functools.cached_property
    def data(self) -> dict[str, Any]:
        """The data by split."""
        return {split: open_split(self.family, self.options, split) for split in SPLITS}

    @functools.cached_property
    def weights(self) -> TeacherWeights:
        """The teacher's weights, which are trained where nobody ships them."""
        spec = self.spec
        place = spec.teacher
        if place is None and spec.generator is not None:
            place = self._trained()
        elif place is None:
            place = Path(str(self.family.recipes()[str(spec.recipe)].teacher))
        return TeacherWeights.read(place)

    @functools.cached_property
    def teacher(self) -> TracedGenerator:
        """The traced teacher, in eval mode."""
        net = self.fresh() or self.family.generator(self.options)
        load_generator(net, self.weights, self.family, self.options)
        sample = self.data["train"][0]
        return trace(net.eval(), tuple(x[None] for x in sample.inputs))

    @functools.cached_property
    def folded(self) -> TracedGenerator:
        """The teacher with plain weights."""
        return run_passes(self.teacher, [FoldReparametrisation()])

    @functools.cached_property
    def macs(self) -> int:
        """True MACs of the teacher on one picture."""
        return measure_cost(self.teacher.module, self.teacher.example_inputs).macs

    @functools.cached_property
    def judge(self) -> "Judge":
        """What scores nets on the held-out pictures."""
        return Judge(self)

    def fresh(self) -> nn.Module | None:
        """Make the user's generator; None where it is the family's."""
        return None if self.spec.generator is None else self.spec.generator()

    def decomposed(self, config: RunConfig) -> TracedGenerator:
        """Return the teacher's architecture with its layers decomposed; nothing is fitted.

        Args:
            config: Says which layers, and how.
        """
        settings = config.decompose
        if settings.layers == "auto":
            raise ValueError("the layers of a benchmark are the same in every run")
        change = Decompose(settings.layers, norm_between=settings.norm_between)
        return run_passes(self.folded, [change])

    def critics(self) -> Objective:
        """Return the objective with the teacher's discriminators."""
        objective = self.family.objective(self.options)
        load_discriminators(objective, self.weights, self.family, self.options)
        return objective

    def randomise(self, net: nn.Module, seed: int) -> nn.Module:
        """Draw all weights of a net anew, as published nets of this family begin.

        Args:
            net: Changed in place.
            seed: Seed.
        """
        torch.manual_seed(seed)
        owned: set[int] = set()
        for layer in net.modules():
            reset = getattr(layer, "reset_parameters", None)
            if reset is not None:
                reset()
                owned |= {id(weight) for weight in layer.parameters(recurse=False)}
        kept = [name for name, weight in net.named_parameters() if id(weight) not in owned]
        if kept:
            raise ValueError(f"'{kept[0]}' would keep the teacher's weights")
        return self.spec.initialise(net)

    def _trained(self) -> Path:
        settings = {"config": _plain(self.config), "generator": repr(self.fresh())}
        place = self._folder / f"teacher-{self.spec.name}-{digest(settings)}"
        if (place / "generator.safetensors").is_file():
            return place
        lesson = Lesson.prepare(self.family, self.config, self.spec.generator and self.fresh())
        torch.manual_seed(self.config.seed)
        self.spec.initialise(lesson.generator)
        task = TeacherTask(lesson.generator, lesson.objective, self.config.train.lambda_recon)
        result = fit(task, lesson.data, self.config.train, seed=self.config.seed)
        save_tensors(
            place / "discriminators.safetensors", lesson.objective.discriminators.state_dict()
        )
        # The last one to be written says that both are there.
        save_tensors(place / "generator.safetensors", result.generator.state_dict())
        return place


class Judge:
    """Scores nets on held-out pictures, against the real ones, the targets and the teacher's.

    Args:
        work: Gives the test split, of which nothing else is told, and the teacher.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self.batches = batches_of(work.data["test"], 0, most=PICTURES)
        found = find_metrics((*TO_REAL, *PAIRED), {})
        self._paired = {name: found[name] for name in PAIRED}
        self._rulers = {name: found[name].against(self.batches) for name in TO_REAL}
        targets = [batch.target for batch in self.batches if batch.target is not None]
        self._sides = {"teacher": self._drawn(work.teacher.module)}
        if targets:
            self._sides["target"] = torch.cat(targets)

    def score(self, net: nn.Module) -> dict[str, float]:
        """Return every figure by name.

        Args:
            net: In eval mode.
        """
        return self._figures(self._drawn(net))

    def baseline(self) -> dict[str, float]:
        """Return the figures of the picture that costs nothing."""
        family, options = self._work.family, self._work.options
        return self._figures(torch.cat([family.baseline(options, one) for one in self.batches]))

    def _figures(self, drawn: Tensor) -> dict[str, float]:
        values = {name: float(ruler.measure(drawn).value) for name, ruler in self._rulers.items()}
        for side, reference in self._sides.items():
            # The teacher's likeness to itself is no figure.
            if not torch.equal(drawn, reference):
                for name, metric in self._paired.items():
                    values[f"{name} to {side}"] = metric.compute(drawn, reference)
        return values

    def _drawn(self, net: nn.Module) -> Tensor:
        return torch.cat(list(pictures_of(net, self.batches, "net")))


def settings_of(spec: Spec, scale: float, family: AnyFamily) -> RunConfig:
    """Return the settings of a work: its recipe's, brought to the steps of a run.

    The steps are shared between distillation and fine-tuning as in the recipe, and moving averages
    span the same share of a stage as there. Everything is computed in float32.

    Args:
        spec: The work.
        scale: What steps are multiplied by.
        family: Its family.
    """
    config = configure(family, recipe=spec.recipe, overrides=copy.deepcopy(dict(spec.changes)))
    total = max(2, round(spec.steps * scale))
    share = config.distill.steps / (config.distill.steps + config.finetune.steps)
    distill = min(total - 1, max(1, round(total * share)))
    lengths = {"distill": distill, "finetune": total - distill}
    if spec.generator is not None:
        lengths["train"] = max(1, round(config.train.steps * scale))
    stages: dict[str, Any] = {}
    for name, steps in lengths.items():
        stage = getattr(config, name)
        stages[name] = {
            "steps": steps,
            "ema": stage.ema ** (stage.steps / steps),
            "precision": "no",
            "checkpoint_every": steps,
        }
    return override(config, stages)


def protocol_of(spec: Spec, scale: float, config: RunConfig) -> str:
    """Return the digest of all that the results of a work depend on.

    Args:
        spec: The work.
        scale: What steps are multiplied by.
        config: Its settings.
    """
    return digest(
        {
            "config": _plain(config),
            "steps": spec.steps,
            "scale": scale,
            "pictures": PICTURES,
            "generator": None if spec.generator is None else repr(spec.generator()),
        }
    )


def _plain(config: RunConfig) -> dict[str, Any]:
    # Where the package lies is no setting.
    return config.model_dump(mode="json", exclude={"teacher"})
