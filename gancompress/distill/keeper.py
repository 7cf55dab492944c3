"""What a training goes on from: its checkpoints, and the last good one in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gancompress.distill.alarm import Alarm, Diverged
from gancompress.distill.average import STATISTICS
from gancompress.distill.learner import Learner
from gancompress.distill.meter import Meter
from gancompress.distill.snapshot import restore, snapshot
from gancompress.events import Emit, Notice
from gancompress.store import Checkpoint, load_latest_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Kept:
    """A training at one step.

    Args:
        step: Steps taken.
        tensors: Weights and moments by name, as `snapshot` gives them; those of other processes
            that differ begin with ``process/INDEX/``.
        state: Everything else, as JSON values.
    """

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


class Keeper:
    """Keeps checkpoints of a learner, and puts it back to one.

    Args:
        learner: What is trained.
        alarm: Its memory belongs to a checkpoint.
        meter: So does what it has added up.
        folder: Where checkpoints are kept; None keeps them in memory alone.
    """

    def __init__(self, learner: Learner, alarm: Alarm, meter: Meter, folder: Path | None) -> None:
        self.learner, self.alarm, self.meter, self.folder = learner, alarm, meter, folder
        self.good = Kept(0, {}, {})
        """The last checkpoint, in memory."""

    def begin(self, emit: Emit, stage: str) -> int:
        """Go on from the newest checkpoint that is whole, or begin with process 0's weights.

        Args:
            emit: Told of checkpoints that are damaged.
            stage: Name for events.

        Returns:
            Steps taken so far.

        Raises:
            CheckpointError: If all are damaged, or they are of another architecture.
        """
        learner = self.learner
        team = learner.team
        found: Checkpoint | None = None
        if self.folder is not None and team.leads:
            found = load_latest_checkpoint(self.folder)
        step, state = team.share((0, {}) if found is None else (found.step, found.state))
        if team.count == 1 and found is None:
            self.good = Kept(0, self._tensors(), self._state())
            return 0
        # Only process 0 knows whether there is a checkpoint, so nothing is gathered here.
        tensors = self._snapshot() if found is None else found.tensors
        self.good = Kept(step, self._own(team.spread(tensors, learner.device)), state)
        self._restore()
        for sentence in () if found is None else found.skipped:
            emit(Notice(stage, sentence))
        before = state.get("processes", team.count)
        if before != team.count:
            text = f"begun by {before} process(es), it goes on with {team.count}"
            emit(Notice(stage, f"{text}: the losses differ from here on by what is rounded"))
        return step

    def keep(self, step: int) -> None:
        """Write a checkpoint.

        Args:
            step: Steps taken.

        Raises:
            Diverged: If a weight is not finite; the last checkpoint stays.
            StorageError: If it cannot be written.
        """
        tensors = self._tensors()
        broken = _first_broken(tensors)
        if broken is not None:
            raise Diverged(f"'{broken}' of stage '{self.alarm.stage}' is not finite at step {step}")
        self.good = Kept(step, tensors, self._state())
        self._write()

    @property
    def is_sound(self) -> bool:
        """Whether the last checkpoint can be gone on from: weights may be broken from the start."""
        return _first_broken(self.good.tensors) is None

    def go_back(self, rate: float) -> int:
        """Put everything back to the last checkpoint, with lower learning rates from then on.

        The checkpoint is written anew with the rates, so that a resumed run has them too.

        Args:
            rate: What the learning rates are multiplied by.

        Returns:
            Steps taken by then.
        """
        self._restore()
        self.learner.factor *= rate
        self.good = Kept(self.good.step, self.good.tensors, self._state())
        self._write()
        return self.good.step

    def _write(self) -> None:
        if self.folder is not None and self.learner.team.leads:
            save_checkpoint(self.folder, self.good.step, self.good.tensors, dict(self.good.state))

    def _tensors(self) -> dict[str, Tensor]:
        """Collect what training changes, on the CPU, and where processes differ that of each."""
        learner = self.learner
        tensors = self._snapshot()
        if learner.team.count > 1:
            for name in self._buffers():
                for index, theirs in enumerate(learner.team.gather(tensors[name])):
                    if index and learner.team.leads and not torch.equal(theirs, tensors[name]):
                        tensors[f"process/{index}/{name}"] = theirs
        return {name: tensor.cpu() for name, tensor in tensors.items()}

    def _snapshot(self) -> dict[str, Tensor]:
        return snapshot(self.learner.modules, self._optimisers())

    def _optimisers(self) -> dict[str, Optimizer]:
        return {name: turn.optimiser for name, turn in self.learner.turns.items()}

    def _buffers(self) -> list[str]:
        """Name the buffers that are not averaged over the processes, such as picture histories."""
        return [
            f"module/{key}/{name}"
            for key, module in self.learner.modules.items()
            for name in module.state_dict()
            if name in dict(module.named_buffers()) and not name.endswith(STATISTICS)
        ]

    def _own(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take what belongs to this process in place of what is process 0's."""
        prefix = f"process/{self.learner.team.index}/"
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        return {name: tensor.cpu() for name, tensor in {**tensors, **own}.items()}

    def _state(self) -> dict[str, Any]:
        return {
            "metrics": dict(self.meter.last),
            "meter": self.meter.state,
            "alarm": self.alarm.state,
            "factor": self.learner.factor,
            "scalers": {name: turn.state for name, turn in self.learner.turns.items()},
            "processes": self.learner.team.count,
        }

    def _restore(self) -> None:
        learner, state = self.learner, self.good.state
        restore(self.good.tensors, learner.modules, self._optimisers())
        for name, values in state.get("scalers", {}).items():
            if name in learner.turns:
                learner.turns[name].state = values
        self.alarm.state = state.get("alarm", [])
        self.meter.state = state.get("meter", {"last": state.get("metrics", {})})
        learner.factor = state.get("factor", 1.0)


def _first_broken(tensors: Mapping[str, Tensor]) -> str | None:
    """Name the first tensor that is not finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return name
    return None
