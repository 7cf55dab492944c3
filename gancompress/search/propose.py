"""What a generation proposes: new subnets within the budget, from the seed and what is known."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from gancompress.search.candidates import Candidates
from gancompress.search.evolution import Evolution, Positions
from gancompress.search.journal import Proposal
from gancompress.search.samplers import BATCHES, Generations, SamplerName, draws

# So many known subnets in a row mean that the space, or what the budget leaves of it, is used up.
_PATIENCE: Final = 100
# After so many, a sampler that has settled gives way to chance.
_SETTLED: Final = 20


class Proposer:
    """Proposes whole generations, whose size depends on nothing but the settings.

    Args:
        candidates: The space.
        sampler: Name of the sampler.
        seed: Seed of the search.
        evolution: Settings of the evolution.
        first: Subnets to propose after the first two.
        importance: Of each group's units, for one more that is pruned by it.
        batch: Subnets of a generation; None takes the sampler's own number.
    """

    def __init__(
        self,
        candidates: Candidates,
        sampler: SamplerName,
        *,
        seed: int,
        evolution: Evolution,
        first: Sequence[Positions] = (),
        importance: Mapping[str, Sequence[float]] | None = None,
        batch: int | None = None,
    ) -> None:
        self._candidates = candidates
        self._sampler = sampler
        self._seed = seed
        self._evolution = evolution
        self._first = first
        self._importance = importance
        self.batch = batch or BATCHES[sampler]

    def propose(self, generations: Generations) -> list[Proposal]:
        """Propose the next generation.

        Args:
            generations: What earlier ones were.

        Returns:
            Subnets that none of them had, with what they cost; fewer than the batch, or none,
            where no new ones turn up.
        """
        candidates = self._candidates
        known = {at for each in generations for at, _ in each}
        new: dict[Positions, None] = {}
        if not generations:
            new.update(dict.fromkeys(self._given()))
        source = draws(
            self._sampler,
            candidates,
            generations,
            self._seed,
            batch=self.batch,
            evolution=self._evolution,
        )
        repeats = 0
        while len(new) < self.batch and repeats < _PATIENCE and self._has_more(known, new):
            drawn = source.draw(min(1.0, repeats / _SETTLED))
            if drawn is None:
                break
            positions = candidates.fit(drawn)
            repeats += 1
            if positions not in known and positions not in new:
                repeats = 0
                new[positions] = None
                source.take(positions)
        return [(positions, candidates.cost(positions)) for positions in new]

    def _given(self) -> list[Positions]:
        """Return the widest uniform subnet that fits, the same filled up, and the seeds."""
        candidates = self._candidates
        uniform = candidates.fit(candidates.widest)
        given = [uniform, candidates.fill(uniform)]
        if self._importance is not None:
            given.append(candidates.fill(candidates.keep_importance(self._importance)))
        return [*given, *map(candidates.fit, self._first)]

    def _has_more(self, known: set[Positions], new: dict[Positions, None]) -> bool:
        return len(known) + len(new) < math.prod(self._candidates.sizes)
