"""Export: write, run again, compare, and only then give the file its name."""

import copy
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gancompress.errors import ExportError, GancompressError
from gancompress.export.model import CompressedModel
from gancompress.export.onnx_target import OnnxTarget
from gancompress.export.target import Dynamic, ExportTarget
from gancompress.export.torch_target import TorchTarget
from gancompress.store.atomic import storage_errors, sync_folder

_ATTEMPTS: Final[tuple[Dynamic, ...]] = ("full", "batch")


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how well it agrees with the network in torch.

    Args:
        path: The file.
        max_abs_error: Largest absolute difference of any output, at every size that was tried.
        mean_abs_error: Mean absolute difference of the outputs for the given inputs.
        sha256: Of the file, in hexadecimal.
        dynamic: ``full`` where batch, height and width are open, ``batch`` where only that is.
        notes: What could not be had, one sentence each.
    """

    path: Path
    max_abs_error: float
    mean_abs_error: float
    sha256: str
    dynamic: Dynamic = "full"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Errors:
    largest: float
    mean: float


class _NotOpenError(Exception):
    """The file does not take, or does not honour, inputs of another size."""


def export(
    model: CompressedModel | nn.Module,
    path: Path | str,
    target: str | ExportTarget = "onnx",
    device: str = "cpu",
    tolerance: float = 1e-3,
    *,
    inputs: Sequence[Tensor] | None = None,
    targets: Sequence[ExportTarget] = (),
) -> ExportReport:
    """Write a network as a file that runs without this package.

    The file is written under a temporary name and run by the format's own runtime, on the given
    inputs and on twice as large ones. Only when its outputs agree does it get its name; one that
    disagrees is kept beside it as ``*.rejected``.

    Args:
        model: The network.
        path: Where to write; a file that is there is replaced only by a good one.
        target: Name of a target, or one.
        device: Where the runtime runs it for the comparison.
        tolerance: Largest absolute difference of an output, in the output's units.
        inputs: Real inputs to compare on, such as validation pictures; random ones of the
            model's own shapes where they are not given.
        targets: More targets, such as those of plugins.

    Returns:
        Where the file is, and how well it agrees.

    Raises:
        ExportError: If the target is unknown or fails, or the outputs differ.
        MissingExtraError: If the format's library is not installed.
        StorageError: If the disk is full or the file cannot be written.
    """
    path = Path(path)
    chosen = target if isinstance(target, ExportTarget) else find_target(target, targets)
    examples = _examples(model, inputs)
    module = model.module if isinstance(model, CompressedModel) else model
    module = copy.deepcopy(module).cpu().eval()
    check = _Check(chosen, module, examples, device, tolerance)
    notes: list[str] = []
    with storage_errors(path), _partial(path, chosen) as partial:
        for dynamic in _ATTEMPTS:
            try:
                chosen.export(module, partial, examples, dynamic)
                errors = check.verify(partial, dynamic)
            except (GancompressError, OSError):
                raise
            except Exception as error:  # noqa: BLE001 - an exporter or a runtime may raise anything
                notes.append(_note(dynamic, error))
                continue
            if not errors.largest <= tolerance:  # not a number is no agreement either
                raise _reject(path, partial, errors, tolerance)
            digest = hashlib.sha256(partial.read_bytes()).hexdigest()
            for one, other in zip(chosen.companions(partial), chosen.companions(path), strict=True):
                one.replace(other)
            partial.replace(path)
            sync_folder(path.parent)
            return ExportReport(path, errors.largest, errors.mean, digest, dynamic, tuple(notes))
    raise ExportError(
        f"target '{chosen.name}' cannot write '{path}': {notes[-1]}",
        hint="write the generator with other operators, or choose another target",
    )


def find_target(name: str, more: Sequence[ExportTarget] = ()) -> ExportTarget:
    """Look an export target up.

    Args:
        name: Its name.
        more: Targets beside the core's, such as those of plugins.

    Raises:
        ExportError: If there is none of this name.
    """
    known = {one.name: one for one in (OnnxTarget(), TorchTarget(), *more)}
    if name not in known:
        raise ExportError(f"'{name}' is no export target", hint=f"choose of {', '.join(known)}")
    return known[name]


def _examples(
    model: CompressedModel | nn.Module, inputs: Sequence[Tensor] | None
) -> tuple[Tensor, ...]:
    if inputs is not None:
        given = tuple(inputs)
        if not given or not all(isinstance(x, Tensor) for x in given):
            raise ExportError(
                "the inputs of an export have to be tensors", hint="give inputs=(pictures,)"
            )
        return tuple(x.detach().cpu() for x in given)
    specs = model.card.get("inputs") if isinstance(model, CompressedModel) else None
    if not specs:
        raise ExportError(
            "the shapes of the model's inputs are not known", hint="give inputs=(pictures,)"
        )
    return tuple(_random(spec) for spec in specs)


def _random(spec: Any) -> Tensor:
    dtype = getattr(torch, spec["dtype"])
    generator = torch.Generator().manual_seed(0)
    if dtype.is_floating_point:
        return torch.rand(spec["shape"], generator=generator, dtype=dtype) * 2 - 1
    return torch.zeros(spec["shape"], dtype=dtype)


@contextmanager
def _partial(path: Path, target: ExportTarget) -> Iterator[Path]:
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
    finally:
        for file in (partial, *target.companions(partial)):
            file.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Check:
    """Runs a file and the network on the same inputs."""

    target: ExportTarget
    module: nn.Module
    inputs: tuple[Tensor, ...]
    device: str
    tolerance: float

    def verify(self, file: Path, dynamic: Dynamic) -> _Errors:
        """Compare on the given inputs and, where those agree, on larger ones."""
        errors = self._compare(file, self.inputs)
        if not errors.largest <= self.tolerance:
            return errors
        again = self._compare(file, tuple(_larger(x, dynamic) for x in self.inputs))
        if dynamic == "full" and not again.largest <= self.tolerance:
            raise _NotOpenError(f"at another size the outputs differ by {again.largest:.3g}")
        return _Errors(max(errors.largest, again.largest), errors.mean)

    def _compare(self, file: Path, inputs: tuple[Tensor, ...]) -> _Errors:
        with torch.no_grad():
            leaves = pytree.tree_leaves(self.module(*inputs))
        wanted = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        got = self.target.run(file, inputs, self.device)
        shapes = [[tuple(x.shape) for x in tensors] for tensors in (got, wanted)]
        if shapes[0] != shapes[1]:
            raise _NotOpenError(f"the file gives the shapes {shapes[0]} instead of {shapes[1]}")
        differences = [(a.double() - b.double()).abs() for a, b in zip(got, wanted, strict=True)]
        flat = torch.cat([difference.flatten() for difference in differences])
        return _Errors(float(flat.max()), float(flat.mean()))


def _larger(x: Tensor, dynamic: Dynamic) -> Tensor:
    """Tile the first picture: real content, at twice the batch, and the height and width."""
    if x.ndim == 0:
        return x
    spatial = (2, 2) if x.ndim == 4 and dynamic == "full" else (1,) * max(0, x.ndim - 2)
    return x.repeat(2, *([1] * (x.ndim - 1 - len(spatial))), *spatial)


def _note(dynamic: Dynamic, error: Exception) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    axes = "batch, height and width" if dynamic == "full" else "batch"
    return f"the {axes} could not be left open: {text}"


def _reject(path: Path, partial: Path, errors: _Errors, tolerance: float) -> ExportError:
    kept = path.with_name(f"{path.name}.rejected")
    partial.replace(kept)
    return ExportError(
        f"'{path}' would differ from the network by {errors.largest:.3g}, "
        f"more than {tolerance:.3g}; it is kept as '{kept.name}'",
        hint="raise the tolerance if that is good enough, or choose another target",
    )
