"""Run an exported file in a process of its own, and compare it with the network in torch."""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gancompress.export.target import PLAYERS, Dynamic, ExportTarget, Wanted

_CHUNK: Final = 4
_SHOWN: Final = 8
_CHANNELS: Final = (1, 3)
_RANGE: Final = 2.0  # of a picture in [-1, 1]


class NotOpenError(Exception):
    """The file does not take, or does not honour, inputs of another size."""


class PlayerError(Exception):
    """The runtime refused the file or the inputs."""


@dataclass(frozen=True)
class Errors:
    """How far a file is from the network.

    Args:
        largest: Largest absolute difference of any output, at every size that was tried.
        mean: Mean absolute difference for the given inputs.
        square: Mean squared difference for the given inputs.
    """

    largest: float
    mean: float
    square: float

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB, for outputs in [-1, 1]; infinite for the same ones."""
        if math.isnan(self.square):
            return -math.inf
        return 10 * math.log10(_RANGE**2 / self.square) if self.square > 0 else math.inf


@dataclass(frozen=True, eq=False)
class Proof:
    """What the network gives, and what a file has to give.

    Args:
        module: The network, in eval mode, on the CPU.
        inputs: Real inputs; those that are batches of as many pictures are run a few at a time.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]

    @property
    def samples(self) -> int:
        """How many pictures are compared."""
        return len(self.inputs[0]) if self.inputs[0].ndim else 1

    def compare(
        self,
        target: ExportTarget,
        file: Path,
        settings: Mapping[str, Any],
        wanted: Wanted,
        *,
        pictures: Path | None = None,
    ) -> Errors:
        """Run a file on the inputs and on larger ones.

        Args:
            target: The file's format.
            file: The file.
            settings: What the target's `write` returned.
            wanted: How it was written: the device that it runs on, the sizes that it leaves open.
            pictures: Where to draw the first pictures: network, file, difference times 10.

        Returns:
            The errors.

        Raises:
            NotOpenError: If shapes differ.
            PlayerError: If the runtime refuses the file or the inputs.
        """
        calls = chunks(self.inputs)
        calls.append(tuple(_larger(x[:1] if x.ndim else x, wanted.dynamic) for x in self.inputs))
        found = play(target, file, wanted.device, settings, calls)
        right = [outputs_of(self.module, call) for call in calls]
        shapes = [[[tuple(x.shape) for x in call] for call in side] for side in (found, right)]
        if shapes[0] != shapes[1]:
            first = next(k for k, (a, b) in enumerate(zip(*shapes, strict=True)) if a != b)
            raise NotOpenError(
                f"the file gives the shapes {shapes[0][first]} instead of {shapes[1][first]}"
            )
        if pictures is not None:
            draw(pictures, right[0], found[0])
        errors = [errors_between(a, b) for a, b in zip(found, right, strict=True)]
        return self._total(errors, calls)

    @staticmethod
    def _total(errors: Sequence[Errors], calls: Sequence[tuple[Tensor, ...]]) -> Errors:
        sizes = [len(call[0]) if call[0].ndim else 1 for call in calls[:-1]]
        # A maximum with a number that is none is a matter of the order, a sum is not.
        largest = [e.largest for e in errors]
        worst = max(largest) if all(map(math.isfinite, largest)) else math.nan
        mean = float(np.average([e.mean for e in errors[:-1]], weights=sizes))
        square = float(np.average([e.square for e in errors[:-1]], weights=sizes))
        return Errors(worst, mean, square)


def chunks(inputs: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
    """Split batches, so that no more than a few pictures are in the memory.

    Args:
        inputs: Positional inputs.

    Returns:
        Inputs of each call; all at once where they are not batches of one size.
    """
    sizes = {len(x) if x.ndim else 0 for x in inputs}
    if len(sizes) != 1 or 0 in sizes:
        return [inputs]
    parts = [torch.split(x, _CHUNK) for x in inputs]
    return list(zip(*parts, strict=True))


@torch.no_grad()
def outputs_of(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Run a network and list the tensors that it gives."""
    leaves = pytree.tree_leaves(module(*(x.clone() for x in inputs)))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def play(
    target: ExportTarget,
    file: Path,
    device: str,
    settings: Mapping[str, Any],
    calls: Sequence[tuple[Tensor, ...]],
) -> list[list[Tensor]]:
    """Run a file on several inputs, in a fresh process where its target has a player.

    Args:
        target: The file's format.
        file: The file.
        device: Where it runs.
        settings: What the target's `write` returned.
        calls: Positional inputs of each call.

    Returns:
        The outputs of each call.

    Raises:
        PlayerError: If the runtime of a fresh process refuses the file or the inputs.
        Exception: What the runtime raises in this process.
    """
    arrays = [[x.numpy(force=True) for x in call] for call in calls]
    if target.player is None:
        run = target.load(file, device, settings)
        found = [run(call) for call in arrays]
    else:
        found = _play_afresh(target.player, file, device, settings, arrays)
    return [[torch.from_numpy(np.asarray(x)) for x in call] for call in found]


def _play_afresh(
    player: Path, file: Path, device: str, settings: Mapping[str, Any], calls: list[list[Any]]
) -> list[list[Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = {f"{n}_{k}": x for n, call in enumerate(calls) for k, x in enumerate(call)}
        np.savez(folder / "inputs.npz", **given)
        job = {
            "player": str(player),
            "file": str(file.resolve()),
            "device": device,
            "settings": dict(settings),
            "calls": [[f"{n}_{k}" for k in range(len(call))] for n, call in enumerate(calls)],
            "inputs": str(folder / "inputs.npz"),
            "outputs": str(folder / "outputs.npz"),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        counts = _answer(folder)
        with np.load(folder / "outputs.npz") as outputs:
            return [[outputs[f"{n}_{k}"] for k in range(m)] for n, m in enumerate(counts)]


def _answer(folder: Path) -> list[int]:
    # Isolated: neither this package nor the current folder can be imported by accident.
    words = [sys.executable, "-I", str(PLAYERS / "fresh.py"), str(folder / "job.json")]
    done = subprocess.run(  # noqa: S603 - our own script
        words, capture_output=True, text=True, check=False, cwd=folder
    )
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        # Killed, out of memory, or a library that ends the process.
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PlayerError(f"its process ended with {done.returncode}: {last}") from None
    if "error" in answer:
        raise PlayerError(answer["error"])
    counts: list[int] = answer["outputs"]
    return counts


def errors_between(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Errors:
    """Compare outputs of equal shapes.

    Args:
        found: What a file gave.
        wanted: What the network gave.
    """
    differences = [(a.double() - b.double()).abs() for a, b in zip(found, wanted, strict=True)]
    flat = torch.cat([difference.flatten() for difference in differences])
    return Errors(float(flat.max()), float(flat.mean()), float(flat.square().mean()))


def _larger(x: Tensor, dynamic: Dynamic) -> Tensor:
    """Tile a picture: real content, at twice the batch, and the height and width."""
    if x.ndim == 0:
        return x
    spatial = (2, 2) if x.ndim == 4 and dynamic == "full" else (1,) * max(0, x.ndim - 2)
    return x.repeat(2, *([1] * (x.ndim - 1 - len(spatial))), *spatial)


def draw(path: Path, wanted: Sequence[Tensor], found: Sequence[Tensor]) -> None:
    """Draw the network's pictures, the file's, and ten times their difference, a row each.

    Args:
        path: A PNG.
        wanted: What the network gave; nothing is drawn where that is no picture.
        found: What the file gave.
    """
    if not wanted or wanted[0].ndim != 4 or wanted[0].shape[1] not in _CHANNELS:
        return
    first, second = wanted[0][:_SHOWN].float(), found[0][:_SHOWN].float()
    rows = [first, second, (second - first).abs() * 10 - 1]
    grid = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
    pixels = ((grid.clamp(-1, 1) + 1) * 127.5).round().nan_to_num().byte()
    # One channel is grey, and Pillow wants no axis for it.
    Image.fromarray(pixels.permute(1, 2, 0).squeeze(-1).numpy()).save(path, format="PNG")
