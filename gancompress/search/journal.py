"""The record of a search: its plan, what each generation proposes, and every score."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from optuna.distributions import BaseDistribution, IntDistribution
from optuna.storages import BaseStorage

from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import RunError
from gancompress.search.evolution import Positions
from gancompress.search.ledger import BEAT, DEAD_AFTER, Ledger
from gancompress.search.result import Trial
from gancompress.search.storage import Storage, name_of, opened, quiet

_STUDY: Final = "gancompress"
_PLAN: Final = "plan"
_TRIAL: Final = "trial"
_PROPOSED: Final = "proposed"
# Seconds between two looks at what another process is doing.
_PAUSE: Final = 0.3

# What one subnet of a generation is, and what it costs.
Proposal: TypeAlias = tuple[Positions, Cost]


class Journal:
    """What has been proposed and scored, in memory or in a database that processes share.

    Args:
        storage: Optuna's storage.
        name: Name of the search in it.
        sizes: Number of positions by group.
        objectives: Values of a trial: the score, or the score and the MACs.
        beat: Seconds between two signs of life of a process.
        dead_after: Seconds without one after which its work is taken over.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        sizes: Mapping[str, int],
        objectives: int = 1,
        *,
        beat: float = BEAT,
        dead_after: float = DEAD_AFTER,
    ) -> None:
        self._space: dict[str, BaseDistribution] = {
            key: IntDistribution(0, size - 1) for key, size in sizes.items()
        }
        self._objectives = objectives
        self._subnets = Ledger(storage, name, objectives, beat=beat, dead_after=dead_after)
        self._generations = Ledger(storage, f"{name}/generations", beat=beat, dead_after=dead_after)

    @classmethod
    @contextmanager
    def opened(
        cls, storage: Storage, plan: Mapping[str, Any], sizes: Mapping[str, int], **options: Any
    ) -> Iterator["Journal"]:
        """Open a record, or begin one.

        Args:
            storage: SQLite file, or the address of a database, which may hold other searches too;
                None keeps the record in memory.
            plan: What must be the same for a search to go on: space, budget, sampler and seed.
            sizes: Number of positions by group.
            **options: See `Journal`.

        Yields:
            The record.

        Raises:
            ConfigError: If the address cannot be used.
            RunError: If the file is no record, or was begun with another plan.
            StorageError: If it cannot be written, then or later; what was told stays.
        """
        # JSON on both sides, so that tuples and lists, which a file cannot tell apart, are equal.
        wanted = json.loads(json.dumps(dict(plan)))
        name = f"{_STUDY}/{_digest(wanted)}" if isinstance(storage, str) else _STUDY
        with opened(storage) as backend:
            journal = cls(backend, name, sizes, **options)
            journal.check_plan(wanted, storage)
            with journal._subnets.alive(), journal._generations.alive():
                yield journal

    def check_plan(self, plan: Mapping[str, Any], storage: Storage) -> None:
        """Refuse to go on with another search, or write down what this one is.

        Args:
            plan: JSON values.
            storage: Where it is kept.

        Raises:
            RunError: If the storage belongs to another search.
        """
        before = self._subnets.study.user_attrs.get(_PLAN)
        if before is None:
            with quiet():
                self._subnets.study.set_user_attr(_PLAN, dict(plan))
            return
        keys: Sequence[str] = list(dict.fromkeys([*plan, *before]))
        different = next((key for key in keys if before.get(key) != plan.get(key)), None)
        if different is not None:
            raise RunError(
                f"'{name_of(storage)}' belongs to a search with another '{different}'",
                hint="give the same one as before, or another file",
            )

    def scored(self) -> dict[Positions, Trial]:
        """Return every subnet that is scored, in the order in which they were begun."""
        trials = (_read(done.user_attrs[_TRIAL]) for done in self._subnets.done().values())
        return dict(trials)

    def generation(
        self, number: int, propose: Callable[[], Sequence[Proposal]]
    ) -> tuple[Proposal, ...]:
        """Return what a generation proposes, which one process works out and writes down.

        Args:
            number: Counted from 0.
            propose: Works it out.
        """
        key = str(number)
        while True:
            known = self._generations.done().get(key)
            if known is not None:
                return tuple(
                    (tuple(positions), Cost(**cost))
                    for positions, cost in known.user_attrs[_PROPOSED]
                )
            claim = self._generations.claim(key)
            if claim is None:
                time.sleep(_PAUSE)
                continue
            try:
                proposed = [(list(positions), asdict(cost)) for positions, cost in propose()]
                self._generations.finish(claim, [0.0], {_PROPOSED: proposed})
            finally:
                self._generations.release([claim])

    def claim(self, positions: Positions) -> int | None:
        """Try to get a subnet to score.

        Args:
            positions: The subnet.

        Returns:
            The claim, for `tell` or `release`; None where another process is at it, or it is
            scored.
        """
        params = dict(zip(self._space, positions, strict=True))
        return self._subnets.claim(_key(positions), params, self._space)

    def tell(self, claim: int, positions: Positions, trial: Trial) -> None:
        """Write down a score.

        Args:
            claim: What `claim` returned.
            positions: The subnet.
            trial: The same with its score.
        """
        values = [trial.score, float(trial.cost.macs)][: self._objectives]
        with quiet():
            self._subnets.finish(claim, values, {_TRIAL: _write(positions, trial)})

    def release(self, claims: Sequence[int]) -> None:
        """Give subnets back that have not been scored.

        Args:
            claims: What `claim` returned.
        """
        self._subnets.release(claims)

    def wait(self) -> None:
        """Wait a moment for other processes."""
        time.sleep(_PAUSE)


def _digest(plan: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


def _key(positions: Positions) -> str:
    return "-".join(map(str, positions))


def _write(positions: Positions, trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "positions": list(positions),
        "widths": dict(trial.config.widths),
        "cost": asdict(trial.cost),
        # Infinity is no JSON, so the score travels as text that gives the same number back.
        "score": repr(trial.score),
    }


def _read(value: Mapping[str, Any]) -> tuple[Positions, Trial]:
    trial = Trial(
        number=value["number"],
        config=SubnetConfig(value["widths"]),
        cost=Cost(**value["cost"]),
        score=float(value["score"]),
    )
    return tuple(value["positions"]), trial
