"""Many workers: the same scores as one process, whatever happens to them on the way."""

import json
import pickle
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import scoring
import torch

from gancompress.elastic import SubnetConfig
from gancompress.errors import (
    ConfigError,
    DataError,
    GancompressError,
    MissingExtraError,
    RunError,
)
from gancompress.events import Notice, RunEvent
from gancompress.search.cluster import _explained, _WithoutRay, joined
from gancompress.search.recipe import ScorerRecipe
from gancompress.search.workers import (
    RayEvaluator,
    Worker,
    _check_version,
    _release,
    many_workers,
)
from gancompress.store.weights import encode_tensors

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its processes to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess \\d+ is still running:ResourceWarning"),
]
WEIGHTS = encode_tensors({"w": torch.tensor(scoring.WEIGHTS, dtype=torch.float64)})
CONFIGS = [
    SubnetConfig({f"layer.{i}": 8 * (1 + (k + i * i) % 6) for i in range(5)} | {"layer.5": 8 + k})
    for k in range(8)
]
SUMS = [sum(config.widths.values()) for config in CONFIGS]


class Crew:
    """Two workers on two nodes, and what goes wrong for them."""

    def __init__(self, cluster: Any, node: Any, folder: Path, ray: Any) -> None:
        self.cluster, self.node, self.folder, self.ray = cluster, node, folder, ray
        self.events: list[RunEvent] = []
        self.plan()
        self.evaluator = self.employ(2, attempts=2)

    def plan(self, **plan: Any) -> None:
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def recipe(self, **settings: Any) -> ScorerRecipe:
        return recipe(folder=str(self.folder), **settings)

    def employ(self, workers: int, **options: Any) -> RayEvaluator:
        made = self.recipe()
        return RayEvaluator(self.ray, made, workers=workers, emit=self.events.append, **options)

    def score(self, configs: Sequence[SubnetConfig] = CONFIGS) -> dict[int, float]:
        scored = list(self.evaluator.evaluate(configs))
        assert len(scored) == len(configs)
        return dict(scored)

    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]


def recipe(**settings: Any) -> ScorerRecipe:
    return ScorerRecipe("scoring:make", settings, {"weights": WEIGHTS})


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """A cluster of two nodes on the loopback address, with room for one worker each."""
    # A socket's path may have a hundred characters.
    short = tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)
    with pytest.MonkeyPatch.context() as patch, short as folder:
        for name, value in {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        }.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        Path("/tmp/ray").mkdir(exist_ok=True)  # noqa: S108 - where it writes the address down

        small = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
        head = {**small, "temp_dir": str(folder)}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        node = cluster.add_node(**small)
        cluster.wait_for_nodes()
        with joined(cluster.address) as ray:
            crew = Crew(cluster, node, tmp_path_factory.mktemp("crew"), ray)
            yield crew
            crew.evaluator.close()
        # A cluster that was joined is left alone.
        assert cluster.head_node.any_processes_alive()
        cluster.shutdown()


@pytest.fixture
def expected(crew: Crew) -> dict[int, float]:
    crew.plan()
    score = crew.recipe().make()
    return {index: score(config) for index, config in enumerate(CONFIGS)}


def test_the_scores_are_those_of_one_process(crew: Crew, expected: dict[int, float]) -> None:
    assert crew.evaluator.workers == 2
    assert crew.score() == expected
    # The same workers score what comes next.
    assert crew.score(CONFIGS[:3]) == {index: expected[index] for index in range(3)}
    assert crew.score([]) == {}


def test_a_call_that_is_broken_off_leaves_nothing_to_the_next(
    crew: Crew, expected: dict[int, float]
) -> None:
    crew.plan(pause=0.2)
    next(crew.evaluator.evaluate(CONFIGS))
    assert crew.score(CONFIGS[4:6]) == {0: expected[4], 1: expected[5]}


def test_what_a_scorer_raises_is_raised_as_it_is_here(
    crew: Crew, expected: dict[int, float]
) -> None:
    crew.plan(raises=SUMS[1], bug=SUMS[4])
    with pytest.raises(DataError) as caught:
        crew.score(CONFIGS[1:2])
    assert caught.value.message == f"no score for '{SUMS[1]}'"
    assert caught.value.hint == "take another"
    with pytest.raises(ZeroDivisionError, match=f"a bug at {SUMS[4]}") as bug:
        crew.score(CONFIGS[4:])
    assert "tests/scoring.py" in str(bug.value.__cause__)  # where in the worker it was
    # The workers are there for what comes next, and nobody has tried again.
    assert crew.score(CONFIGS[2:4]) == {0: expected[2], 1: expected[3]}


def test_an_error_that_needs_two_words_survives_the_way() -> None:
    error = MissingExtraError("torchmetrics", "similarity")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), again.extra) == (str(error), "similarity")


def test_a_program_that_is_connected_goes_on_with_its_connection(crew: Crew) -> None:
    with many_workers(crew.recipe(), address=crew.cluster.address) as evaluator:
        assert evaluator.workers == 2  # as many as the cluster has processors
    crew.events.clear()
    with many_workers(crew.recipe(), workers=200, emit=crew.events.append) as evaluator:
        assert evaluator.workers == 200
    assert "200 workers of 1 threads share" in crew.notices()[0]
    assert crew.ray.is_initialized()


@pytest.mark.parametrize("numbers", [{"workers": 0}, {"threads": 0}])
def test_numbers_below_one_are_refused(numbers: dict[str, int]) -> None:
    refused = pytest.raises(ConfigError, match="=0' cannot be used")
    with refused, many_workers(recipe(), **numbers):  # type: ignore[arg-type]
        pass


def test_a_node_with_another_release_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a node of the cluster has release '0\.0\.9'"):
        _check_version("0.0.9")


def test_what_rays_listener_prints_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    with redirect_stdout(_WithoutRay(sys.stdout)):
        for name in ("ray_listen_error_messages", "other"):
            thread = threading.Thread(target=print, args=(name,), name=name)
            thread.start()
            thread.join()
        sys.stdout.flush()
    assert capsys.readouterr().out == "other\n"


def test_without_room_for_a_worker_the_search_says_how_it_goes_on(crew: Crew) -> None:
    evaluator = crew.employ(1, threads=64, patience=1.0)
    with pytest.raises(RunError) as caught:
        list(evaluator.evaluate(CONFIGS))
    evaluator.close()
    assert "no worker is left" in caught.value.message
    assert "the same command again: the search goes on" in caught.value.hint


def test_what_ray_cannot_send_is_refused(crew: Crew) -> None:
    made = ScorerRecipe("scoring:make", objects={"lock": threading.Lock()})
    with pytest.raises(ConfigError, match="what scores subnets cannot be sent to workers"):
        RayEvaluator(crew.ray, made, workers=1)


def test_workers_and_a_node_that_die_in_mid_trial_cost_their_trials_alone(
    crew: Crew, expected: dict[int, float]
) -> None:
    crew.events.clear()
    crew.plan(kills=SUMS[3])
    assert crew.score() == expected
    assert (crew.folder / "x").exists()
    (notice,) = crew.notices()
    assert "a worker ended and its subnet is scored again" in notice

    # One that ends every worker is given up.
    crew.plan(always_kills=SUMS[2])
    with pytest.raises(RunError) as caught:
        crew.score(CONFIGS[2:3])
    assert f"'{CONFIGS[2].to_json()}' ended 2 workers" in caught.value.message
    assert "scored subnets are kept" in caught.value.hint

    crew.plan()
    while any(hand.asked for hand in crew.evaluator._hands):  # until both are at work again
        assert crew.score() == expected
    crew.plan(pause=0.4)
    crew.events.clear()
    scored = {}
    for index, score in crew.evaluator.evaluate(CONFIGS):
        if not scored:
            crew.cluster.remove_node(crew.node, allow_graceful=False)
        scored[index] = score
    assert scored == expected
    assert len(crew.notices()) == 1

    crew.evaluator.close()
    ending = RayEvaluator(crew.ray, crew.recipe(ends=True), workers=1, attempts=1)
    with pytest.raises(RunError, match="workers end before they score a subnet"):
        list(ending.evaluate(CONFIGS))
    ending.close()


def test_a_worker_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # put back afterwards
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "plan.json").write_text("{}")
    folder = tmp_path / "folder"
    folder.mkdir()
    worker = Worker(torch.get_num_threads(), str(folder), (sys.path[0], "/elsewhere"))
    assert (Path.cwd(), sys.path[-1]) == (folder, "/elsewhere")
    assert worker.version() == _release()
    made = recipe(folder=str(tmp_path))
    worker.prepare(made)
    assert worker.score(CONFIGS[0]) == made.make()(CONFIGS[0])
    # Of another machine, which has no such folder.
    Worker(torch.get_num_threads(), str(tmp_path / "none"), ())
    assert Path.cwd() == folder


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("local", RunError, "Ray cannot be started on this machine: no room"),
        ("10.0.0.1:6379", ConfigError, "the Ray cluster at '10.0.0.1:6379' cannot be joined: no"),
    ],
)
def test_what_ray_says_is_told_in_one_sentence(
    address: str, kind: type[GancompressError], words: str
) -> None:
    told = _explained(address, RuntimeError("no room\nand a story"))
    assert isinstance(told, kind)
    assert told.message.startswith(words)
    assert "story" not in told.message
