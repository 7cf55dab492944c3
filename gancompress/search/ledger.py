"""Work that several processes share: each piece is claimed, and done, by one of them."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from gancompress.search.storage import quiet

BEAT: Final = 5.0
DEAD_AFTER: Final = 60.0

_KEY: Final = "key"
_OWNER: Final = "owner"
_PULSE: Final = "pulse"


class Ledger:
    """Pieces of work by key, each a trial of one Optuna study.

    Whoever wants a piece adds a running trial of its key; where two do so at once, the one whose
    trial has the lower number has it, as a storage numbers trials one after the other. While a
    process works, it changes a value of its trials every few seconds. A claim whose value stands
    still, or whose process is gone from this machine, is taken over.

    Args:
        storage: Optuna's storage.
        name: Name of the study; it is made where it does not exist.
        objectives: Values of a piece.
        beat: Seconds between two signs of life.
        dead_after: Seconds without one after which a claim may be taken over.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        objectives: int = 1,
        *,
        beat: float = BEAT,
        dead_after: float = DEAD_AFTER,
    ) -> None:
        self._storage = storage
        with quiet():
            self.study = optuna.create_study(
                storage=storage,
                study_name=name,
                directions=["minimize"] * objectives,
                load_if_exists=True,
            )
        self._number = storage.get_study_id_from_name(name)
        self._beat, self._dead_after = beat, dead_after
        self._held: dict[int, str] = {}
        self._pulses: dict[int, tuple[Any, float]] = {}

    def done(self) -> dict[str, FrozenTrial]:
        """Return the pieces that are done, by key, in the order in which they were claimed."""
        finished = [t for t in self._trials() if t.state == TrialState.COMPLETE]
        return {trial.user_attrs[_KEY]: trial for trial in reversed(finished)}

    def claim(
        self,
        key: str,
        params: Mapping[str, int] | None = None,
        distributions: Mapping[str, BaseDistribution] | None = None,
    ) -> int | None:
        """Try to get a piece of work.

        Args:
            key: The piece.
            params: What a reader of the study sees of it.
            distributions: What those are out of.

        Returns:
            The claim, for `finish` or `release`; None where the piece is another's, or done.
        """
        if any(self._stands(trial) for trial in self._trials() if trial.user_attrs[_KEY] == key):
            return None
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(params or {}),
            distributions=dict(distributions or {}),
            user_attrs={_KEY: key, _OWNER: _this_process()},
        )
        claim = self._storage.create_new_trial(self._number, template_trial=template)
        number = self._storage.get_trial(claim).number
        rivals = [t for t in self._trials() if t.user_attrs[_KEY] == key and t.number < number]
        if any(self._stands(trial) for trial in rivals):
            self._fail(claim)
            return None
        self._held[claim] = key
        return claim

    def finish(self, claim: int, values: Sequence[float], attributes: Mapping[str, Any]) -> None:
        """Write down what a piece came to; nothing where it has been taken over meanwhile.

        Args:
            claim: What `claim` returned.
            values: The values.
            attributes: More to keep, as JSON values.
        """
        # Optuna's error of a trial that another process has given up.
        with suppress(RuntimeError):
            for name, value in attributes.items():
                self._storage.set_trial_user_attr(claim, name, value)
            self._storage.set_trial_state_values(claim, TrialState.COMPLETE, values)
        self._held.pop(claim, None)

    def release(self, claims: Sequence[int]) -> None:
        """Give pieces back; those that are finished stay so.

        Args:
            claims: What `claim` returned.
        """
        for claim in claims:
            if self._held.pop(claim, None) is not None:
                self._fail(claim)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Give signs of life for everything that is held, from a thread, inside the block."""
        over = threading.Event()
        thread = threading.Thread(target=self._give_signs, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _give_signs(self, over: threading.Event) -> None:
        while not over.wait(self._beat):
            for claim in tuple(self._held):
                try:
                    self._storage.set_trial_user_attr(claim, _PULSE, time.time())
                except Exception:  # noqa: BLE001, S112 - a sign that is lost is followed by others
                    continue

    def _trials(self) -> list[FrozenTrial]:
        # A study may hold trials that somebody else has added.
        every = self.study.get_trials(deepcopy=False)
        return [trial for trial in every if _KEY in trial.user_attrs]

    def _stands(self, trial: FrozenTrial) -> bool:
        """Say whether a trial is done or worked on; one whose process is dead is given up."""
        if trial.state != TrialState.RUNNING:
            return trial.state == TrialState.COMPLETE
        claim = self._storage.get_trial_id_from_study_id_trial_number(self._number, trial.number)
        now = time.monotonic()
        if claim in self._held:
            return True
        pulse = trial.user_attrs.get(_PULSE)
        before, since = self._pulses.get(claim, (object(), now))
        self._pulses[claim] = (pulse, since if pulse == before else now)
        silent = now - self._pulses[claim][1]
        owner = trial.user_attrs[_OWNER]
        # What this process has claimed and does not hold is what an interrupted search left.
        if silent <= self._dead_after and owner != _this_process() and not _is_gone(owner):
            return True
        self._fail(claim)
        return False

    def _fail(self, claim: int) -> None:
        # Optuna's error of a trial that another process has given up first.
        with suppress(RuntimeError):
            self._storage.set_trial_state_values(claim, TrialState.FAIL)


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "started": _started(pid)}


def _is_gone(owner: Mapping[str, Any]) -> bool:
    """Say whether a process of this machine has ended; of another machine nothing is known."""
    if owner["host"] != socket.gethostname():
        return False
    pid: int = owner["pid"]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's, and alive
    return bool(_started(pid) != owner["started"])


def _started(pid: int) -> str | None:
    """Say when a process began, as the number of a process may come again."""
    try:
        # The name in brackets may hold anything, so what follows it is counted from there.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
