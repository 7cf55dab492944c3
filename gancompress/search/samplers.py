"""The samplers: what each proposes after some generations, as a function of nothing else."""

import itertools
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from gancompress.search.candidates import Candidates
from gancompress.search.evolution import Evolution, Positions
from gancompress.search.result import Trial
from gancompress.search.storage import quiet

SamplerName: TypeAlias = Literal["evolution", "exhaustive", "gp", "nsga2", "random", "tpe"]
Generations: TypeAlias = Sequence[Sequence[tuple[Positions, Trial]]]

# Subnets of a generation. The models of tpe and gp gain by every score; chance gains by none.
BATCHES: Final[dict[str, int]] = {
    "evolution": 8,
    "exhaustive": 64,
    "gp": 4,
    "nsga2": 16,
    "random": 16,
    "tpe": 4,
}
# Children over the budget are drawn again before one is narrowed: narrowing all groups alike
# loses what a child has of its parents, and drawing without end is how a search hangs.
_REDRAWS: Final = 8


class Draws(ABC):
    """Draws subnets for one generation, one after the other.

    Args:
        candidates: The space.
        generations: What earlier generations were, in the order of proposal.
        seed: Seed of this generation.
    """

    def __init__(self, candidates: Candidates, generations: Generations, seed: int) -> None:
        self._candidates = candidates
        self._generations = generations
        self._seed = seed
        self._rng = random.Random(seed)  # noqa: S311 - not for cryptography

    @abstractmethod
    def draw(self, restlessness: float) -> Positions | None:
        """Draw a subnet.

        Args:
            restlessness: In [0, 1]: how many of the last ones were known.

        Returns:
            Positions, within the budget or not; None where there are no more.
        """

    def take(self, positions: Positions) -> None:  # noqa: B027 - most have no use for it
        """Hear which subnet the last one drawn became, as it is new.

        Args:
            positions: Within the budget.
        """


class Evolving(Draws):
    """Mutants and crossings; see `Evolution`.

    Args:
        candidates: The space.
        generations: What earlier generations were.
        seed: Seed of this generation.
        evolution: The settings.
    """

    def __init__(
        self, candidates: Candidates, generations: Generations, seed: int, evolution: Evolution
    ) -> None:
        super().__init__(candidates, generations, seed)
        self._evolution = evolution
        self._scored = [(trial.score, at) for each in generations for at, trial in each]

    def draw(self, restlessness: float) -> Positions:
        """Draw a child, again while it is over the budget; see `Draws.draw`."""
        for _ in range(_REDRAWS):
            child = self._evolution.propose(
                self._scored, self._candidates.sizes, self._rng, restlessness=restlessness
            )
            if self._candidates.may_admit(child):
                break
        return child


class Exhaustive(Draws):
    """Every subnet that is within the budget, in an order that the seed of the search decides.

    Args:
        candidates: The space.
        generations: What earlier generations were.
        seed: Seed of the search, which is the same for every generation.
    """

    def __init__(self, candidates: Candidates, generations: Generations, seed: int) -> None:
        super().__init__(candidates, generations, seed)
        self._left = self._unknown()

    def draw(self, restlessness: float) -> Positions | None:
        """Draw the next one; see `Draws.draw`."""
        del restlessness
        return next(self._left, None)

    def _unknown(self) -> Iterator[Positions]:
        known = {at for each in self._generations for at, _ in each}
        every = list(itertools.product(*map(range, self._candidates.sizes)))
        self._rng.shuffle(every)
        return (at for at in every if at not in known and self._candidates.admits(at))


class FromOptuna(Draws):
    """One of Optuna's samplers, asked in a study that is made anew from what is known.

    A subnet that was narrowed to the budget is told as what it became.

    Args:
        candidates: The space.
        generations: What earlier generations were.
        seed: Seed of this generation.
        make: Makes the sampler from a seed.
        objectives: 1 for the score, 2 for score and MACs.
        lies: Whether a subnet of this generation, which has no score yet, is told with the worst
            one, so that the next one is looked for elsewhere (constant liar, Ginsbourger et al.,
            2010).
    """

    def __init__(
        self,
        candidates: Candidates,
        generations: Generations,
        seed: int,
        make: Callable[[int], BaseSampler],
        *,
        objectives: int = 1,
        lies: bool = False,
    ) -> None:
        super().__init__(candidates, generations, seed)
        self._objectives, self._lies = objectives, lies
        self._space: dict[str, BaseDistribution] = {
            key: IntDistribution(0, size - 1)
            for key, size in zip(candidates.keys, candidates.sizes, strict=True)
        }
        finite = [t.score for each in generations for _, t in each if t.score < float("inf")]
        self._worst = max(finite, default=0.0)
        with quiet():
            self._study = optuna.create_study(
                directions=["minimize"] * objectives, sampler=make(seed)
            )
        marks = self._marks()
        for number, each in enumerate(generations):
            for at, trial in each:
                self._add(at, trial, dict.fromkeys(marks, number))

    def draw(self, restlessness: float) -> Positions:
        """Ask the sampler, and chance once it has settled; see `Draws.draw`."""
        if restlessness >= 1:
            return tuple(self._rng.randrange(size) for size in self._candidates.sizes)
        with quiet():
            asked = self._study.ask(fixed_distributions=self._space)
            self._study.tell(asked, state=TrialState.FAIL)
        return tuple(asked.params[key] for key in self._space)

    def take(self, positions: Positions) -> None:
        """Lie about its score where that is asked for; see `Draws.take`."""
        if self._lies and any(self._generations):
            self._add(positions, None, {})

    def _marks(self) -> tuple[str, ...]:
        """Return what the sampler calls the number of a generation; nothing where it has none."""
        with quiet():
            asked = self._study.ask(fixed_distributions=self._space)
            self._study.tell(asked, state=TrialState.FAIL)
        first = self._study.get_trials(deepcopy=False)[0]
        return tuple(name for name in first.system_attrs if name.endswith(":generation"))

    def _add(self, positions: Positions, trial: Trial | None, attributes: dict[str, Any]) -> None:
        score = self._worst if trial is None else min(trial.score, self._worst)
        macs = float(self._candidates.cost(positions).macs if trial is None else trial.cost.macs)
        with quiet():
            self._study.add_trial(
                create_trial(
                    values=[score, macs][: self._objectives],
                    params=dict(zip(self._space, positions, strict=True)),
                    distributions=self._space,
                    system_attrs=attributes,
                )
            )


def draws(
    name: SamplerName,
    candidates: Candidates,
    generations: Generations,
    seed: int,
    *,
    batch: int,
    evolution: Evolution,
) -> Draws:
    """Make what draws the subnets of the next generation.

    Args:
        name: The sampler.
        candidates: The space.
        generations: What earlier generations were.
        seed: Seed of the search.
        batch: Subnets of a generation.
        evolution: Settings of the evolution.
    """
    if name == "exhaustive":
        return Exhaustive(candidates, generations, seed)
    own = derived_seed(seed, len(generations))
    if name == "evolution":
        return Evolving(candidates, generations, own, evolution)
    made: dict[str, Callable[[int], BaseSampler]] = {
        "gp": lambda value: GPSampler(seed=value),
        "random": lambda value: RandomSampler(seed=value),
        "nsga2": lambda value: NSGAIISampler(population_size=batch, seed=value),
        "tpe": lambda value: TPESampler(seed=value, multivariate=True),
    }
    return FromOptuna(
        candidates,
        generations,
        own,
        made[name],
        objectives=objectives(name),
        lies=name in {"gp", "tpe"},
    )


def objectives(name: SamplerName) -> int:
    """Return how many values a sampler makes small: the score, or the score and the MACs.

    Args:
        name: The sampler.
    """
    return 2 if name == "nsga2" else 1


def derived_seed(seed: int, generation: int) -> int:
    """Mix the seed of a search with the number of a generation.

    Args:
        seed: Seed of the search.
        generation: Counted from 0.

    Returns:
        32 bits.
    """
    mixed = random.Random(f"{seed}/{generation}")  # noqa: S311 - not for cryptography
    return mixed.getrandbits(32)
