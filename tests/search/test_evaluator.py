"""Who scores, in what order and in how many at once, changes nothing."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from search.chain import Chain, fail

from gancompress.cost import Budget
from gancompress.elastic import SubnetConfig
from gancompress.errors import ConfigError
from gancompress.search import LocalEvaluator, SamplerName

SMALL: dict[str, Any] = {"trials": 13, "batch": 5}


class Shuffled:
    """Scores in another order than it was asked, as workers of unlike speed do."""

    def __init__(self, chain: Chain, workers: int) -> None:
        self.workers = workers
        self.asked: list[int] = []
        self._local = LocalEvaluator(chain, chain.score)

    def evaluate(self, configs: Sequence[SubnetConfig]) -> Iterator[tuple[int, float]]:
        self.asked.append(len(configs))
        order = list(range(len(configs)))
        random.Random(len(configs)).shuffle(order)  # noqa: S311
        for index in order:
            ((_, score),) = self._local.evaluate([configs[index]])
            yield index, score


@pytest.mark.parametrize("sampler", ["evolution", "tpe", "nsga2"])
def test_the_number_of_workers_changes_nothing(sampler: SamplerName) -> None:
    alone = Chain().search(sampler=sampler, **SMALL)
    for workers in (2, 7):
        chain = Chain()
        many = Shuffled(chain, workers)
        assert chain.search(sampler=sampler, score=None, evaluator=many, **SMALL) == alone
        # A generation at a time, whatever the number: the last one is cut to what is missing.
        assert many.asked == [5, 5, 3]


def test_the_size_of_a_generation_is_a_setting() -> None:
    assert Chain().search(**SMALL) != Chain().search(**SMALL | {"batch": 3})
    with pytest.raises(ConfigError, match="'batch=0'"):
        Chain().search(batch=0)


class Dying(Shuffled):
    """Ends with an error after some scores."""

    def evaluate(self, configs: Sequence[SubnetConfig]) -> Iterator[tuple[int, float]]:
        for count, pair in enumerate(super().evaluate(configs)):
            if count == 2:
                raise RuntimeError("the scorer broke")
            yield pair


def test_each_score_is_kept_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    chain = Chain()
    with pytest.raises(RuntimeError, match="the scorer broke"):
        chain.search(score=None, evaluator=Dying(chain, 4), storage=path, **SMALL)
    again = Chain()
    assert again.search(storage=path, **SMALL) == Chain().search(**SMALL)
    assert len(again.scored) == 13 - 2
    assert not set(again.scored) & set(chain.scored[:2])
    assert Chain().search(storage=path, score=fail, **SMALL) == Chain().search(**SMALL)


@pytest.mark.parametrize("given", ["both", "none"])
def test_exactly_one_of_score_and_evaluator_is_needed(given: str) -> None:
    chain = Chain()
    evaluator = Shuffled(chain, 1) if given == "both" else None
    score = chain.score if given == "both" else None
    with pytest.raises(ConfigError, match="either 'score' or 'evaluator'"):
        chain.search(budget=Budget(), score=score, evaluator=evaluator)
