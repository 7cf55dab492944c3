"""What is timed: a network that any runtime may run, or an exported file, which has its own."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gancompress.bench.runtimes import Runtime, check_runtime
from gancompress.cost import Cost, measure_cost
from gancompress.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from gancompress.export import CompressedModel, ExportTarget, identify

_MODEL: Final = "model.json"
_WEIGHTS: Final = "weights.safetensors"


@dataclass(frozen=True, eq=False)
class Subject:
    """A generator that is timed.

    Args:
        name: What the table calls it.
        place: The exported file, or the folder of a saved model.
        inputs: Shape of one call and type of each input, as the card of a file has them.
        runtime: What alone runs it; None for a network, which every runtime may.
        target: The file's format; None for a network.
        settings: What the file is run with.
        batch: The one batch size that the file takes; None where that is open.
        model: The network; None for a file.
        cost: What it takes; None where the file does not say.
    """

    name: str
    place: Path
    inputs: tuple[Mapping[str, Any], ...]
    runtime: Runtime | None = None
    target: ExportTarget | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch: int | None = None
    model: CompressedModel | None = None
    cost: Cost | None = None

    @property
    def file_bytes(self) -> int:
        """Size of what lies on the disk, weights included."""
        if self.target is None:
            return sum((self.place / name).stat().st_size for name in (_MODEL, _WEIGHTS))
        files = (self.place, *self.target.companions(self.place))
        return sum(file.stat().st_size for file in files)


def saved_model(folder: Path, name: str) -> Subject:
    """Open what `CompressedModel.save` wrote.

    Args:
        folder: The folder.
        name: What the table calls it.

    Raises:
        CheckpointError: If a file is missing, damaged or was changed, or does not say what the
            network takes.
    """
    model = CompressedModel.load(folder)
    specs = model.card.get("inputs")
    if not specs:
        raise CheckpointError(
            f"'{folder / _MODEL}' does not say what inputs the network takes",
            hint="save it with a card that has 'inputs', as `gancompress finetune` does",
        )
    inputs = tuple({**spec, "shape": _of_one(spec["shape"])} for spec in specs)
    cost = measure_cost(model.module, _tensors(inputs))
    return Subject(name, folder, inputs, model=model, cost=cost)


def exported_file(
    file: Path, name: str, *, targets: Sequence[ExportTarget], trust: bool = False
) -> Subject:
    """Open an exported file, or another one of a format whose inputs can be read.

    Args:
        file: The file; a card beside it has to fit it.
        name: What the table calls it.
        targets: Export targets of plugins.
        trust: Whether a file that runs code when it is loaded may be loaded.

    Raises:
        CheckpointError: If it is missing, was changed, runs code and is not trusted, or does not
            say what it takes.
        ExportError: If no target writes such files.
        MissingExtraError: If its runtime is not installed.
    """
    target, card = identify(file, trust=trust, targets=targets)
    check_runtime(Runtime(target.name), [target])
    if card is None:
        inputs, batch = _read_inputs(file, target)
        return Subject(name, file, inputs, Runtime(target.name), target, batch=batch)
    cost = card.get("cost")
    return Subject(
        name,
        file,
        tuple(card["inputs"]),
        Runtime(target.name, card["precision"]),
        target,
        card.get("settings", {}),
        cost=None if cost is None else Cost(**cost),
    )


def check_alike(subjects: Sequence[Subject]) -> None:
    """Refuse to compare what takes different inputs.

    Args:
        subjects: At least one.

    Raises:
        DataError: If shapes or types differ.
    """
    first = subjects[0]
    for other in subjects[1:]:
        if _taken(first) != _taken(other):
            raise DataError(
                f"'{other.name}' takes inputs of {_taken(other)}, and '{first.name}' of "
                f"{_taken(first)}",
                hint="compare generators that take the same pictures",
            )


def check_batches(subjects: Sequence[Subject], batches: Sequence[int]) -> None:
    """Refuse batch sizes that a file does not take.

    Args:
        subjects: What is timed.
        batches: Pictures a call.

    Raises:
        ConfigError: If one was written for another batch size alone.
    """
    for subject in subjects:
        wrong = [batch for batch in batches if subject.batch not in {None, batch}]
        if wrong:
            raise ConfigError(
                f"'{subject.place}' takes batches of {subject.batch} alone, and not of {wrong[0]}",
                hint=f"give --batch {subject.batch}, or export the generator again",
            )


def check_runtimes(subjects: Sequence[Subject], runtimes: Sequence[Runtime]) -> None:
    """Refuse runtimes that leave a file out, which has its own alone.

    Args:
        subjects: What is timed.
        runtimes: Those that were asked for by name.

    Raises:
        ConfigError: If a file is run by another.
    """
    for subject in subjects:
        if subject.runtime is not None and subject.runtime not in runtimes:
            raise ConfigError(
                f"'{subject.place}' runs in '{subject.runtime}' alone",
                hint="add that to --on, or give the run directory or model.json it comes from",
            )


def _taken(subject: Subject) -> str:
    return ", ".join(f"{'×'.join(map(str, x['shape']))} {x['dtype']}" for x in subject.inputs)


def _of_one(shape: Sequence[int]) -> list[int]:
    return [1, *shape[1:]] if len(shape) > 1 else list(shape)


def _tensors(inputs: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    import torch  # noqa: PLC0415 - the rest needs numpy alone

    return tuple(torch.zeros(x["shape"], dtype=getattr(torch, x["dtype"])) for x in inputs)


def _read_inputs(
    file: Path, target: ExportTarget
) -> tuple[tuple[Mapping[str, Any], ...], int | None]:
    """Ask a file without a card what it takes; the sizes of pictures have to be fixed."""
    unknown = CheckpointError(
        f"'{file}' has no card beside it, and does not say what inputs it takes",
        hint=f"put '{file.name}.json' beside it, or export the generator again",
    )
    if target.name != "onnx":
        raise unknown
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    try:
        slots = runtime.InferenceSession(
            file.read_bytes(), providers=["CPUExecutionProvider"]
        ).get_inputs()
    except Exception as error:  # noqa: BLE001 - a runtime may raise anything
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"'{file}' cannot be loaded: {text}", hint="export again") from None
    specs, batches = [], set()
    for slot in slots:
        first, *rest = slot.shape or [0]
        if not all(isinstance(size, int) for size in rest) or slot.type != "tensor(float)":
            raise unknown
        batches.add(first if isinstance(first, int) else None)
        specs.append({"name": slot.name, "shape": [1, *rest], "dtype": "float32"})
    if len(batches) != 1:
        raise unknown
    return tuple(specs), batches.pop()
