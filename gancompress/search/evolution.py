"""Evolution: mutants and crossings of the best subnets so far."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gancompress.errors import ConfigError

# One position per group: an index into the group's widths, 0 for the narrowest.
Positions: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Evolution:
    """How subnets breed (GAN Compression, arXiv 2003.08936; once-for-all, arXiv 1908.09791).

    The papers breed whole generations of 100; here each child already has the best so far as its
    possible parents, which needs far fewer scored subnets.

    Args:
        population: Random subnets before the first child, and the size that `parent_ratio` is of.
        parent_ratio: Share of the population that may have children, in (0, 1].
        mutation_probability: Chance that a mutant's group takes a new width, in (0, 1].
        mutation_share: Share of children that are mutants; the rest are crossings; in [0, 1].

    Raises:
        ConfigError: If a value is out of its range.
    """

    population: int = 12
    parent_ratio: float = 0.25
    mutation_probability: float = 0.2
    mutation_share: float = 0.5

    def __post_init__(self) -> None:
        shares = 0 < self.parent_ratio <= 1 and 0 <= self.mutation_share <= 1
        if self.population < 1 or not shares or not 0 < self.mutation_probability <= 1:
            raise ConfigError(
                f"'{self}' cannot be used", hint="shares and probabilities lie between 0 and 1"
            )

    def propose(
        self,
        scored: Sequence[tuple[float, Positions]],
        sizes: Sequence[int],
        rng: random.Random,
        *,
        restlessness: float = 0.0,
    ) -> Positions:
        """Propose the next subnet.

        Args:
            scored: Score (lower is better) and positions of every subnet so far.
            sizes: Number of widths of each group.
            rng: The only source of chance.
            restlessness: In [0, 1]: how far the chance of a mutation is raised to 1, where
                children have been repeating what is known.

        Returns:
            Positions, within a budget or not.
        """
        if len(scored) < self.population:
            return tuple(rng.randrange(size) for size in sizes)
        count = max(2, round(self.parent_ratio * self.population))
        parents = [positions for _, positions in sorted(scored)[:count]]
        if rng.random() < self.mutation_share or len(parents) < 2:
            base = self.mutation_probability
            return _mutate(rng.choice(parents), sizes, rng, base + restlessness * (1 - base))
        mother, father = rng.sample(parents, 2)
        return tuple(rng.choice(pair) for pair in zip(mother, father, strict=True))


def _mutate(
    parent: Positions, sizes: Sequence[int], rng: random.Random, probability: float
) -> Positions:
    changed = [rng.random() < probability for _ in sizes]
    if sizes and not any(changed):
        # A mutant that equals its parent would be a wasted trial.
        changed[rng.randrange(len(sizes))] = True
    return tuple(
        rng.randrange(size) if change else position
        for position, size, change in zip(parent, sizes, changed, strict=True)
    )
