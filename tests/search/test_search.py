"""The search on a space whose scores and costs are known by formula."""

import json
import math
import random
import resource
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from search import chain as chain_module
from search.chain import CHOICES, Chain, Net, fail
from torch import nn

from gancompress.cost import Budget, Cost, measure_cost
from gancompress.elastic import SubnetConfig, Supernet
from gancompress.errors import BudgetError, ConfigError, RunError, StorageError, SubnetError
from gancompress.events import Notice, RunEvent, StageFinished, StageProgress, StageStarted
from gancompress.gan import ResNetGenerator
from gancompress.graph import trace
from gancompress.search import Evolution, SearchResult, Trial, pareto_front, search
from gancompress.search import SamplerName as Sampler

SAMPLERS: tuple[Sampler, ...] = ("evolution", "exhaustive", "gp", "nsga2", "random", "tpe")
# So small a population that a short search breeds.
SMALL = Evolution(population=4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_trial_is_within_the_budget_and_new(sampler: Sampler) -> None:
    chain = Chain()
    count = 14 if sampler == "gp" else 30
    found = chain.search(sampler=sampler, trials=count)
    assert [trial.number for trial in found.trials] == list(range(count))
    assert all(trial.cost.macs <= 4000 for trial in found.trials)
    assert len(set(chain.scored)) == len(chain.scored) == count
    assert found.best.score == min(trial.score for trial in found.trials)


def test_the_first_trial_is_the_widest_uniform_one_that_fits() -> None:
    first, second = Chain().search(trials=2).trials
    assert len(set(first.config.widths.values())) == 1
    width = first.config.widths["layer.0"]
    wider = {key: next(w for w in (*CHOICES[key], 999) if w > width) for key in CHOICES}
    assert Chain.cost(Net(SubnetConfig(wider))).macs > 4000
    # The second one fills up what the first one left.
    assert first.cost.macs < second.cost.macs <= 4000
    assert all(second.config.widths[key] >= width for key in CHOICES)
    # Without a limit it is the widest of all.
    assert Chain().search(trials=1, budget=Budget()).best.config == Chain().space.largest()


def test_evolution_beats_chance() -> None:
    # The mean over seeds, so that one lucky draw decides nothing.
    def mean(sampler: Sampler) -> float:
        runs = [Chain().search(sampler=sampler, seed=seed, trials=80) for seed in range(4)]
        return sum(run.best.score for run in runs) / len(runs)

    assert mean("evolution") < mean("random")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_decides_everything(sampler: Sampler) -> None:
    options: dict[str, Any] = {"sampler": sampler, "trials": 16 if sampler == "gp" else 30}
    random.seed(1)
    once = Chain().search(**options, seed=3)
    random.seed(2)
    assert Chain().search(**options, seed=3) == once
    assert Chain().search(**options, seed=4) != once


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_resumed_search_equals_an_uninterrupted_one(sampler: Sampler, tmp_path: Path) -> None:
    options: dict[str, Any] = {"sampler": sampler, "trials": 14, "evolution": SMALL}
    whole = Chain().search(**options)
    path = tmp_path / "deep" / "search.sqlite"
    Chain().search(**options | {"trials": 6}, storage=path)
    chain = Chain()
    events: list[RunEvent] = []
    resumed = chain.search(**options, storage=path, emit=events.append)
    assert resumed == whole
    assert len(chain.scored) == 8
    assert events[0] == StageStarted("search", total=14, done=6)
    # With nothing left to do nothing is scored, and fewer trials are a prefix.
    assert Chain().search(**options, storage=path, score=fail) == whole
    shorter = Chain().search(**options | {"trials": 7}, storage=path, score=fail)
    assert shorter == SearchResult.of(whole.trials[:7])


def test_a_killed_search_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    options: dict[str, Any] = {"trials": 12, "batch": 4}
    command = [sys.executable, chain_module.__file__, path, json.dumps({"die_at": 8, **options})]
    done = subprocess.run(command, timeout=120, check=False)
    assert done.returncode == 9
    chain = Chain()
    assert chain.search(storage=path, **options) == Chain().search(**options)
    assert len(chain.scored) == 4


def test_a_scorer_that_raises_loses_no_trial(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    options: dict[str, Any] = {"trials": 8, "evolution": SMALL}
    Chain().search(**options | {"trials": 6}, storage=path)
    with pytest.raises(RuntimeError, match="the scorer broke"):
        Chain().search(**options, storage=path, score=fail)
    assert Chain().search(**options, storage=path) == Chain().search(**options)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("seed", 1),
        ("sampler", "random"),
        ("budget", Budget(macs=5000)),
        ("evolution", Evolution(population=4)),
    ],
)
def test_another_search_is_refused(option: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    Chain().search(storage=path, trials=2)
    with pytest.raises(RunError, match=f"another '{option}'"):
        Chain().search(storage=path, trials=2, **{option: value})


def test_seeds_are_scored_after_the_first_two_and_fit_the_budget(tmp_path: Path) -> None:
    narrow, wide = Chain().space.smallest(), Chain().space.largest()
    path = tmp_path / "search.sqlite"

    found = Chain().search(trials=6, seeds=[narrow, wide], storage=path)

    assert found.trials[2].config == narrow
    # The widest one that fits is the first trial already, so it is not scored again.
    assert len({trial.config for trial in found.trials}) == 6
    assert all(trial.cost.macs <= 4000 for trial in found.trials)
    assert Chain().search(trials=6, seeds=[narrow, wide], storage=path, score=fail) == found
    with pytest.raises(RunError, match="another 'seeds'"):
        Chain().search(trials=6, seeds=[narrow], storage=path)
    with pytest.raises(RunError, match="another 'seeds'"):
        Chain().search(trials=6, storage=path)


@pytest.mark.parametrize("widths", [{}, {"layer.0": 7}, {**dict.fromkeys(CHOICES, 5)}])
def test_a_seed_that_is_not_in_the_space_is_refused(widths: dict[str, int]) -> None:
    with pytest.raises(SubnetError, match="a seed of the search is not in its space"):
        Chain().search(seeds=[SubnetConfig(widths)])


def test_another_space_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    Chain().search(storage=path, trials=2)
    with pytest.raises(RunError, match="another 'space'"):
        Chain({**CHOICES, "layer.0": (8, 16)}).search(storage=path, trials=2)


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match="is no record of a search"):
        Chain().search(storage=path)


def test_a_folder_in_the_place_of_the_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be written: unable to open database file"):
        Chain().search(storage=path)


def test_the_record_is_plain_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    Chain().search(storage=path, trials=3)
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "select study_name, count(*) from trials join studies using (study_id) "
        "where state = 'COMPLETE' group by study_name order by study_name"
    ).fetchall()
    connection.close()
    assert rows == [("gancompress", 3), ("gancompress/generations", 1)]


def test_an_infeasible_budget_is_an_error_before_any_score() -> None:
    chain = Chain()
    with pytest.raises(BudgetError, match="smallest one takes 368 MACs and 48 parameters") as info:
        chain.search(budget=Budget(macs=100, params="1k"))
    assert "'macs 100, params 1k'" in info.value.message
    assert chain.scored == []


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_budget_that_leaves_few_subnets_ends(sampler: Sampler) -> None:
    events: list[RunEvent] = []
    chain = Chain()
    # Only the smallest subnet and those with one wider end fit.
    found = chain.search(budget=Budget(macs=460), sampler=sampler, emit=events.append)
    assert 1 <= len(found.trials) < 30
    assert len(set(chain.scored)) == len(chain.scored)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == [f"the budget leaves no more than {len(found.trials)} different subnets"]
    assert isinstance(events[-1], StageFinished)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_searched_whole(sampler: Sampler, tmp_path: Path) -> None:
    chain = Chain({"a": (8, 16), "b": (8, 16, 32), "c": (8,)})
    path = tmp_path / "search.sqlite"
    found = chain.search(sampler=sampler, trials=50, budget=Budget(), storage=path)
    assert len(found.trials) == 6
    assert chain.search(sampler=sampler, trials=50, budget=Budget(), storage=path) == found


def test_a_supernet_without_choices_has_one_subnet() -> None:
    found = Chain({}).search(trials=5, budget=Budget())
    assert [trial.config for trial in found.trials] == [SubnetConfig({})]


def test_a_score_that_is_no_number_counts_as_the_worst(tmp_path: Path) -> None:
    events: list[RunEvent] = []
    values = iter([math.nan, 2.0, math.inf, 1.0])
    path = tmp_path / "search.sqlite"
    found = Chain().search(trials=4, score=lambda _: next(values), emit=events.append, storage=path)
    assert [trial.score for trial in found.trials] == [math.inf, 2.0, math.inf, 1.0]
    assert found.best.number == 3
    assert sum(isinstance(event, Notice) for event in events) == 2
    assert Chain().search(trials=4, storage=path, score=fail) == found


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sampler": "annealing"}, "'annealing' is no sampler"),
        ({"trials": 0}, "'trials=0'"),
        ({"budget": Budget(macs="8x")}, "relative to a teacher"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Chain().search(**options)


@pytest.mark.parametrize(
    "options",
    [{"population": 0}, {"parent_ratio": 0}, {"mutation_share": 2}, {"mutation_probability": 0}],
)
def test_evolution_refuses_nonsense(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        Evolution(**options)


def test_evolution_breeds_from_the_best() -> None:
    good, poor = (0, 0, 0, 0), (3, 3, 3, 3)
    crossing = Evolution(population=8, mutation_share=0.0)
    rng = random.Random(0)  # noqa: S311
    scored = [(1.0, good), (0.5, (1, 1, 1, 1)), *[(9.0, poor)] * 6]
    children = [crossing.propose(scored, (4,) * 4, rng) for _ in range(50)]
    assert all(set(child) <= {0, 1} for child in children)
    assert len(set(children)) > 4
    mutants = Evolution(population=8, mutation_share=1.0, mutation_probability=1e-9)
    for _ in range(50):
        child = mutants.propose(scored, (4,) * 4, rng)
        best = min(sum(a != b for a, b in zip(child, p, strict=True)) for p in (good, (1,) * 4))
        assert best <= 1
    restless = [mutants.propose(scored, (4,) * 4, rng, restlessness=1.0) for _ in range(50)]
    assert any(3 in child and 2 in child for child in restless)


def test_optuna_stays_as_it_was() -> None:
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Chain().search(sampler="tpe", trials=15)
    assert not [warning for warning in caught if "ptuna" in str(warning.category.__module__)]
    assert optuna.logging.get_verbosity() == before


def test_progress_is_told() -> None:
    events: list[RunEvent] = []
    found = Chain().search(trials=3, emit=events.append)
    steps = [event for event in events if isinstance(event, StageProgress)]
    assert [event.step for event in steps] == [1, 2, 3]
    assert steps[2].metrics == {
        "score": found.trials[2].score,
        "macs": float(found.trials[2].cost.macs),
    }


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    trials = [
        Trial(i, SubnetConfig({"a": i + 1}), Cost(macs, 0, 0), float(score))
        for i, (macs, score) in enumerate(points)
    ]
    front = pareto_front(trials)

    def beaten(trial: Trial) -> bool:
        return any(
            (other.cost.macs, other.score) != (trial.cost.macs, trial.score)
            and other.cost.macs <= trial.cost.macs
            and other.score <= trial.score
            for other in trials
        )

    assert {(t.cost.macs, t.score) for t in front} == {
        (t.cost.macs, t.score) for t in trials if not beaten(t)
    }
    assert len({(t.cost.macs, t.score) for t in front}) == len(front)
    assert [t.cost.macs for t in front] == sorted(t.cost.macs for t in front)
    assert SearchResult.of(trials).best in front


@given(limit=st.integers(368, 20000), seed=st.integers(0, 3))
@settings(derandomize=True, max_examples=25, deadline=None)
def test_any_feasible_budget_is_met(limit: int, seed: int) -> None:
    found = Chain().search(budget=Budget(macs=limit), trials=5, seed=seed)
    assert all(trial.cost.macs <= limit for trial in found.trials)


def test_a_real_supernet_is_searched() -> None:
    x = torch.randn(1, 3, 16, 16)
    net = ResNetGenerator(width=16, blocks=1).eval()
    supernet = Supernet(trace(net, (x,)))
    teacher = measure_cost(net, (x,))
    with torch.no_grad():
        wanted = net(x)

    def score(subnet: nn.Module) -> float:
        with torch.no_grad():
            return float((subnet(x) - wanted).abs().mean())

    found = search(
        supernet,
        budget=Budget(macs="3x").resolve(teacher),
        score=score,
        cost=lambda subnet: measure_cost(subnet, (x,)),
        trials=4,
    )
    assert len(found.trials) == 4
    assert all(3 * trial.cost.macs <= teacher.macs for trial in found.trials)
    assert supernet.config == supernet.space.largest()


def test_a_disk_that_fills_up_is_one_sentence_and_the_search_goes_on(tmp_path: Path) -> None:
    storage = tmp_path / "search.sqlite3"
    whole = Chain().search(trials=8)
    chain = Chain()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def score(net: nn.Module) -> float:
        if len(chain.scored) == 4:
            # From here on no file may grow: SQLite meets what it meets on a full disk.
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
        return chain.score(net)

    try:
        with pytest.raises(StorageError, match=r"'.*search\.sqlite3' cannot be written") as caught:
            chain.search(trials=8, storage=storage, score=score)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "start the same command again" in caught.value.hint
    again = Chain()
    assert again.search(trials=8, storage=storage).trials == whole.trials
    assert len(again.scored) < 8


def test_a_disk_that_is_full_from_the_beginning_is_one_sentence(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with pytest.raises(StorageError, match="cannot be written"):
            Chain().search(trials=2, storage=tmp_path / "search.sqlite3")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_path_may_hold_what_means_something_in_an_address(tmp_path: Path) -> None:
    storage = tmp_path / "a?b#c %41 ä" / "search.sqlite3"
    found = Chain().search(trials=3, storage=storage)
    assert storage.is_file()
    assert Chain().search(trials=3, storage=storage).trials == found.trials
