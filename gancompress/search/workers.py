"""Subnets scored by many processes, on this machine or on a cluster, by Ray."""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

import torch

from gancompress.elastic import SubnetConfig
from gancompress.errors import ConfigError, RunError
from gancompress.events import Emit, Notice, discard
from gancompress.search.cluster import joined, own_cluster
from gancompress.search.recipe import Scorer, ScorerRecipe

_STAGE: Final = "search"
_ATTEMPTS: Final = 3
# Seconds without any worker before the search gives up: a node may be on its way back.
_PATIENCE: Final = 60.0
_TICK: Final = 1.0


class Worker:
    """Lives in a process of its own: makes the scorer once, and scores one subnet after another.

    Args:
        threads: Threads of PyTorch's operators.
        folder: The employer's current folder.
        paths: Where the employer finds modules. Both count where this machine has them too: the
            same generator by the same reference is then the same here.
    """

    def __init__(self, threads: int, folder: str, paths: Sequence[str]) -> None:
        torch.set_num_threads(threads)
        with suppress(OSError):
            os.chdir(folder)
        sys.path.extend(path for path in paths if path not in sys.path)
        self._scorer: Scorer | None = None

    def version(self) -> str:
        """Say which release of this package the process has imported."""
        return _release()

    def prepare(self, recipe: ScorerRecipe) -> None:
        """Make the scorer.

        Args:
            recipe: How.
        """
        self._scorer = recipe.make()

    def score(self, config: SubnetConfig) -> float:
        """Score a subnet.

        Args:
            config: Its widths.
        """
        assert self._scorer is not None, "score() follows prepare()"  # noqa: S101 - our own order
        return float(self._scorer(config))


@dataclass(eq=False)
class _Hand:
    """A worker as its employer sees it: what it was asked last, and the answer to come."""

    actor: Any
    answer: Any
    asked: Literal["version", "prepare", "score", ""] = "version"
    index: int = -1
    # Whose question it answers: one of an earlier call that was broken off concerns nobody.
    round: object = None


@dataclass(eq=False)
class _Round:
    """The subnets of one call."""

    configs: Sequence[SubnetConfig]
    waiting: deque[int] = field(init=False)
    left: int = field(init=False)
    ended: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.configs)))
        self.left = len(self.configs)


class RayEvaluator:
    """Scores subnets by workers that hold the supernet and the data once each.

    A worker that ends in the middle of a trial, alone or with its node, costs that trial only: it
    is scored again by another, and a new worker takes the place where there is room for it.

    Args:
        ray: The module ``ray``, connected.
        recipe: How a worker makes what scores.
        workers: Workers to employ.
        threads: Threads of each; they decide the last digits of a score, so searches that are
            to be equal have the same.
        attempts: Workers that one subnet may end before it is given up.
        patience: Seconds to wait for a worker where there is none.
        emit: Receives a `Notice` about each worker that ended.
    """

    def __init__(
        self,
        ray: Any,
        recipe: ScorerRecipe,
        *,
        workers: int,
        threads: int = 1,
        attempts: int = _ATTEMPTS,
        patience: float = _PATIENCE,
        emit: Emit = discard,
    ) -> None:
        self.workers = workers
        self._attempts = attempts
        self._ray = ray
        self._patience = patience
        self._emit = emit
        self._class = ray.remote(num_cpus=threads, max_restarts=0, max_task_retries=0)(Worker)
        self._threads = threads
        # Once into the cluster's store, from which the workers of a node share it.
        self._recipe = _sent(ray, recipe)
        self._unprepared = 0
        self._hands = [self._employ() for _ in range(workers)]

    def evaluate(self, configs: Sequence[SubnetConfig]) -> Iterator[tuple[int, float]]:
        """Score subnets; see `gancompress.search.Evaluator.evaluate`.

        Args:
            configs: The subnets.

        Yields:
            Index into the subnets and score, as they come.

        Raises:
            RunError: If no worker is left, or a subnet ended one worker after another.
            Exception: What the scorer raises, as it would in this process.
        """
        current = _Round(configs)
        seen = time.monotonic()
        while current.left:
            self._assign(current)
            hands = {hand.answer: hand for hand in self._hands if hand.asked}
            done, _ = self._ray.wait(list(hands), num_returns=1, timeout=_TICK)
            for answer in done:
                score = self._settle(hands[answer], current)
                if score is not None:
                    current.left -= 1
                    yield score
            if done or any(hand.asked != "version" for hand in self._hands):
                seen = time.monotonic()
            elif time.monotonic() - seen > self._patience:
                raise _nobody(self._patience, self._threads)

    def close(self) -> None:
        """Dismiss every worker, whatever it does."""
        for hand in self._hands:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(hand.actor, no_restart=True)
        self._hands = []
        self._recipe = None

    def _employ(self) -> _Hand:
        actor = self._class.remote(self._threads, str(Path.cwd()), tuple(sys.path))
        return _Hand(actor, actor.version.remote())

    def _assign(self, current: _Round) -> None:
        for hand in self._hands:
            if not hand.asked and current.waiting:
                hand.index = current.waiting.popleft()
                hand.asked, hand.round = "score", current
                hand.answer = hand.actor.score.remote(current.configs[hand.index])

    def _settle(self, hand: _Hand, current: _Round) -> tuple[int, float] | None:
        """Take a worker's answer: a score, or what it does next."""
        try:
            answer = self._ray.get(hand.answer)
        except self._ray.exceptions.RayTaskError as error:
            self._explain(hand, current, error)
            return None
        except self._ray.exceptions.RayError as error:
            self._replace(hand, current, error)
            return None
        asked, hand.asked = hand.asked, ""
        if asked == "version":
            _check_version(answer)
            hand.asked, hand.answer = "prepare", hand.actor.prepare.remote(self._recipe)
        elif asked == "prepare":
            self._unprepared = 0
        elif hand.round is current:
            return hand.index, float(answer)
        return None

    def _explain(self, hand: _Hand, current: _Round, error: Any) -> None:
        """Raise what a worker's code has raised, unless nobody waits for it any more."""
        asked, hand.asked = hand.asked, ""
        if asked == "score" and hand.round is not current:
            return
        cause = error.cause
        raise (cause if isinstance(cause, Exception) else error) from error

    def _replace(self, hand: _Hand, current: _Round, error: Exception) -> None:
        """Employ another worker in the place of one that ended, and score its subnet again."""
        self._ray.kill(hand.actor, no_restart=True)
        self._hands[self._hands.index(hand)] = self._employ()
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if hand.asked != "score":
            self._unprepared += 1
            if self._unprepared >= self._attempts * self.workers:
                raise RunError(
                    f"workers end before they score a subnet: {first}",
                    hint="ask for fewer with --workers: each holds the supernet and the data",
                )
        elif hand.round is current:
            self._try_again(hand.index, current, first)

    def _try_again(self, index: int, current: _Round, reason: str) -> None:
        current.ended[index] = current.ended.get(index, 0) + 1
        text = current.configs[index].to_json()
        if current.ended[index] >= self._attempts:
            raise RunError(
                f"the subnet '{text}' ended {self._attempts} workers, one after another: {reason}",
                hint="score it without --workers to see why; scored subnets are kept",
            )
        current.waiting.appendleft(index)
        self._emit(Notice(_STAGE, f"a worker ended and its subnet is scored again: {reason}"))


@contextmanager
def many_workers(
    recipe: ScorerRecipe,
    *,
    workers: int | None = None,
    address: str | None = None,
    threads: int = 1,
    emit: Emit = discard,
) -> Iterator[RayEvaluator]:
    """Employ workers on this machine, or on a cluster, for the length of a block.

    Args:
        recipe: How a worker makes what scores.
        workers: How many; None takes as many as the processors are there for.
        address: A cluster's address, as `check_address` takes it; None starts a cluster on this
            machine, and ends it.
        threads: Threads of each worker.
        emit: Receives notices.

    Yields:
        The evaluator.

    Raises:
        ConfigError: If a number is not at least 1, or the address cannot be used.
        MissingExtraError: If Ray is not installed.
        RunError: If Ray does not start.
    """
    check_numbers(workers, threads)
    if address is not None:
        cluster = joined(address)
    else:
        workers = workers or max(1, (os.cpu_count() or 1) // threads)
        payload = sum(map(len, recipe.tensors.values()))
        cluster = own_cluster(workers * threads, payload)
    with cluster as ray:
        there = os.cpu_count() or 1
        if address is not None:
            there = int(ray.cluster_resources().get("CPU", 0))
        workers = workers or max(1, there // threads)
        _warn(workers, threads, there, emit)
        evaluator = RayEvaluator(ray, recipe, workers=workers, threads=threads, emit=emit)
        try:
            yield evaluator
        finally:
            evaluator.close()


def check_numbers(workers: int | None, threads: int = 1) -> None:
    """Refuse numbers that nothing can be done with.

    Args:
        workers: Number of workers, or None.
        threads: Threads of each.

    Raises:
        ConfigError: If one is below 1.
    """
    for name, value in (("workers", workers), ("threads", threads)):
        if value is not None and value < 1:
            raise ConfigError(f"'{name}={value}' cannot be used", hint="ask for at least one")


def _warn(workers: int, threads: int, there: int, emit: Emit) -> None:
    if workers * threads > there:
        emit(
            Notice(
                _STAGE,
                f"{workers} workers of {threads} threads share {there} processors: more of them "
                "take more memory, and no less time",
            )
        )


def _sent(ray: Any, recipe: ScorerRecipe) -> Any:
    try:
        return ray.put(recipe)
    except TypeError as error:
        raise ConfigError(
            f"what scores subnets cannot be sent to workers: {str(error).splitlines()[0]}",
            hint="name the generator as pkg.mod:factory, or search without workers",
        ) from error


def _check_version(version: str) -> None:
    if version != _release():
        raise ConfigError(
            f"a node of the cluster has release '{version}' of gancompress, and this one "
            f"'{_release()}'",
            hint="install the same on every node",
        )


def _release() -> str:
    try:
        return metadata.version("gancompress")
    except metadata.PackageNotFoundError:  # a checkout that is on the path, but not installed
        return ""


def _nobody(patience: float, threads: int) -> RunError:
    return RunError(
        f"no worker is left: for {patience:.0f} seconds the cluster has had no node with "
        f"{threads} free processors",
        hint="start nodes, and the same command again: the search goes on, scored subnets are kept",
    )
