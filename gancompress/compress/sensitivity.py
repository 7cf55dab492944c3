"""The sensitivity of a run's teacher: measured, written into the run, and gone on with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from gancompress.compress.checkpoint import TeacherWeights, keep_teacher
from gancompress.compress.choice import calibration_inputs, metric_settings
from gancompress.compress.configure import override
from gancompress.compress.generator import build_generator, check_fit
from gancompress.compress.job import own_teacher
from gancompress.compress.metrics import configure_metrics, distances
from gancompress.compress.opening import open_run, read_config
from gancompress.compress.pictures import batches_of
from gancompress.compress.prepare import load_generator, open_split
from gancompress.compress.records import SENSITIVITY
from gancompress.compress.stage import Stopwatch
from gancompress.config import RunConfig
from gancompress.elastic import SearchSpace
from gancompress.errors import ConfigError
from gancompress.events import Emit, discard
from gancompress.gan import AnyFamily
from gancompress.graph import IgnoredScope, TracedGenerator, trace
from gancompress.metrics import FrechetLite0, LpipsLite0
from gancompress.plugins import PluginHost
from gancompress.sensitivity import Inputs, Measure, SensitivityReport, sensitivity
from gancompress.store import RunDirectory, write_atomic

STAGE: Final = "sensitivity"
JOURNAL: Final = "sensitivity.jsonl"


@dataclass(frozen=True)
class Question:
    """What is asked of a teacher.

    Args:
        metrics: Names of metrics, the first of them to choose by.
        samples: Validation pictures that are compared.
        ratios: Shares of the full width that each group is tried at.
        layers: Layers and groups to try; empty for all.

    Raises:
        ConfigError: If there are no samples.
    """

    metrics: tuple[str, ...] = (LpipsLite0.name, FrechetLite0.name)
    samples: int = 32
    ratios: tuple[float, ...] = (0.25, 0.5, 0.75)
    layers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(
                f"{self.samples} samples are nothing to compare", hint="give --samples 32"
            )


@dataclass(frozen=True, eq=False)
class Examined:
    """A teacher with what it is measured on.

    Args:
        run: The run directory.
        config: Its configuration.
        weights: The teacher's weights.
        traced: The teacher.
        inputs: Held-out inputs.
        calibration: Training inputs.
        measures: Distances by name.
    """

    run: RunDirectory
    config: RunConfig
    weights: TeacherWeights
    traced: TracedGenerator
    inputs: Inputs
    calibration: Inputs
    measures: dict[str, Measure]

    @classmethod
    def of_run(
        cls,
        root: Path,
        host: PluginHost,
        question: Question,
        *,
        metrics: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        trust: bool = False,
    ) -> "Examined":
        """Take the teacher of a run, of `train` or of what goes on from a teacher.

        Args:
            root: The run directory.
            host: The plugins.
            question: What is asked.
            metrics: Options of metrics by name, in place of the run's own.
            trust: See `of`.

        Raises:
            GancompressError: If it is no run directory, or something of it is missing.
        """
        run = RunDirectory(root)
        config = override(read_config(run), {"metrics": metrics} if metrics else {})
        family, teacher = host.family(config.family), own_teacher(run, config)
        return cls.of(run, family, config, teacher, host=host, question=question, trust=trust)

    @classmethod
    def of(
        cls,
        run: RunDirectory,
        family: AnyFamily,
        config: RunConfig,
        weights: TeacherWeights,
        *,
        host: PluginHost,
        question: Question,
        trust: bool = False,
    ) -> "Examined":
        """Open the data and load the teacher; nothing is written.

        Args:
            run: The run directory.
            family: The GAN family.
            config: The configuration.
            weights: The teacher's weights.
            host: The plugins.
            question: What is asked.
            trust: Whether files that run code when they are loaded, and that the options of
                metrics name, may be loaded.

        Raises:
            ConfigError: If a metric is unknown, or the generator does not fit the data.
            CheckpointError: If the weights are of another architecture.
            DataError: If the data cannot be read.
            MissingExtraError: If a library of a metric is not installed.
        """
        offered = configure_metrics(host.metrics(), config.metrics, trust=trust)
        measures = distances(question.metrics, offered)
        options = family.options.model_validate(config.options)
        train, held_out = (open_split(family, options, split) for split in ("train", "val"))
        net = build_generator(family, config, host.resolve_generator)
        load_generator(net, weights, family, options)
        check_fit(net, train[0], config)
        example = tuple(x[None] for x in train[0].inputs)
        return cls(
            run,
            config,
            weights,
            trace(net.eval(), example, rules=host.op_rules()),
            _inputs(held_out, config.seed, question.samples),
            calibration_inputs({"train": train}, config),
            measures,
        )

    @contextmanager
    def open(self) -> Iterator[RunDirectory]:
        """Hold the run directory for this process, as it is or as a new one.

        Yields:
            The run.

        Raises:
            RunError: If another process holds it, or it is of another configuration.
            StorageError: If it cannot be written.
        """
        if self.run.path("config.json").is_file() and _same(read_config(self.run), self.config):
            with self.run.open(self.run.config):
                yield self.run
            return
        with open_run(self.run, self.config):
            keep_teacher(self.run, self.weights)
            yield self.run


def begin_sensitivity(
    out: Path,
    family: AnyFamily,
    config: RunConfig,
    host: PluginHost,
    question: Question,
    *,
    teacher: Path | None = None,
    trust: bool = False,
) -> Examined:
    """Gather what is measured where there is no run yet; nothing is written.

    Args:
        out: The run directory.
        family: The GAN family.
        config: The configuration.
        host: The plugins.
        question: What is asked.
        teacher: Where the teacher's weights lie; None takes the configuration's, or those that
            the user's own generator holds.
        trust: See `Examined.of`.

    Raises:
        ConfigError: If no teacher is named.
        GancompressError: What `Examined.of` raises.
    """
    place = teacher or config.teacher
    if place is not None:
        weights = TeacherWeights.read(place)
    elif config.generator is not None:
        generator = build_generator(family, config, host.resolve_generator)
        weights = TeacherWeights.of(generator, config.generator)
    else:
        raise ConfigError(
            "no teacher is named",
            hint=f"add --teacher PATH; `gancompress train {family.name}` makes one",
        )
    known = config.model_copy(update={"teacher_sha256": weights.sha256})
    run = RunDirectory(out)
    return Examined.of(run, family, known, weights, host=host, question=question, trust=trust)


def measure_sensitivity(
    examined: Examined, question: Question, *, emit: Emit = discard
) -> SensitivityReport:
    """Measure every single change that the run has not measured yet.

    Args:
        examined: The teacher; its run is open. ``sensitivity.json`` is written, and
            ``sensitivity.jsonl`` after every change.
        question: What is asked.
        emit: Receives events.

    Raises:
        AnalysisError: If a layer selects nothing.
        ConfigError: If a ratio is not between 0 and 1.
    """
    run, config = examined.run, examined.config
    watch = Stopwatch(run, STAGE)
    smallest = min([*question.ratios, config.space.smallest])
    report = sensitivity(
        examined.traced,
        examined.inputs,
        metrics=examined.measures,
        ratios=question.ratios,
        space=SearchSpace.multiples_of(config.space.divisor, smallest=max(smallest, 1e-9)),
        layers=question.layers,
        calibration=examined.calibration,
        ignored=IgnoredScope(**dict(config.space.ignored)),
        storage=run.path(JOURNAL),
        settings=metric_settings(question.metrics, config),
        emit=emit,
    )
    write_atomic(run.path(SENSITIVITY), report.to_json().encode())
    watch.finish({**asdict(question), "changes": len(report.layers) + len(report.groups)})
    return report


def _same(known: RunConfig, wanted: RunConfig) -> bool:
    """Whether a run is of a configuration, but for how metrics measure: that may change."""
    return known.model_copy(update={"metrics": wanted.metrics}) == wanted


def _inputs(data: Any, seed: int, most: int) -> Sequence[tuple[Any, ...]]:
    return [batch.inputs for batch in batches_of(data, seed, most=most)]
