"""The search loop: propose, narrow to the budget, score, remember."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias, get_args

from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from torch import nn

from gancompress.cost import Budget, Cost
from gancompress.elastic import SearchSpace, SubnetConfig
from gancompress.errors import ConfigError, SubnetError
from gancompress.events import Emit, Notice, StageFinished, StageProgress, StageStarted, discard
from gancompress.search.candidates import Candidates
from gancompress.search.evolution import Evolution, Positions
from gancompress.search.journal import GivenSampler, Journal, derived_seed, quiet
from gancompress.search.result import SearchResult, Trial

Sampler: TypeAlias = Literal["evolution", "random", "tpe"]

_STAGE: Final = "search"
# So many known subnets in a row mean that the space, or what the budget leaves of it, is used up.
_PATIENCE: Final = 100
# After so many, a sampler that has settled gives way to chance.
_SETTLED: Final = 20
# Children over the budget are drawn again before one is narrowed: narrowing all groups alike
# loses what a child has of its parents, and drawing without end is how a search hangs.
_REDRAWS: Final = 8


class Searchable(Protocol):
    """What the search needs of a supernet."""

    space: SearchSpace

    def materialise(self, config: SubnetConfig) -> nn.Module:
        """Give the subnet as a plain network."""
        ...


def search(
    supernet: Searchable,
    *,
    budget: Budget,
    score: Callable[[nn.Module], float],
    cost: Callable[[nn.Module], Cost],
    trials: int = 40,
    sampler: Sampler = "evolution",
    seed: int = 0,
    storage: Path | None = None,
    evolution: Evolution = Evolution(),  # noqa: B008 - frozen
    seeds: Sequence[SubnetConfig] = (),
    emit: Emit = discard,
) -> SearchResult:
    """Look for the subnet with the lowest score within a budget.

    The first two subnets are the widest that fit: all groups narrowed alike, and the same with
    the rest of the budget filled up. What a sampler proposes is narrowed until it fits, so every
    trial counts. The same seed gives the same result, whether or not it was interrupted.

    Args:
        supernet: Gives the space and the subnets.
        budget: Limits in numbers (`Budget.resolve` turns ``8x`` into one).
        score: Scores a subnet in eval mode, lower is better; called once a subnet, after its cost.
        cost: Measures a subnet, such as ``lambda net: measure_cost(net, inputs)``.
        trials: Subnets to score, those of an earlier run included.
        sampler: ``evolution``, ``random``, or ``tpe`` (Optuna's tree-structured Parzen estimator).
        seed: Seed of all proposals.
        storage: SQLite file that keeps every trial and from which a search goes on.
        evolution: Settings of the ``evolution`` sampler.
        seeds: Subnets of the space to score after the first two, as `gancompress.sensitivity.seeds`
            predicts them; those over the budget are narrowed.
        emit: Takes `StageStarted`, one `StageProgress` a trial, `Notice` and `StageFinished`.

    Returns:
        Every trial, the Pareto front of MACs and score, and the best trial. Fewer trials than
        asked for where the budget leaves fewer subnets; a `Notice` says so.

    Raises:
        BudgetError: If not even the smallest subnet meets the budget.
        ConfigError: If the sampler is unknown, there are no trials, or the budget is relative.
        SubnetError: If a seed is not in the space.
        RunError: If the storage belongs to another search.
    """
    _check(trials, sampler)
    started = time.monotonic()
    candidates = Candidates(
        supernet.space.choices, budget, lambda config: cost(supernet.materialise(config))
    )
    candidates.check_budget()
    plan = {
        "space": supernet.space.choices,
        "budget": asdict(budget),
        "sampler": sampler,
        "seed": seed,
        "evolution": asdict(evolution),
        # Left out where there are none: a search of an earlier release goes on.
        **({"seeds": [dict(config.widths) for config in seeds]} if seeds else {}),
    }
    given = _positions(candidates, seeds)
    sizes = dict(zip(candidates.keys, candidates.sizes, strict=True))
    with Journal.opened(storage, plan, sizes) as journal:
        emit(StageStarted(_STAGE, total=trials, done=min(len(journal.trials), trials)))
        proposer = _Proposer(candidates, sampler, seed, evolution, given)

        def rate(config: SubnetConfig) -> float:
            return _finite(float(score(supernet.materialise(config).eval())), config, emit)

        for trial in _missing(journal, candidates, proposer, rate, trials):
            metrics = {"score": trial.score, "macs": float(trial.cost.macs)}
            emit(StageProgress(_STAGE, step=len(journal.trials), metrics=metrics))
        if len(journal.trials) < trials:
            count = len(journal.trials)
            emit(Notice(_STAGE, f"the budget leaves no more than {count} different subnets"))
        found = SearchResult.of(journal.trials[:trials])
    emit(StageFinished(_STAGE, seconds=time.monotonic() - started))
    return found


def _check(trials: int, sampler: str) -> None:
    if sampler not in get_args(Sampler):
        raise ConfigError(
            f"'{sampler}' is no sampler", hint=f"choose among {', '.join(get_args(Sampler))}"
        )
    if trials < 1:
        raise ConfigError(f"'trials={trials}' cannot be used", hint="ask for at least one")


def _positions(candidates: Candidates, seeds: Sequence[SubnetConfig]) -> list[Positions]:
    try:
        return [candidates.positions(config) for config in seeds]
    except (KeyError, ValueError) as error:
        raise SubnetError(
            f"a seed of the search is not in its space: {error}",
            hint="give every group of the space one of its widths",
        ) from None


def _missing(
    journal: Journal,
    candidates: Candidates,
    proposer: "_Proposer",
    rate: Callable[[SubnetConfig], float],
    trials: int,
) -> Iterator[Trial]:
    """Score subnets until there are enough, or no new ones turn up."""
    known = {candidates.positions(trial.config): trial for trial in journal.trials}
    while len(journal.trials) < trials:
        if journal.repeats >= _PATIENCE or len(known) == math.prod(candidates.sizes):
            return
        positions = candidates.fit(journal.ask(proposer.sampler(journal)))
        if positions in known:
            journal.tell(known[positions], new=False)
            continue
        config = candidates.config(positions)
        try:
            value = rate(config)
        except Exception:
            journal.give_up()
            raise
        known[positions] = Trial(len(known), config, candidates.cost(positions), value)
        journal.tell(known[positions], new=True)
        yield known[positions]


def _finite(value: float, config: SubnetConfig, emit: Emit) -> float:
    if math.isfinite(value):
        return value
    emit(Notice(_STAGE, f"the score of '{config.to_json()}' is {value}, it counts as the worst"))
    return math.inf


class _Proposer:
    """Makes the sampler of the next question from the seed and what is known.

    Args:
        candidates: The space.
        kind: Name of the sampler.
        seed: Seed of the search.
        evolution: Settings of the evolution.
        given: Subnets to propose after the first two.
    """

    def __init__(
        self,
        candidates: Candidates,
        kind: Sampler,
        seed: int,
        evolution: Evolution,
        given: Sequence[Positions] = (),
    ) -> None:
        self._first = given
        self._candidates = candidates
        self._kind = kind
        self._seed = seed
        self._evolution = evolution

    def sampler(self, journal: Journal) -> BaseSampler:
        """Make it.

        Args:
            journal: What has been asked and told.

        Returns:
            A sampler that depends on nothing else.
        """
        candidates, seed = self._candidates, derived_seed(self._seed, journal.asked)
        if journal.asked == 0:
            return self._given(candidates.fit(candidates.widest))
        if journal.asked == 1:
            return self._given(candidates.fill(candidates.fit(candidates.widest)))
        if journal.asked - 2 < len(self._first):
            return self._given(candidates.fit(self._first[journal.asked - 2]))
        if self._kind == "evolution":
            return self._given(self._child(journal, seed))
        with quiet():
            if self._kind == "random" or journal.repeats >= _SETTLED:
                return RandomSampler(seed=seed)
            return TPESampler(seed=seed)

    def _child(self, journal: Journal, seed: int) -> Positions:
        scored = [(t.score, self._candidates.positions(t.config)) for t in journal.trials]
        rng = random.Random(seed)  # noqa: S311 - not for cryptography
        restless = min(1.0, journal.repeats / _SETTLED)
        for _ in range(_REDRAWS):
            child = self._evolution.propose(
                scored, self._candidates.sizes, rng, restlessness=restless
            )
            if self._candidates.admits(child):
                break
        return child

    def _given(self, positions: Positions) -> BaseSampler:
        return GivenSampler(dict(zip(self._candidates.keys, positions, strict=True)))
