"""Networks of the user's that say which class each pixel of a picture has."""

import hashlib
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from gancompress.errors import CheckpointError, ConfigError, DataError, MissingExtraError

Resolve: TypeAlias = Callable[[str], Any]
"""From ``pkg.mod:attribute`` or ``file.py:attribute`` to what it names."""

_CHUNK: Final = 8  # pictures in one forward pass, to bound the memory


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A network from pictures to scores a class, ``(N, K, h, w)``, or to classes ``(N, h, w)``.

    Args:
        run: The network.
        sha256: Digest of its file, or of its weights.
        kind: ``onnx``, ``torchscript`` or ``module``.
        chunk: Pictures in one forward pass.
    """

    run: Callable[[Tensor], Any]
    sha256: str
    kind: str
    chunk: int = _CHUNK

    def scores(self, pictures: Tensor) -> Tensor:
        """Look at one chunk of pictures.

        Args:
            pictures: ``(N, 3, H, W)`` in the units of the network.

        Returns:
            ``(N, K, h, w)``; of a network that gives classes, those as ``(N, 1, h, w)``, int64.

        Raises:
            DataError: If it gives something else, or fails.
        """
        try:
            with torch.no_grad():
                found = self.run(pictures)
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            raise DataError(
                f"the segmenter failed on pictures of shape {tuple(pictures.shape)}: "
                f"{type(error).__name__}: {first}",
                hint="it gets (N, 3, H, W); see the options 'mean', 'std' and 'resize'",
            ) from error
        if isinstance(found, list | tuple) and found:
            found = found[0]  # by custom the first of several outputs is the one that is meant
        if isinstance(found, Tensor) and found.ndim == 3 and not found.is_floating_point():
            return found.long()[:, None].cpu()
        if isinstance(found, Tensor) and found.ndim == 4 and found.shape[1] > 1:
            return found.float().cpu()
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise DataError(
            f"the segmenter gives {shape}, not scores (N, K, h, w) or whole classes (N, h, w)",
            hint="wrap it so that it returns the scores alone",
        )


def load_segmenter(source: str, *, trust: bool, resolve: Resolve) -> Segmenter:
    """Load a network of the user's.

    Args:
        source: An ``.onnx`` file; ``pkg.mod:factory`` or ``file.py:factory``, of a module or of a
            function that returns one; or a TorchScript file.
        trust: Whether files that run code when they are loaded may be loaded.
        resolve: Imports what a reference names.

    Raises:
        MissingExtraError: If it is ONNX, and onnxruntime is not installed.
        CheckpointError: If the file is missing or damaged, or is TorchScript and not trusted.
        ConfigError: If the reference names no network.
    """
    path = Path(source).expanduser()
    if ":" in source and not path.is_file():
        return _of_reference(source, resolve)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"the segmenter '{source}' cannot be read: {error.strerror}",
            hint="give an ONNX file, or file.py:factory",
        ) from None
    digest = hashlib.sha256(data).hexdigest()
    if path.suffix == ".onnx":
        return _of_onnx(data, source, digest)
    if not trust:
        raise CheckpointError(
            f"the segmenter '{source}' is no ONNX file, and TorchScript runs code when loaded",
            hint="if you know where it comes from, add --trust; or give an ONNX file",
        )
    return _of_torchscript(data, source, digest)


def _of_reference(source: str, resolve: Resolve) -> Segmenter:
    found = resolve(source)
    if not isinstance(found, nn.Module) and callable(found):
        found = found()
    if not isinstance(found, nn.Module):
        raise ConfigError(
            f"the segmenter '{source}' is of type '{type(found).__name__}'",
            hint="name a torch.nn.Module, or a function without arguments that returns one",
        )
    return Segmenter(found.eval(), _digest(found.state_dict()), "module")


def _of_torchscript(data: bytes, source: str, digest: str) -> Segmenter:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the format is deprecated, not wrong
            load: Any = torch.jit.load
            net = load(io.BytesIO(data), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise CheckpointError(
            f"the segmenter '{source}' is no TorchScript file: {first}",
            hint="save it by torch.jit.save, or give an ONNX file",
        ) from None
    return Segmenter(net, digest, "torchscript")


def _of_onnx(data: bytes, source: str, digest: str) -> Segmenter:
    try:
        runtime: Any = import_module("onnxruntime")
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    try:
        session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - it has a class of its own for every cause
        first = (str(error).strip().splitlines() or [""])[0]
        raise CheckpointError(
            f"the segmenter '{source}' cannot be loaded: {first}", hint="export it again"
        ) from None
    entry = session.get_inputs()[0]

    def run(pictures: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {entry.name: pictures.numpy()})[0])

    fixed = entry.shape[0] if entry.shape and isinstance(entry.shape[0], int) else _CHUNK
    return Segmenter(run, digest, "onnx", chunk=1 if fixed == 1 else _CHUNK)


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        plain = state[name].detach().cpu().contiguous().flatten()
        digest.update(plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
