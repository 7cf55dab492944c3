"""The record of a search in Optuna's storage, so that it can go on where it stopped."""

import json
import random
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import RunError, StorageError
from gancompress.search.evolution import Positions
from gancompress.search.result import Trial

_STUDY: Final = "gancompress"
_PLAN: Final = "plan"
_TRIAL: Final = "trial"


class GivenSampler(BaseSampler):
    """Samples what somebody else has decided.

    Args:
        values: The value of every parameter.
    """

    def __init__(self, values: Mapping[str, int]) -> None:
        self._values = dict(values)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Leave every parameter to `sample_independent`."""
        del study, trial
        return {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Sample nothing together."""
        del study, trial, search_space
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Give the decided value of one parameter."""
        del study, trial, param_distribution
        return self._values[param_name]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's log and its notes about experimental parts, inside the block only."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


class Journal:
    """What has been asked and told, in memory or in a SQLite file.

    Every question is answered by a sampler that is made anew from the seed and the number of
    answers so far, so an interrupted search goes on exactly as it would have gone.

    Args:
        study: The Optuna study.
        sizes: Number of positions by group.
    """

    def __init__(self, study: optuna.Study, sizes: Mapping[str, int]) -> None:
        self._study = study
        self._space: dict[str, BaseDistribution] = {
            key: IntDistribution(0, size - 1) for key, size in sizes.items()
        }
        self._open: optuna.Trial | None = None
        # A question that was never answered belongs to a process that died; it is asked again.
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        self.asked = len(done)
        self.trials = [_read(trial.user_attrs[_TRIAL]) for trial in done if _is_new(trial)]
        self.repeats = next((i for i, trial in enumerate(reversed(done)) if _is_new(trial)), 0)

    @classmethod
    @contextmanager
    def opened(
        cls, storage: Path | None, plan: Mapping[str, Any], sizes: Mapping[str, int]
    ) -> Iterator["Journal"]:
        """Open a record, or begin one.

        Args:
            storage: SQLite file; None keeps the record in memory.
            plan: What must be the same for a search to go on: space, budget, sampler and seed.
            sizes: Number of positions by group.

        Yields:
            The record.

        Raises:
            RunError: If the file is no record, or was begun with another plan.
            StorageError: If it cannot be written, then or later; what was told stays.
        """
        backend, close = _backend(storage)
        try:
            with _storage_errors(storage):
                with quiet():
                    study = optuna.create_study(
                        storage=backend,
                        study_name=_STUDY,
                        direction="minimize",
                        load_if_exists=True,
                    )
                _check_plan(study, plan, storage)
                yield cls(study, sizes)
        finally:
            close()

    def ask(self, sampler: BaseSampler) -> Positions:
        """Ask a sampler for the next subnet.

        Args:
            sampler: Any of Optuna's.

        Returns:
            One position per group.
        """
        with quiet():
            self._study.sampler = sampler
            self._open = self._study.ask(fixed_distributions=self._space)
        return tuple(int(self._open.params[key]) for key in self._space)

    def tell(self, trial: Trial, *, new: bool) -> None:
        """Answer the last question.

        Args:
            trial: The subnet that the asked one became, with its score.
            new: Whether it was scored now; False for one that was known before.
        """
        assert self._open is not None, "tell() follows ask()"  # noqa: S101 - our own order of calls
        with quiet():
            if new:
                self._open.set_user_attr(_TRIAL, _write(trial))
            self._study.tell(self._open, trial.score)
        self._open = None
        self.asked += 1
        self.repeats = 0 if new else self.repeats + 1
        if new:
            self.trials.append(trial)

    def give_up(self) -> None:
        """Leave the last question without an answer: it counts as never asked."""
        assert self._open is not None, "give_up() follows ask()"  # noqa: S101
        with quiet():
            self._study.tell(self._open, state=TrialState.FAIL)
        self._open = None


def derived_seed(seed: int, asked: int) -> int:
    """Mix the seed of a search with the number of a question.

    Args:
        seed: Seed of the search.
        asked: Questions answered so far.

    Returns:
        32 bits.
    """
    return random.Random(f"{seed}/{asked}").getrandbits(32)  # noqa: S311 - not for cryptography


def _is_new(trial: optuna.trial.FrozenTrial) -> bool:
    return _TRIAL in trial.user_attrs


def _backend(storage: Path | None) -> tuple[optuna.storages.BaseStorage, Any]:
    if storage is None:
        return optuna.storages.InMemoryStorage(), lambda: None
    try:
        storage.parent.mkdir(parents=True, exist_ok=True)
        with quiet():
            backend = optuna.storages.RDBStorage(
                # Not by hand: a path may hold what means something in an address.
                URL.create("sqlite", database=str(storage.absolute())).render_as_string(),
                engine_kwargs={"connect_args": {"timeout": 60}},
            )
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        if isinstance(_innermost(error), sqlite3.OperationalError):
            raise _cannot_write(storage, error) from error
        raise RunError(
            f"'{storage}' is no record of a search: {str(error).splitlines()[0]}",
            hint="move the file away, or give another one",
        ) from error

    def close() -> None:
        backend.remove_session()
        backend.engine.dispose()

    return backend, close


@contextmanager
def _storage_errors(storage: Path | None) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise _cannot_write(storage, error) from error


def _cannot_write(storage: Path | None, error: Exception) -> StorageError:
    if storage is not None and not storage.exists():
        return StorageError(
            f"'{storage}' was removed while the search went on",
            hint="start the same command again: it searches anew",
        )
    return StorageError(
        f"'{storage}' cannot be written: {_innermost(error)}",
        hint="make room and start the same command again: scored subnets are kept",
    )


def _innermost(error: BaseException) -> BaseException:
    # Optuna wraps SQLAlchemy's error, which wraps SQLite's: the last one says what happened.
    return error if error.__cause__ is None else _innermost(error.__cause__)


def _check_plan(study: optuna.Study, plan: Mapping[str, Any], storage: Path | None) -> None:
    # JSON on both sides, so that tuples and lists, which a file cannot tell apart, are equal.
    now = json.loads(json.dumps(dict(plan)))
    before = study.user_attrs.get(_PLAN)
    if before is None:
        with quiet():
            study.set_user_attr(_PLAN, now)
        return
    different = _first_difference(before, now)
    if different is not None:
        raise RunError(
            f"'{storage}' belongs to a search with another '{different}'",
            hint="give the same one as before, or another file",
        )


def _first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    keys: Sequence[str] = list(dict.fromkeys([*now, *before]))
    return next((key for key in keys if before.get(key) != now.get(key)), None)


def _write(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "widths": dict(trial.config.widths),
        "cost": asdict(trial.cost),
        # Infinity is no JSON, so the score travels as text that gives the same number back.
        "score": repr(trial.score),
    }


def _read(value: Mapping[str, Any]) -> Trial:
    return Trial(
        number=value["number"],
        config=SubnetConfig(value["widths"]),
        cost=Cost(**value["cost"]),
        score=float(value["score"]),
    )
