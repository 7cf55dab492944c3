"""From a teacher's weights to a supernet that still computes what the teacher computes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gancompress.compress.checkpoint import TeacherWeights, find_mismatch, load_into
from gancompress.compress.choice import Choice, calibration_inputs, choose_layers
from gancompress.compress.generator import build_generator, check_fit, check_losses
from gancompress.compress.pictures import batches_of
from gancompress.config import DistillConfig, RunConfig
from gancompress.distill import DistillLoss
from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import CheckpointError, ConfigError, DataError
from gancompress.events import (
    Emit,
    Notice,
    StageFinished,
    StageProgress,
    StageStarted,
    discard,
)
from gancompress.export import ExportTarget
from gancompress.gan import AnyFamily, Batch, Objective, collate
from gancompress.graph import IgnoredScope, OpRule, TracedGenerator, trace
from gancompress.metrics import Metric
from gancompress.passes import (
    Decompose,
    FoldReparametrisation,
    GraphPass,
    SortChannels,
    run_passes,
)

STAGE = "prepare"
SPLITS = ("train", "val", "test")
_NO_FIT = (
    "give the options of the discriminator that it was trained with, or move the file away: then "
    "the discriminators start from scratch"
)


@dataclass(frozen=True, eq=False)
class Origin:
    """How another process finds what a project was made from.

    Args:
        teacher: The teacher's weights.
        plugins: Unpackaged plugin files beside the installed plugins; None where plugins were
            registered by hand, and what they offer is among the objects.
        blocked: Names of plugins that are left out.
        trust: Whether files that run code when they are loaded may be loaded.
        objects: What has no name: ``generator``, ``family``, ``rules``, ``passes``, ``metrics``.
    """

    teacher: TeacherWeights
    plugins: tuple[Path, ...] | None = ()
    blocked: tuple[str, ...] = ()
    trust: bool = False
    objects: Mapping[str, Any] = field(default_factory=dict)


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
        data: The data by split.
        targets: Export targets of plugins.
        metrics: Metrics by name; empty for the core's own.
        losses: Distillation losses by name; empty for the core's own.
        choice: The layers that ``auto`` has chosen to decompose; None without it.
        device: Where it is trained and scored; see `find_device`.
        origin: How another process makes it again; None where it was prepared by hand.
    """

    config: RunConfig
    family: AnyFamily
    options: Any
    teacher: TracedGenerator
    supernet: Supernet
    objective: Objective
    data: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[ExportTarget, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    losses: Mapping[str, DistillLoss] = field(default_factory=dict)
    choice: Choice | None = None
    device: str | None = None
    origin: Origin | None = None

    def batches(self, split: str, size: int = 32, most: int | None = None) -> list[Batch]:
        """Return the pictures of a split in order.

        Args:
            split: ``train``, ``val`` or ``test``.
            size: Pictures a batch.
            most: Pictures at most; None takes all.
        """
        data = self.data[split]
        return batches_of(data, self.config.seed, size=size, most=most)

    def samples(self, split: str, most: int) -> Batch:
        """Return pictures that are spread evenly over a split.

        Args:
            split: ``val`` or ``test``.
            most: Pictures at most.
        """
        data = self.data[split]
        count = min(most, len(data))
        return collate([data[i * len(data) // count] for i in range(count)])

    def baseline(self, batch: Batch) -> Tensor:
        """Return the picture that costs nothing."""
        return self.family.baseline(self.options, batch)


def prepare(
    family: AnyFamily,
    config: RunConfig,
    teacher: Path | TeacherWeights,
    rules: Sequence[OpRule] = (),
    *,
    passes: Sequence[GraphPass] = (),
    targets: Sequence[ExportTarget] = (),
    metrics: Mapping[str, Metric] = MappingProxyType({}),
    losses: Mapping[str, DistillLoss] = MappingProxyType({}),
    generator: nn.Module | None = None,
    choice: Choice | None = None,
    device: str | None = None,
    fitted: bool = True,
    emit: Emit = discard,
) -> Project:
    """Open the data, load the teacher and make the supernet.

    Args:
        family: The GAN family.
        config: The configuration.
        teacher: The teacher's weights, or where `TeacherWeights.read` finds them.
        rules: Operator rules of plugins.
        passes: Graph passes that come before decomposition and sorting; by default the one that
            folds reparametrised weights.
        targets: Export targets of plugins.
        metrics: Metrics by name; empty for the core's own.
        losses: Distillation losses by name; empty for the core's own.
        generator: The user's own generator, whose weights are replaced by the teacher's; None
            builds the family's.
        choice: The layers that ``auto`` has chosen before; None chooses them where it is asked
            for.
        device: Where it is trained and scored; see `find_device`.
        fitted: Whether decomposed layers are fitted to training pictures; False saves the time
            where trained weights take their place.
        emit: Receives events.

    Returns:
        What the later stages work on.

    Raises:
        AnalysisError: If a layer that is to be decomposed or ignored is not there.
        CheckpointError: If weights are missing, damaged or of another architecture.
        ConfigError: If the generator, or what it is compared with, does not fit the data.
        DataError: If the data cannot be read.
    """
    weights = teacher if isinstance(teacher, TeacherWeights) else TeacherWeights.read(teacher)
    steps = _Steps(emit, len(SPLITS) + 2)
    options = family.options.model_validate(config.options)
    data: dict[str, Any] = {}
    for split in SPLITS:
        data[split] = open_split(family, options, split)
        steps.advance()
    net = build_generator(family, config) if generator is None else generator
    load_generator(net, weights, family, options)
    torch.manual_seed(config.seed)
    objective = family.objective(options)
    load_discriminators(objective, weights, family, options, emit=emit)
    sample: Batch = data["train"][0]
    picture = check_fit(net, sample, config)
    for settings in (config.distill, config.finetune):
        _check_target(settings, sample)
        check_losses(family, options, sample, picture, settings)
    traced = trace(net.eval(), tuple(x[None] for x in sample.inputs), rules=rules)
    steps.advance()
    ignored = IgnoredScope(**dict(config.space.ignored))
    folded = run_passes(traced, passes or (FoldReparametrisation(),))
    layers = config.decompose.layers
    if layers == "auto":
        choice = choice or choose_layers(config, folded, data, metrics, ignored, emit=emit)
        layers = choice.layers
    decompose = _decompose(config, layers, data, ignored, fitted=fitted)
    student = run_passes(folded, [decompose, SortChannels(ignored=ignored)])
    space = SearchSpace.multiples_of(
        config.space.divisor, smallest=config.space.smallest, largest=config.space.largest
    )
    supernet = Supernet(student, space, ignored=ignored)
    steps.finish()
    return Project(
        config,
        family,
        options,
        traced,
        supernet,
        objective,
        data,
        tuple(targets),
        metrics,
        losses,
        choice,
        device,
    )


def _decompose(
    config: RunConfig,
    layers: tuple[str, ...] | Literal["resblocks", "none"],
    data: Mapping[str, Any],
    ignored: IgnoredScope,
    *,
    fitted: bool,
) -> Decompose:
    settings = config.decompose
    # Under a limit of the error it is the fit that decides what the layers look like.
    fitted = settings.max_error is not None or (fitted and not settings.norm_between)
    return Decompose(
        layers,
        norm_between=settings.norm_between,
        depthwise_bias=settings.depthwise_bias,
        ignored=ignored,
        method=settings.method,
        multiplier=settings.multiplier,
        max_error=settings.max_error,
        calibration=calibration_inputs(data, config) if fitted else (),
    )


def _check_target(settings: DistillConfig, sample: Batch) -> None:
    if sample.target is None and settings.recon_target in {"paired", "mixed"}:
        raise ConfigError(
            f"'recon_target' is '{settings.recon_target}', and the data have no pairs",
            hint="set it to 'teacher', or leave it at 'auto'",
        )
    if sample.target is None and settings.teacher == "online":
        raise ConfigError(
            "'teacher' is 'online', and the data have no targets that it could go on learning from",
            hint="set it to 'frozen', or give paired data",
        )


def open_split(family: AnyFamily, options: Any, split: str) -> Any:
    """Open one split of a family's data.

    Args:
        family: The GAN family.
        options: Its options.
        split: ``train``, ``val`` or ``test``.

    Raises:
        DataError: If the data cannot be read, or there are none.
    """
    data: Any = family.dataset(options, split)
    if not len(data):
        raise DataError(
            f"the split '{split}' of family '{family.name}' is empty",
            hint="give data with pictures in 'train', 'val' and 'test'",
        )
    return data


def load_generator(
    net: nn.Module, weights: TeacherWeights, family: AnyFamily, options: Any
) -> None:
    """Load a teacher's weights, in a layout of the family's that it may know.

    Args:
        net: Changed in place.
        weights: The weights.
        family: The GAN family.
        options: Its options.

    Raises:
        CheckpointError: If they are of another architecture.
    """
    state = weights.generator
    if find_mismatch(net, state):
        # A family may know the layout of somebody else's checkpoint of its own generator.
        state = family.import_checkpoint(options, Path(weights.source), state) or state
    load_into(net, state, weights.source)


def load_discriminators(
    objective: Objective,
    weights: TeacherWeights,
    family: AnyFamily,
    options: Any,
    *,
    emit: Emit = discard,
) -> None:
    """Load a teacher's discriminators, in a layout of the family's that it may know.

    Args:
        objective: Its discriminators are changed in place.
        weights: The weights; without discriminators a notice says that they start from scratch.
        family: The GAN family.
        options: Its options.
        emit: Receives events.

    Raises:
        CheckpointError: If they are of another architecture.
    """
    critics, state, beside = objective.discriminators, weights.discriminators, weights.beside
    learning = any(True for _ in critics.parameters())
    if state is None or (beside is not None and not learning):
        if learning:
            text = f"'{weights.source}' has no discriminators: they start from scratch"
            emit(Notice(STAGE, text))
        return
    source = str(beside or f"{weights.source}, its discriminators")
    if find_mismatch(critics, state):
        state = family.import_discriminators(options, Path(source), state) or state
    try:
        load_into(critics, state, source)
    except CheckpointError as error:
        if beside is None:
            raise
        raise CheckpointError(error.message, hint=_NO_FIT) from None
    if beside is not None:
        text = f"'{beside}' lies beside '{weights.source}': the discriminators start from it"
        emit(Notice(STAGE, text))


class _Steps:
    """Reports the steps of a preparation."""

    def __init__(self, emit: Emit, total: int) -> None:
        self._emit, self._done = emit, 0
        self._began = time.monotonic()
        emit(StageStarted(STAGE, total))

    def advance(self) -> None:
        self._done += 1
        self._emit(StageProgress(STAGE, self._done))

    def finish(self) -> None:
        self.advance()
        self._emit(StageFinished(STAGE, time.monotonic() - self._began))
