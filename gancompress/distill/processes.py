"""The processes of one training: how many there are, and what they tell one another."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from gancompress.errors import ConfigError, TrainingError

T = TypeVar("T")

# The others wait while process 0 searches; one that has died is noticed by its connection.
PATIENCE: Final = timedelta(days=7)
# Gradients are sent in pieces of this many bytes, the next while the last is under way.
BUCKET: Final = 32 * 2**20
_FAILED: Final = "gancompress/failed"


@dataclass(frozen=True)
class Team:
    """The processes that train together, seen from one of them.

    Args:
        index: Number of this process; process 0 alone writes.
        count: How many there are.
        local: Number of this process on its machine.
    """

    index: int = 0
    count: int = 1
    local: int = 0

    @classmethod
    def join(cls) -> "Team":
        """Find the other processes by what ``torchrun`` or ``accelerate launch`` have set.

        Every process calls this in the same place; without a launcher there is one process.

        Raises:
            TrainingError: If the others cannot be reached.
        """
        if not dist.is_available():  # pragma: no cover - some builds of macOS
            return cls()
        if not dist.is_initialized() and is_launched():
            # Pictures and weights may lie on either device.
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            with _talking():
                dist.init_process_group(backend, timeout=PATIENCE)
        if not dist.is_initialized():
            return cls()
        index, count = dist.get_rank(), dist.get_world_size()
        return cls(index, count, int(os.environ.get("LOCAL_RANK", index)))

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.index == 0

    def share(self, value: T) -> T:
        """Return the value of process 0, in all processes; the others' is left aside.

        Args:
            value: Anything that can be pickled; it stays among the processes of one run.

        Raises:
            TrainingError: If another process has ended.
        """
        if self.count == 1:
            return value
        held: list[Any] = [value]
        with _talking():
            dist.broadcast_object_list(held, src=0)
        shared: T = held[0]
        return shared

    def wait(self) -> None:
        """Go on when process 0 has come here too.

        Raises:
            TrainingError: If another process has ended.
        """
        self.share(None)

    @contextmanager
    def first(self) -> Iterator[None]:
        """Let process 0 do the body before the others do it, and find it done.

        Yields:
            Nothing; the body talks to no other process.

        Raises:
            TrainingError: If another process has ended.
        """
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their averages over the processes, in place.

        Args:
            tensors: Of the same shapes in the same order in every process, floating point.

        Raises:
            TrainingError: If another process has ended.
        """
        if self.count == 1:
            return
        with _talking(), torch.no_grad():
            sent = []
            for bucket in _buckets(tensors):
                flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
                sent.append((bucket, flat, dist.all_reduce(flat, async_op=True)))
            for bucket, flat, work in sent:
                work.wait()
                parts = torch.split(flat.div_(self.count), [t.numel() for t in bucket])
                for tensor, part in zip(bucket, parts, strict=True):
                    tensor.copy_(part.view_as(tensor))

    def spread(self, tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """Return the tensors of process 0, in all processes.

        Args:
            tensors: By name; the others' are left aside.
            device: Where they travel.

        Raises:
            TrainingError: If another process has ended.
        """
        if self.count == 1:
            return dict(tensors)
        kinds = self.share({name: (t.shape, t.dtype) for name, t in tensors.items()})
        received = {}
        with _talking():
            for name, (shape, dtype) in kinds.items():
                held = (
                    tensors[name].to(device).contiguous()
                    if self.leads
                    else torch.empty(shape, dtype=dtype, device=device)
                )
                dist.broadcast(held, src=0)
                received[name] = held
        return received

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, in their order.

        Args:
            tensor: Of one shape in every process.

        Raises:
            TrainingError: If another process has ended.
        """
        if self.count == 1:
            return [tensor]
        with _talking():
            held = [torch.empty_like(tensor) for _ in range(self.count)]
            dist.all_gather(held, tensor.contiguous())
        return held


def is_launched() -> bool:
    """Say whether a launcher has started several processes, of which this is one."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def is_first_to_fail() -> bool:
    """Say whether no other process has failed before, so that one of them tells the user why."""
    if not is_launched():
        return True
    try:
        store = dist.TCPStore(  # type: ignore[attr-defined]  # documented, yet not in __all__
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=timedelta(seconds=3),
        )
        # A launcher that starts the processes again keeps what they have said.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return bool(store.add(f"{_FAILED}/{attempt}", 1) == 1)
    except (RuntimeError, KeyError):  # whoever kept the list is gone
        return os.environ.get("RANK") == "0"


def leave() -> None:
    """Take leave of the other processes, at the end of a command that went well."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def find_device(name: str | torch.device | None, team: Team) -> torch.device:
    """Return where this process trains and scores.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; None takes what there is. ``cuda`` gives each
            process of a machine a GPU of its own.
        team: The processes.

    Raises:
        ConfigError: If there is no such device.
    """
    if name is None:
        name = "cpu" if _is_told_cpu() else _best()
    try:
        device = torch.device(name)
    except RuntimeError:
        raise _no_device(name) from None
    if device.type not in _counts() or (device.index or 0) >= _counts()[device.type]:
        raise _no_device(name)
    if device.type != "cuda":
        return device
    numbered = ":" in str(name)
    if team.count > 1 and numbered:
        raise ConfigError(
            f"'{name}' is one GPU, and there are {team.count} processes",
            hint="give --device cuda: each process takes a GPU of its own",
        )
    if not numbered and team.local >= _counts()["cuda"]:
        raise ConfigError(
            f"process {team.local + 1} of this machine finds {_counts()['cuda']} GPUs",
            hint="launch as many processes as there are GPUs",
        )
    chosen = device if numbered else torch.device("cuda", team.local)
    torch.cuda.set_device(chosen)
    return chosen


def _is_told_cpu() -> bool:
    """Say whether ``accelerate launch --cpu`` has started this process."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true", "yes"}


def _counts() -> dict[str, int]:
    """Return how many devices there are of each kind that there is."""
    found = {"cpu": 1, "cuda": torch.cuda.device_count()}
    found["mps"] = int(torch.backends.mps.is_available())
    return {kind: count for kind, count in found.items() if count}


def _best() -> str:
    return next(kind for kind in ("cuda", "mps", "cpu") if kind in _counts())


def _no_device(name: str | torch.device) -> ConfigError:
    return ConfigError(
        f"there is no device '{name}' here", hint=f"devices of this machine: {', '.join(_counts())}"
    )


@contextmanager
def _talking() -> Iterator[None]:
    """Explain the error of a process whose partner is gone."""
    try:
        yield
    except RuntimeError as error:  # DistBackendError and DistStoreError are such
        first = (str(error).strip().splitlines() or [""])[0]
        raise TrainingError(
            f"another process of this run has ended, or cannot be reached: {first}",
            hint="start all of them again: the run goes on from the last checkpoint",
        ) from error


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Put tensors of one kind together, up to the size of a bucket."""
    filling: dict[torch.dtype, list[Tensor]] = {}
    sizes: dict[torch.dtype, int] = {}
    for tensor in tensors:
        kind = tensor.dtype
        filling.setdefault(kind, []).append(tensor)
        sizes[kind] = sizes.get(kind, 0) + tensor.nbytes
        if sizes[kind] >= BUCKET:
            yield filling.pop(kind)
            del sizes[kind]
    yield from filling.values()
