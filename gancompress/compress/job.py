"""One call on one run directory: the family, the configuration, the teacher, the plugins."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from gancompress.compress.architecture import keep_architecture
from gancompress.compress.checkpoint import TeacherWeights, keep_teacher
from gancompress.compress.choice import Choice, keep_choice, known_choice
from gancompress.compress.configure import override
from gancompress.compress.generator import build_generator
from gancompress.compress.metrics import configure_metrics
from gancompress.compress.opening import open_run, read_config
from gancompress.compress.preflight import check_parts, rehearse
from gancompress.compress.prepare import Origin, Project, prepare
from gancompress.compress.results import is_evaluated
from gancompress.compress.stage import pending, require
from gancompress.config import RunConfig
from gancompress.distill import Team
from gancompress.errors import CheckpointError, ConfigError
from gancompress.events import Emit, discard
from gancompress.export import find_target
from gancompress.gan import AnyFamily
from gancompress.plugins import PluginHost
from gancompress.store import RunDirectory


@dataclass(frozen=True, eq=False)
class Job:
    """What a verb works with: made by `begin` for a new run, by `resume` for one that is there.

    Args:
        run: The run directory.
        family: The GAN family.
        config: The configuration, with the digest of the teacher's weights.
        host: The plugins.
        teacher: The teacher's weights.
        generator: The user's own generator as a module; None where the configuration names it.
        trust: Whether files that run code when they are loaded, and that the options of metrics
            name, may be loaded.
        device: Where it trains and scores; see `find_device`.
        given: Whether the generator was given as a module, which no reference names.
        growing: See `open_run`.
    """

    run: RunDirectory
    family: AnyFamily
    config: RunConfig
    host: PluginHost
    teacher: TeacherWeights
    generator: nn.Module | None = None
    trust: bool = False
    device: str | None = None
    given: bool = False
    growing: bool = False

    @classmethod
    def begin(
        cls,
        out: Path,
        family: AnyFamily,
        config: RunConfig,
        host: PluginHost,
        *,
        teacher: Path | None = None,
        generator: nn.Module | None = None,
        trust: bool = False,
        device: str | None = None,
    ) -> "Job":
        """Gather what a run is made from; nothing is written yet.

        Args:
            out: The run directory.
            family: The GAN family.
            config: The configuration.
            host: The plugins.
            teacher: Where the teacher's weights lie; None takes the configuration's, or those
                that the user's own generator holds.
            generator: The user's own generator as a module, in place of a reference.
            trust: See `Job`.
            device: See `Job`.

        Raises:
            CheckpointError: If the weights are missing, damaged or unsafe.
            ConfigError: If no teacher is named.
        """
        run, given = RunDirectory(out), generator is not None
        if generator is None and config.generator is not None:
            generator = build_generator(family, config, host.resolve_generator)
        place = teacher or config.teacher
        if place is not None:
            weights = TeacherWeights.read(place)
        elif generator is not None:
            weights = TeacherWeights.of(generator, config.generator or "the generator")
        else:
            raise ConfigError(
                "no teacher is named",
                hint=f"add --teacher PATH; `gancompress train {family.name}` makes one",
            )
        known = config.model_copy(update={"teacher_sha256": weights.sha256})
        return cls(run, family, known, host, weights, generator, trust, device, given)

    @classmethod
    def resume(
        cls,
        root: Path,
        host: PluginHost,
        *,
        stage: str,
        needed: tuple[str, ...],
        changes: Mapping[str, Any] | None = None,
        trust: bool = False,
        device: str | None = None,
        growing: bool = False,
    ) -> "Job":
        """Go on with a run from what is in its directory.

        Args:
            root: The run directory.
            host: The plugins.
            stage: The stage that is about to begin.
            needed: Stages that must be done.
            changes: Nested settings that differ from those of the run.
            trust: See `Job`.
            device: See `Job`.
            growing: See `open_run`.

        Raises:
            RunError: If it is no run directory, or an earlier stage is not done.
            ExportError: If the changes name an export target that there is not.
            CheckpointError: If the copy of the teacher in it has been changed.
            PluginError: If the family's plugin is missing.
        """
        run = RunDirectory(root)
        config = override(read_config(run), changes or {})
        if "export" in (changes or {}):
            # Before the run's own target is compared with one that there is not.
            find_target(config.export.target, tuple(host.export_targets().values()))
        require(run, stage, *needed)
        family = host.family(config.family)
        generator = None
        if config.generator is not None:
            generator = build_generator(family, config, host.resolve_generator)
        teacher = own_teacher(run, config)
        return cls(run, family, config, host, teacher, generator, trust, device, growing=growing)

    @contextmanager
    def open(
        self,
        stages: Sequence[str],
        emit: Emit = discard,
        *,
        later: Sequence[str] = (),
        again: bool = False,
    ) -> Iterator[Project | None]:
        """Hold the run directory for this process, once all that its stages need is at hand.

        What would stop a stage is found before anything is written: see `preflight`. A copy of
        the teacher is kept in the run, so that later verbs need no other folder.

        Args:
            stages: The stages of this call, in order.
            emit: Receives events.
            later: Stages of later calls, which are checked too.
            again: Whether stages that are done are done once more.

        Yields:
            What the stages work on; None where all of them are done, and not even the data are
            opened.

        Raises:
            RunError: If another process holds the directory, or its configuration differs.
            GancompressError: If a stage could not be done; see `preflight`.
        """
        team = Team.join()
        todo = team.share(tuple(stages) if again else self._pending(stages))
        made: list[Project] = []

        def check() -> None:
            if todo and team.leads:
                made.append(self._prepare(todo, later, emit))
                team.share(made[0].choice)
            elif todo:
                # What is downloaded is there by now, and layers are not measured twice.
                made.append(self._prepare(todo, later, emit, team.share(None)))

        with open_run(self.run, self.config, check, growing=self.growing):
            if team.leads:
                keep_teacher(self.run, self.teacher)
                for project in made:
                    keep_choice(self.run, project.choice)
                    keep_architecture(self.run, project)
            yield next(iter(made), None)

    def _pending(self, stages: Sequence[str]) -> tuple[str, ...]:
        todo = pending(self.run, stages)
        if "evaluate" in {*stages} - {*todo} and not is_evaluated(self.run, self.config):
            return (*todo, "evaluate")
        return todo

    def _prepare(
        self,
        stages: Sequence[str],
        later: Sequence[str],
        emit: Emit,
        choice: Choice | None = None,
    ) -> Project:
        host, targets = self.host, tuple(self.host.export_targets().values())
        metrics = configure_metrics(host.metrics(), self.config.metrics, trust=self.trust)
        losses = host.distill_losses()
        check_parts(
            self.config,
            targets,
            metrics,
            stages,
            later,
            losses=losses,
            device=self.device,
            emit=emit,
        )
        project = prepare(
            self.family,
            self.config,
            self.teacher,
            host.op_rules(),
            passes=host.passes(),
            targets=targets,
            metrics=metrics,
            losses=losses,
            generator=self.generator,
            choice=choice or known_choice(self.run, self.config),
            device=self.device,
            fitted=not self.run.stage_done("distill"),
            emit=emit,
        )
        rehearse(project, (*stages, *later))
        return replace(project, origin=self._origin())

    def _origin(self) -> Origin:
        host, found = self.host, self.host.discovered
        objects: dict[str, Any] = {"generator": self.generator} if self.given else {}
        if found is None:
            offers = {"rules": host.op_rules(), "passes": host.passes(), "metrics": host.metrics()}
            return Origin(
                self.teacher, None, (), self.trust, {**objects, **offers, "family": self.family}
            )
        known = host.families().get(self.family.name)
        if type(known) is not type(self.family):
            objects["family"] = self.family
        return Origin(self.teacher, *found, self.trust, objects)


def own_teacher(run: RunDirectory, config: RunConfig) -> TeacherWeights:
    """Read the copy of the teacher that a run keeps.

    Args:
        run: The run directory.
        config: Its configuration.

    Raises:
        CheckpointError: If the copy is missing, damaged or changed.
    """
    folder = run.path("teacher")
    hint = f"remove '{folder}' and give the command that began the run again: it puts the copy back"
    try:
        teacher = TeacherWeights.read(folder)
    except CheckpointError as error:
        raise CheckpointError(error.message, hint=hint) from None
    if config.teacher_sha256 not in {None, teacher.sha256}:
        raise CheckpointError(
            f"'{folder}' is not the teacher that '{run.root}' was begun with", hint=hint
        )
    return teacher
