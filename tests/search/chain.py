"""A chain of layers whose scores and costs are known by formula."""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from gancompress.cost import Budget, Cost
from gancompress.elastic import SearchSpace, SubnetConfig
from gancompress.search import SearchResult, search

CHOICES = {f"layer.{i}": (8, 16, 24, 32, 48, 64) for i in range(6)}


class Net(nn.Module):
    def __init__(self, config: SubnetConfig) -> None:
        super().__init__()
        self.widths = tuple(config.widths.values())


class Chain:
    """Costs what a chain of layers costs; layers 1 and 4 matter most for the score."""

    def __init__(self, choices: Mapping[str, tuple[int, ...]] = CHOICES) -> None:
        self.space = SearchSpace(choices)
        self.scored: list[tuple[int, ...]] = []

    def materialise(self, config: SubnetConfig) -> Net:
        return Net(config)

    @staticmethod
    def cost(net: nn.Module) -> Cost:
        assert isinstance(net, Net)
        ends = (3, *net.widths, 3)
        return Cost(sum(a * b for a, b in itertools.pairwise(ends)), 0, sum(net.widths))

    def score(self, net: nn.Module) -> float:
        assert isinstance(net, Net)
        assert not net.training
        self.scored.append(net.widths)
        weights = (1, 9, 1, 1, 9, 1)
        return sum(w / width for w, width in zip(weights, net.widths, strict=False))

    def search(self, **options: Any) -> SearchResult:
        options = {"budget": Budget(macs=4000), "score": self.score, "trials": 30, **options}
        return search(self, cost=self.cost, **options)


def fail(net: nn.Module) -> float:
    raise RuntimeError("the scorer broke")


def dying_at(number: int, chain: Chain, seconds: float = 0.0) -> Callable[[nn.Module], float]:
    """Make a scorer that takes its time, and kills its process when it has scored some."""

    def score(net: nn.Module) -> float:
        if len(chain.scored) == number:
            os._exit(9)
        time.sleep(seconds)
        return chain.score(net)

    return score


def start(storage: Path | str, **options: Any) -> None:
    """Be one of several processes; print what this one has scored, and what was found."""
    chain = Chain()
    score = dying_at(options.pop("die_at", -1), chain, options.pop("seconds", 0.0))
    found = chain.search(storage=storage, score=score, **options)
    trials = [[*trial.config.widths.values(), trial.score] for trial in found.trials]
    print(json.dumps({"scored": chain.scored, "trials": trials}))  # noqa: T201 - read by a test


if __name__ == "__main__":
    place = sys.argv[1]
    start(place if "://" in place else Path(place), **json.loads(sys.argv[2]))
