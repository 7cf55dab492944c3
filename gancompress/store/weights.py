"""Tensors in safetensors files, and other people's weights without running their code."""

import pickletools
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from gancompress.errors import CheckpointError
from gancompress.store.atomic import write_atomic

_SAVE_AS_STATE_DICT = (
    "save the bare weights again: torch.save(module.state_dict(), path), or as safetensors"
)


def encode_tensors(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> bytes:
    """Encode tensors in the safetensors format.

    Args:
        tensors: Of any device, memory format and storage; tied tensors are written once a name.
        metadata: Strings for the file's header.

    Returns:
        The bytes.
    """
    # The format refuses shared storage and strides, so every tensor gets a dense copy of its own.
    dense = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    data: bytes = safetensors.torch.save(dense, dict(metadata) if metadata else None)
    return data


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as a safetensors file, atomically.

    Args:
        path: Folders on the way are made.
        tensors: See `encode_tensors`.
        metadata: Strings for the file's header.

    Raises:
        StorageError: If the disk is full or the file cannot be written.
    """
    write_atomic(path, encode_tensors(tensors, metadata))


def decode_tensors(data: bytes, *, source: Path) -> dict[str, Tensor]:
    """Decode what `encode_tensors` gave.

    Args:
        data: The bytes of a safetensors file.
        source: What to name in the error.

    Returns:
        Tensors on the CPU, by name.

    Raises:
        CheckpointError: If the bytes are truncated or are not of this format.
    """
    try:
        return dict(safetensors.torch.load(data))
    except SafetensorError as error:
        raise CheckpointError(
            f"'{source}' is truncated or is no safetensors file: {error}",
            hint="copy or download it again",
        ) from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Args:
        path: The file.

    Returns:
        Tensors on the CPU, by name.

    Raises:
        CheckpointError: If it is missing, truncated or not of this format.
    """
    return decode_tensors(_read(Path(path)), source=Path(path))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict that somebody else saved, and run none of its code.

    Args:
        path: A ``.safetensors`` file, or what `torch.save` wrote: a state dict, or a mapping that
            holds one under ``state_dict``.

    Returns:
        Tensors on the CPU, by name.

    Raises:
        CheckpointError: If it is missing or truncated, would execute code when loaded (a pickled
            module, TorchScript), or holds no state dict.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return load_tensors(path)
    _refuse_absent(path)
    _refuse_torchscript(path)
    try:
        # The unpickler of weights_only knows tensors and containers, and refuses everything else.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - damaged bytes make an unpickler raise anything
        raise _explain(path, error) from None
    return _state_dict(path, loaded)


def _read(path: Path) -> bytes:
    _refuse_absent(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"'{path}' cannot be read: {error.strerror}", hint="check the file's permissions"
        ) from None


def _refuse_absent(path: Path) -> None:
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise CheckpointError(f"'{path}' {kind}", hint="give the path of a file with weights")


def _refuse_torchscript(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        scripted = any(name.endswith("/constants.pkl") for name in archive.namelist())
    if scripted:
        raise CheckpointError(
            f"'{path}' is TorchScript, which executes code when it is loaded",
            hint=_SAVE_AS_STATE_DICT,
        )


def _explain(path: Path, error: Exception) -> CheckpointError:
    forbidden = re.search(r"\bGLOBAL (\w+(?:\.\w+)+)", str(error))
    if forbidden:
        return CheckpointError(
            f"'{path}' would execute code when it is loaded: it names '{forbidden[1]}'",
            hint=_SAVE_AS_STATE_DICT,
        )
    if _calls_code(path):
        return CheckpointError(
            f"'{path}' is a pickle that would execute code when it is loaded",
            hint=_SAVE_AS_STATE_DICT,
        )
    return CheckpointError(
        f"'{path}' is truncated or holds no weights", hint="copy or download it again"
    )


def _calls_code(path: Path) -> bool:
    """Say whether a bare pickle, which `torch.save` did not write, looks anything up by name."""
    try:
        # Only reads the opcodes: nothing is looked up, nothing is called.
        opcodes = {opcode.name for opcode, _, _ in pickletools.genops(path.read_bytes())}
    except Exception:  # noqa: BLE001 - damaged bytes make the reader raise anything
        return False
    return not opcodes.isdisjoint({"GLOBAL", "STACK_GLOBAL", "INST"})


def _state_dict(path: Path, loaded: Any) -> dict[str, Tensor]:
    inner = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(inner, Mapping) or not inner:
        raise CheckpointError(f"'{path}' holds no state dict", hint=_SAVE_AS_STATE_DICT)
    for name, value in inner.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"'{path}' holds no state dict: '{name}' is of type '{type(value).__name__}'",
                hint=_SAVE_AS_STATE_DICT,
            )
    return {name: value.detach() for name, value in inner.items()}
