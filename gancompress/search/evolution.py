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

    The numbers are GAN Compression's. There whole generations of 100 breed, and the first hundred
    subnets are random; here generations are small, the best of all that are scored so far breed,
    and the second generation does already, which needs far fewer scored subnets.

    Args:
        population: The best so many subnets are looked at, or all while they are fewer.
        parent_ratio: Share of them that may have children, in (0, 1]; at least two may.
        mutation_probability: Chance that a mutant's group takes a new width, in (0, 1].
        mutation_share: Share of children that are mutants; the rest are crossings; in [0, 1].

    Raises:
        ConfigError: If a value is out of its range.
    """

    population: int = 100
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
        """Propose a subnet.

        Args:
            scored: Score (lower is better) and positions of every subnet so far; none at all gives
                a random one.
            sizes: Number of widths of each group.
            rng: The only source of chance.
            restlessness: In [0, 1]: how far the chance of a mutation is raised to 1, where
                children have been repeating what is known.

        Returns:
            Positions, within a budget or not.
        """
        if not scored:
            return tuple(rng.randrange(size) for size in sizes)
        count = max(2, round(self.parent_ratio * min(self.population, len(scored))))
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
