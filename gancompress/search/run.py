"""The search loop: propose a generation, have it scored by whoever has time, remember."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final, get_args

from torch import nn

from gancompress.cost import Budget, Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import ConfigError, SubnetError
from gancompress.events import Emit, Notice, StageFinished, StageProgress, StageStarted, discard
from gancompress.search.candidates import Candidates
from gancompress.search.evaluator import Evaluator, LocalEvaluator, Searchable
from gancompress.search.evolution import Evolution, Positions
from gancompress.search.journal import Journal, Proposal
from gancompress.search.propose import Proposer
from gancompress.search.result import SearchResult, Trial
from gancompress.search.samplers import SamplerName, objectives
from gancompress.search.storage import Storage

_STAGE: Final = "search"
# The whole space is written down and shuffled, so it has to fit into the memory.
_LARGEST_SPACE: Final = 1_000_000


def search(
    supernet: Searchable,
    *,
    budget: Budget,
    cost: Callable[[nn.Module], Cost],
    score: Callable[[nn.Module], float] | None = None,
    evaluator: Evaluator | None = None,
    latency: Callable[[nn.Module], float] | None = None,
    estimate: Callable[[SubnetConfig], float] | None = None,
    trials: int = 40,
    sampler: SamplerName = "evolution",
    batch: int | None = None,
    seed: int = 0,
    storage: Storage = None,
    identity: Mapping[str, str] | None = None,
    evolution: Evolution = Evolution(),  # noqa: B008 - frozen
    seeds: Sequence[SubnetConfig] = (),
    importance: Mapping[str, Sequence[float]] | None = None,
    emit: Emit = discard,
) -> SearchResult:
    """Look for the subnet with the lowest score within a budget.

    Subnets are proposed in generations, each of which follows from the seed and the scores of the
    ones before. So the result is the same whether or not the search was interrupted, and whoever
    scored them in whatever order. The first two subnets are the widest that fit: all groups
    narrowed alike, and the same with the rest of the budget filled up. What a sampler proposes is
    narrowed until it fits, so every trial counts.

    Several processes that are given one storage share the work, and all return the same.

    Args:
        supernet: Gives the space and the subnets.
        budget: Limits in numbers (`Budget.resolve` turns ``8x`` into one).
        cost: Measures a subnet, such as ``lambda net: measure_cost(net, inputs)``.
        score: Scores a subnet in eval mode, lower is better; called once a subnet, after its cost.
        evaluator: Scores subnets in place of `score`, such as on several machines.
        latency: Milliseconds of a subnet in eval mode, called once a subnet; needed where the
            budget limits them.
        estimate: MACs of a subnet, predicted in no time; those that it is right about are measured
            less often, and no other ones are trusted to it.
        trials: Subnets to score, those of an earlier run included.
        sampler: ``evolution``, ``random``, ``exhaustive`` (every subnet), or Optuna's ``tpe``
            (tree-structured Parzen estimator), ``gp`` (Gaussian process) or ``nsga2`` (for the
            whole front of score and MACs).
        batch: Subnets of a generation; None takes the sampler's own number.
        seed: Seed of all proposals.
        storage: SQLite file, or address of a database, that keeps every score and from which a
            search goes on.
        identity: What else must be the same for a search to go on, such as a digest of the
            supernet's weights.
        evolution: Settings of the ``evolution`` sampler.
        seeds: Subnets of the space to score after the first two, as `gancompress.sensitivity.seeds`
            predicts them; those over the budget are narrowed.
        importance: Of each group's units in their order, such as the norm of their weights: one
            subnet that keeps the same share of it in every group is scored early.
        emit: Takes `StageStarted`, one `StageProgress` a trial, `Notice` and `StageFinished`.

    Returns:
        Every trial, the Pareto front of MACs and score, and the best trial. Fewer trials than
        asked for where the budget leaves fewer subnets; a `Notice` says so.

    Raises:
        BudgetError: If not even the smallest subnet meets the budget.
        ConfigError: If the sampler is unknown, there are no trials, the budget is relative, or
            there is not one of `score` and `evaluator`.
        SubnetError: If a seed is not in the space.
        RunError: If the storage belongs to another search.
        StorageError: If the storage cannot be written.
    """
    scorer = _scorer(supernet, score, evaluator)
    _check(trials, sampler, batch, supernet)
    started = time.monotonic()
    candidates = Candidates(
        supernet.space.choices,
        budget,
        lambda config: cost(supernet.materialise(config)),
        None if latency is None else lambda config: latency(supernet.materialise(config).eval()),
        estimate,
    )
    candidates.check_budget()
    given = _positions(candidates, seeds)
    proposer = Proposer(
        candidates,
        sampler,
        seed=seed,
        evolution=evolution,
        first=given,
        importance=importance,
        batch=batch,
    )
    plan = {
        "space": supernet.space.choices,
        "budget": asdict(budget),
        "sampler": sampler,
        "batch": proposer.batch,
        "seed": seed,
        "evolution": asdict(evolution),
        "seeds": [dict(config.widths) for config in seeds],
        **(identity or {}),
    }
    sizes = dict(zip(candidates.keys, candidates.sizes, strict=True))
    with Journal.opened(storage, plan, sizes, objectives=objectives(sampler)) as journal:
        emit(StageStarted(_STAGE, total=trials, done=min(len(journal.scored()), trials)))
        found = _Search(candidates, proposer, scorer, journal, emit=emit).run(trials)
        if len(found) < trials:
            emit(Notice(_STAGE, f"the budget leaves no more than {len(found)} different subnets"))
    emit(StageFinished(_STAGE, seconds=time.monotonic() - started))
    return SearchResult.of(found)


class _Search:
    """One process's part in a search.

    Args:
        candidates: The space.
        proposer: Makes generations.
        evaluator: Scores what this process takes.
        journal: What all processes know.
        emit: Receives events.
    """

    def __init__(
        self,
        candidates: Candidates,
        proposer: Proposer,
        evaluator: Evaluator,
        journal: Journal,
        *,
        emit: Emit,
    ) -> None:
        self._candidates = candidates
        self._proposer = proposer
        self._evaluator = evaluator
        self._journal = journal
        self._emit = emit
        workers = getattr(evaluator, "workers", 1)
        # More than one each, as workers would wait for the slowest one otherwise.
        self._share = 1 if workers == 1 else 4 * workers
        self._scored = journal.scored()

    def run(self, trials: int) -> tuple[Trial, ...]:
        """Go through generations until there are enough trials, or no new ones turn up."""
        generations: list[list[tuple[Positions, Trial]]] = []
        count = 0
        while count < trials:
            proposed = self._journal.generation(
                len(generations), lambda: self._proposer.propose(generations)
            )
            if not proposed:
                break
            for positions, cost in proposed:
                self._candidates.know(positions, cost)
            wanted = proposed[: trials - count]
            self._score(wanted, count)
            generations.append([(at, self._scored[at]) for at, _ in wanted])
            count += len(wanted)
        return tuple(trial for each in generations for _, trial in each)

    def _score(self, proposed: Sequence[Proposal], first: int) -> None:
        """See to it that every subnet of a generation has a score."""
        numbers = {positions: first + i for i, (positions, _) in enumerate(proposed)}
        costs = dict(proposed)
        while missing := [at for at in numbers if at not in self._scored]:
            claims = self._claim(missing)
            try:
                for at, score in self._scores(list(claims)):
                    config = self._candidates.config(at)
                    value = _finite(score, config, self._emit)
                    trial = Trial(numbers[at], config, costs[at], value)
                    self._journal.tell(claims[at], at, trial)
                    self._know({at: trial})
            finally:
                # After an interruption, so that another process need not wait for this one.
                self._journal.release(list(claims.values()))
            if not claims:
                self._journal.wait()
            self._know(self._journal.scored())

    def _claim(self, missing: Sequence[Positions]) -> dict[Positions, int]:
        claims: dict[Positions, int] = {}
        for at in missing:
            claim = self._journal.claim(at)
            if claim is not None:
                claims[at] = claim
            if len(claims) == self._share:
                break
        return claims

    def _scores(self, subnets: Sequence[Positions]) -> Iterator[tuple[Positions, float]]:
        configs = [self._candidates.config(at) for at in subnets]
        for index, score in self._evaluator.evaluate(configs) if configs else ():
            yield subnets[index], score

    def _know(self, trials: Mapping[Positions, Trial]) -> None:
        for at, trial in trials.items():
            if at not in self._scored:
                self._scored[at] = trial
                metrics = {"score": trial.score, "macs": float(trial.cost.macs)}
                self._emit(StageProgress(_STAGE, step=len(self._scored), metrics=metrics))


def _scorer(
    supernet: Searchable,
    score: Callable[[nn.Module], float] | None,
    evaluator: Evaluator | None,
) -> Evaluator:
    if score is not None and evaluator is None:
        return LocalEvaluator(supernet, score)
    if evaluator is None or score is not None:
        raise ConfigError(
            "a search needs either 'score' or 'evaluator'", hint="give one of the two"
        )
    return evaluator


def _check(trials: int, sampler: str, batch: int | None, supernet: Searchable) -> None:
    if sampler not in get_args(SamplerName):
        raise ConfigError(
            f"'{sampler}' is no sampler", hint=f"choose among {', '.join(get_args(SamplerName))}"
        )
    for name, value in (("trials", trials), ("batch", batch)):
        if value is not None and value < 1:
            raise ConfigError(f"'{name}={value}' cannot be used", hint="ask for at least one")
    if sampler == "exhaustive" and supernet.space.size > _LARGEST_SPACE:
        raise ConfigError(
            f"the sampler 'exhaustive' cannot go through {supernet.space.size:,} subnets",
            hint="take another sampler, or a space with fewer widths",
        )


def _positions(candidates: Candidates, seeds: Sequence[SubnetConfig]) -> list[Positions]:
    try:
        return [candidates.positions(config) for config in seeds]
    except (KeyError, ValueError) as error:
        raise SubnetError(
            f"a seed of the search is not in its space: {error}",
            hint="give every group of the space one of its widths",
        ) from None


def _finite(value: float, config: SubnetConfig, emit: Emit) -> float:
    if math.isfinite(value):
        return value
    emit(Notice(_STAGE, f"the score of '{config.to_json()}' is {value}, it counts as the worst"))
    return math.inf
