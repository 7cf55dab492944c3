"""Many workers for a run's search: each makes the project again, and scores what it is sent."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from torch import nn

from gancompress.compress.checkpoint import TeacherWeights, load_into
from gancompress.compress.choice import Choice
from gancompress.compress.generator import build_generator
from gancompress.compress.metrics import configure_metrics
from gancompress.compress.prepare import Project, prepare
from gancompress.compress.scoring import subnet_score
from gancompress.config import RunConfig, parse
from gancompress.errors import ConfigError
from gancompress.events import Emit, discard
from gancompress.plugins import PluginHost
from gancompress.search import Evaluator, LocalEvaluator
from gancompress.search.cluster import check_cluster, check_ray
from gancompress.search.recipe import Scorer, ScorerRecipe
from gancompress.search.workers import check_numbers, many_workers
from gancompress.store.weights import decode_tensors, encode_tensors

_FACTORY: Final = f"{__name__}:make_scorer"
_SOURCE: Final = "the run's configuration"


@dataclass(frozen=True)
class Workers:
    """Who scores the subnets of a search; the result is the same for any number.

    Args:
        count: Worker processes; None takes as many as there are processors.
        address: ``HOST:PORT`` of a Ray cluster that this machine belongs to, or ``auto``; None
            starts workers on this machine.
        threads: Threads of PyTorch in each. They decide the last digits of a score.
    """

    count: int | None = None
    address: str | None = None
    threads: int = 1

    def check(self) -> None:
        """Refuse what cannot be, before any work.

        Raises:
            ConfigError: If a number is below 1, or no cluster answers at the address.
            MissingExtraError: If Ray is not installed.
        """
        check_numbers(self.count, self.threads)
        check_ray()
        if self.address is not None:
            check_cluster(self.address)


@contextmanager
def scorers(
    project: Project,
    score: Callable[[nn.Module], float],
    workers: Workers | None = None,
    *,
    emit: Emit = discard,
) -> Iterator[Evaluator]:
    """Give what scores subnets: this process, or many, for the length of a block.

    Args:
        project: Its supernet has the distilled weights.
        score: Scores a subnet in this process.
        workers: Who scores instead.
        emit: Receives notices.

    Yields:
        The evaluator.

    Raises:
        ConfigError: If the workers cannot be employed so, or cannot make the project again.
        MissingExtraError: If Ray is not installed.
    """
    if workers is None:
        yield LocalEvaluator(project.supernet, score)
        return
    with many_workers(
        scorer_recipe(project),
        workers=workers.count,
        address=workers.address,
        threads=workers.threads,
        emit=emit,
    ) as evaluator:
        yield evaluator


def scorer_recipe(project: Project) -> ScorerRecipe:
    """Say how another process makes what scores this project's subnets.

    Args:
        project: Its supernet has the distilled weights; it was made by a `Job`.

    Raises:
        ConfigError: If it was made by hand.
    """
    origin = project.origin
    if origin is None:
        raise ConfigError(
            "workers cannot make a project again that was prepared by hand",
            hint="begin the run with a Job, or search without workers",
        )
    settings = {
        "config": project.config.model_dump(mode="json"),
        "teacher": origin.teacher.source,
        "trust": origin.trust,
        "choice": None if project.choice is None else asdict(project.choice),
        "plugins": None if origin.plugins is None else [*map(str, origin.plugins)],
        "blocked": list(origin.blocked),
        "device": project.device,
    }
    weights = {"teacher": origin.teacher.generator, "supernet": project.supernet.state_dict()}
    tensors = {name: encode_tensors(state) for name, state in weights.items()}
    return ScorerRecipe(_FACTORY, settings, tensors, origin.objects)


def make_scorer(recipe: ScorerRecipe) -> Scorer:
    """Make a project again, and what scores its subnets.

    Args:
        recipe: What `scorer_recipe` gave.

    Returns:
        A function from a subnet to its score, the same as in the process that made the recipe.

    Raises:
        GancompressError: What preparing a project raises, such as where the data are not there.
    """
    project = _again(recipe)
    project.supernet.eval()
    load_into(project.supernet, _tensors(recipe, "supernet"), "the distilled supernet")
    score, _ = subnet_score(project)
    local = LocalEvaluator(project.supernet, score)
    return lambda config: next(value for _, value in local.evaluate([config]))


def _again(recipe: ScorerRecipe) -> Project:
    settings, objects = recipe.settings, recipe.objects
    config: RunConfig = parse(RunConfig, settings["config"], source=_SOURCE)
    host = PluginHost()
    if settings["plugins"] is not None:
        host = PluginHost.discover(map(Path, settings["plugins"]), settings["blocked"])
    family = objects.get("family") or host.family(config.family)
    generator = objects.get("generator")
    if generator is None and config.generator is not None:
        generator = build_generator(family, config, host.resolve_generator)
    offered = objects.get("metrics", host.metrics())
    return prepare(
        family,
        config,
        TeacherWeights(_tensors(recipe, "teacher"), None, settings["teacher"]),
        objects.get("rules", host.op_rules()),
        passes=objects.get("passes", host.passes()),
        metrics=configure_metrics(offered, config.metrics, trust=settings["trust"]),
        generator=generator,
        choice=_CHOICE.validate_python(settings["choice"]),
        device=settings["device"],
        fitted=False,
    )


def _tensors(recipe: ScorerRecipe, name: str) -> Mapping[str, Any]:
    return decode_tensors(recipe.tensors[name], source=Path(name))


_CHOICE: Final = TypeAdapter(Choice | None)
