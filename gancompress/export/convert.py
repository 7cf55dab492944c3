"""Export: write, run again in a fresh process, compare, and only then give the file its name."""

import copy
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from gancompress.errors import ExportError, GancompressError
from gancompress.export.card import card_path, digest_of, input_facts, make_card, model_facts
from gancompress.export.clean import Cleaned, clean_up
from gancompress.export.first_difference import first_difference
from gancompress.export.model import CompressedModel
from gancompress.export.onnx_target import input_names
from gancompress.export.proof import Errors, NotOpenError, PlayerError, Proof, chunks
from gancompress.export.quantise import by_harm, fewest_kept
from gancompress.export.target import Dynamic, ExportTarget, Precision, Wanted
from gancompress.export.targets import find_target
from gancompress.store.atomic import storage_errors, sync_folder, write_json

_ATTEMPTS: Final[tuple[Dynamic, ...]] = ("full", "batch")
SAMPLES: Final = 16
_TOLERANCES: Final[dict[Precision, float]] = {
    "fp32": 1e-3,
    "fp16": 5e-2,
    "bf16": 0.5,
    "int8": math.inf,
}
_RANKED: Final = 2  # pictures that tell which layers are hard to quantise


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
        psnr: Peak signal-to-noise ratio in dB, for outputs in [-1, 1].
        precision: What the file computes in.
        kept: Layers that ``int8`` left in float32.
    """

    path: Path
    max_abs_error: float
    mean_abs_error: float
    sha256: str
    dynamic: Dynamic = "full"
    notes: tuple[str, ...] = ()
    psnr: float = math.inf
    precision: Precision = "fp32"
    kept: tuple[str, ...] = ()


def export(
    model: CompressedModel | nn.Module,
    path: Path | str,
    target: str | ExportTarget = "onnx",
    device: str = "cpu",
    tolerance: float | None = None,
    *,
    precision: Precision = "fp32",
    min_psnr: float = 30.0,
    inputs: Sequence[Tensor] | None = None,
    calibration: Sequence[tuple[Tensor, ...]] = (),
    targets: Sequence[ExportTarget] = (),
) -> ExportReport:
    """Write a network as a file that runs without this package.

    The graph is cleaned up (`gancompress.export.CLEANING`), written under a temporary name and
    run by the format's own runtime in a fresh process, on the given inputs and on twice as large
    ones. Only when its outputs agree does the file get its name, with its card beside it
    (``NAME.json``, see docs/reference/artefact) and the compared pictures (``NAME.png``); one that
    disagrees is kept as ``*.rejected``.

    Args:
        model: The network.
        path: Where to write; a file that is there is replaced only by a good one.
        target: Name of a target, or one.
        device: Where the runtime runs it.
        tolerance: Largest absolute difference of an output, in the output's units; None takes
            1e-3 for ``fp32``, 0.05 for ``fp16``, 0.5 for ``bf16``, and none for ``int8``.
        precision: ``fp32``, ``bf16``, ``fp16`` or ``int8``, as far as the target has it.
        min_psnr: Smallest PSNR to the network in dB, where the precision is not ``fp32``. Layers
            that cost ``int8`` too much of it stay in float32.
        inputs: Real inputs to compare on, such as validation pictures, best 16 of them; random
            ones of the model's own shapes where they are not given.
        calibration: Real inputs that ``int8`` is fitted to, a tuple for each call; None takes
            `inputs`.
        targets: More targets, such as those of plugins.

    Returns:
        Where the file is, and how well it agrees.

    Raises:
        ExportError: If the target is unknown, is not available here, has no such precision, or
            fails, or the outputs differ.
        MissingExtraError: If the format's library is not installed.
        StorageError: If the disk is full or the file cannot be written.
    """
    path = Path(path)
    chosen = target if isinstance(target, ExportTarget) else find_target(target, targets)
    examples = _examples(model, inputs)
    check_target(chosen, device, precision)
    module = model.module if isinstance(model, CompressedModel) else model
    module = copy.deepcopy(module).cpu().eval()
    cleaned = clean_up(module, examples) if chosen.cleans else Cleaned(module)
    limit = _TOLERANCES[precision] if tolerance is None else tolerance
    job = _Job(
        chosen,
        cleaned.module,
        Proof(module, examples),
        tuple(calibration) or tuple(chunks(examples)),
        limit,
        -math.inf if precision == "fp32" else min_psnr,
    )
    notes = list(cleaned.notes)
    with storage_errors(path), _partial(path, chosen) as partial:
        for dynamic in _ATTEMPTS:
            wanted = Wanted(dynamic, precision, device, job.calibration)
            try:
                wanted, settings, errors = job.write(wanted, partial)
            except (NotOpenError, PlayerError) as error:
                notes.append(_note(dynamic, error))
                continue
            except (GancompressError, OSError):
                raise
            except Exception as error:  # noqa: BLE001 - an exporter or a runtime may raise anything
                notes.append(_note(dynamic, error))
                continue
            if not job.is_good(errors):
                raise job.reject(path, partial, wanted, errors)
            facts = {
                **model_facts(model),
                "inputs": input_facts(
                    input_names(module, len(examples)), [x[:1] if x.ndim else x for x in examples]
                ),
                "cleaned": list(cleaned.steps),
                "proof": _proof_facts(job, errors, real=inputs is not None),
                "notes": notes,
            }
            digests = _finish(path, partial, chosen)
            card = make_card(chosen, wanted, settings, digests, **facts)
            write_json(card_path(path), card)
            sync_folder(path.parent)
            return ExportReport(
                path,
                errors.largest,
                errors.mean,
                digests[path.name],
                dynamic,
                tuple(notes),
                errors.psnr,
                precision,
                wanted.kept,
            )
    raise ExportError(
        f"target '{chosen.name}' cannot write '{path}': {notes[-1]}",
        hint="write the generator with other operators, or choose another target",
    )


def check_target(target: ExportTarget, device: str, precision: str) -> None:
    """Refuse what a target cannot do here, before any work.

    Args:
        target: The target.
        device: Where the file will run.
        precision: What it will compute in.

    Raises:
        ExportError: If the target has no such precision, or does not run here.
        MissingExtraError: If its library is not installed.
    """
    if precision not in target.precisions:
        raise ExportError(
            f"target '{target.name}' has no precision '{precision}'",
            hint=f"it has {', '.join(target.precisions)}",
        )
    target.check()
    reason = target.available(device)
    if reason is not None:
        raise ExportError(reason, hint="choose another device or target")


@dataclass(frozen=True)
class _Job:
    """Writes a file, in int8 with as many layers in float32 as it takes.

    Args:
        target: The format.
        module: The network that is written.
        proof: The network that it is compared with, and the inputs.
        calibration: Inputs that int8 is fitted to.
        tolerance: Largest difference.
        min_psnr: Smallest PSNR.
    """

    target: ExportTarget
    module: nn.Module
    proof: Proof
    calibration: tuple[tuple[Tensor, ...], ...]
    tolerance: float
    min_psnr: float

    def write(self, wanted: Wanted, partial: Path) -> tuple[Wanted, Any, Errors]:
        """Write and compare once, or as often as it takes to find the layers to keep."""
        if wanted.precision != "int8":
            return (wanted, *self._once(wanted, partial))
        order = by_harm(self.module, self._ranking())
        last: tuple[Wanted, Any, Errors] | None = None

        def write(some: tuple[str, ...]) -> tuple[Wanted, Any, Errors]:
            nonlocal last
            asked = replace(wanted, kept=some)
            if last is None or last[0].kept != some:  # what was written last is still there
                last = (asked, *self._once(asked, partial))
            return last

        kept = fewest_kept(order, lambda some: self.is_good(write(some)[2]))
        return write(kept or ())

    def _once(self, wanted: Wanted, partial: Path) -> tuple[Any, Errors]:
        settings = self.target.write(self.module, partial, chunks(self.proof.inputs)[0], wanted)
        errors = self.proof.compare(
            self.target,
            partial,
            settings,
            wanted,
            pictures=partial.with_name(f"{partial.name}.png"),
        )
        if wanted.dynamic == "full" and not errors.largest <= self.tolerance:
            self._blame_the_size(partial, wanted, settings)
        return settings, errors

    def _blame_the_size(self, partial: Path, wanted: Wanted, settings: Any) -> None:
        """Tell a file that is wrong at another size only from one that is wrong."""
        same = self.proof.compare(self.target, partial, settings, replace(wanted, dynamic="batch"))
        if same.largest <= self.tolerance:
            raise NotOpenError("at another size the outputs differ")

    def is_good(self, errors: Errors) -> bool:
        """Tell whether a file is close enough; not a number is no agreement."""
        finite = math.isfinite(errors.largest)
        return finite and errors.largest <= self.tolerance and errors.psnr >= self.min_psnr

    def _where(self, wanted: Wanted, partial: Path) -> str:
        """Say which layer is to blame, as a part of a sentence."""
        if wanted.precision == "int8":
            order = by_harm(self.module, self._ranking())
            return f", most of it by '{order[0]}'" if order else ""
        first = first_difference(
            self.module,
            self.target,
            chunks(self.proof.inputs)[0],
            wanted,
            tolerance=self.tolerance,
            file=partial,
        )
        return f", beginning at '{first}'" if first else ""

    def _ranking(self) -> list[tuple[Tensor, ...]]:
        """Return the few pictures that tell which layers are hard to quantise."""
        calls = self.calibration[:_RANKED]
        return [tuple(x[:1] if x.ndim else x for x in call) for call in calls]

    def reject(self, path: Path, partial: Path, wanted: Wanted, errors: Errors) -> ExportError:
        """Put the file aside, and say what is wrong with it and where that begins."""
        pairs = zip(_files(partial, self.target), _files(path, self.target), strict=True)
        for temporary, own in pairs:
            temporary.replace(own.with_name(f"{own.name}.rejected"))
        drawn = partial.with_name(f"{partial.name}.png")
        if drawn.is_file():
            drawn.replace(path.with_name(f"{path.name}.rejected.png"))
        amount = (
            f"by {errors.largest:.3g}, more than {self.tolerance:.3g}"
            if not errors.largest <= self.tolerance
            else f"with {errors.psnr:.1f} dB, less than {self.min_psnr:g}"
        )
        where = self._where(wanted, partial)
        return ExportError(
            f"'{path}' would differ from the network {amount}{where}; "
            f"it is kept as '{path.name}.rejected'",
            hint="raise the tolerance or lower the PSNR if that is good enough, "
            "or choose another target or precision",
        )


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
    shape = list(spec["shape"])
    if shape and shape[0] == 1:
        shape[0] = SAMPLES
    if dtype.is_floating_point:
        return torch.rand(shape, generator=generator, dtype=dtype) * 2 - 1
    return torch.zeros(shape, dtype=dtype)


@contextmanager
def _partial(path: Path, target: ExportTarget) -> Iterator[Path]:
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
    finally:
        drawn = partial.with_name(f"{partial.name}.png")
        for file in (partial, drawn, *target.companions(partial)):
            file.unlink(missing_ok=True)


def _finish(path: Path, partial: Path, target: ExportTarget) -> dict[str, str]:
    """Give the files their names, the one that counts last, and return their digests."""
    pairs = list(zip(_files(partial, target), _files(path, target), strict=True))
    digests = {own.name: digest_of(temporary) for temporary, own in reversed(pairs)}
    drawn = partial.with_name(f"{partial.name}.png")
    if drawn.is_file():
        drawn.replace(path.with_name(f"{path.name}.png"))
    for temporary, own in pairs:
        temporary.replace(own)
    return digests


def _files(path: Path, target: ExportTarget) -> tuple[Path, ...]:
    return (*target.companions(path), path)


def _proof_facts(job: _Job, errors: Errors, *, real: bool) -> dict[str, Any]:
    return {
        "samples": job.proof.samples,
        "inputs": "given" if real else "random",
        "process": "this one" if job.target.player is None else "a fresh one",
        "max_abs_error": errors.largest,
        "mean_abs_error": errors.mean,
        "psnr_db": errors.psnr if math.isfinite(errors.psnr) else None,
        "tolerance": job.tolerance if math.isfinite(job.tolerance) else None,
        "min_psnr_db": job.min_psnr if math.isfinite(job.min_psnr) else None,
    }


def _note(dynamic: Dynamic, error: Exception) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    axes = "batch, height and width" if dynamic == "full" else "batch"
    return f"the {axes} could not be left open: {text}"
