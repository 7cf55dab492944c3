"""Open any exported file, or a saved model, as one callable from images to images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gancompress.errors import CheckpointError, DataError, ExportError
from gancompress.export.card import digest_of, read_card
from gancompress.export.convert import check_target
from gancompress.export.model import CompressedModel
from gancompress.export.proof import outputs_of
from gancompress.export.target import ExportTarget, Runner
from gancompress.export.targets import core_targets

_MODEL: Final = "model.json"
_SLACK: Final = 1e-3


class Translator:
    """A generator behind any runtime: images in, images of the same kind out.

    Args:
        run: Takes arrays and gives arrays.
        card: What the file's card says: ``inputs`` with shapes, types and ranges, ``dynamic``.
    """

    def __init__(self, run: Runner, card: Mapping[str, Any]) -> None:
        self._run = run
        self.card = dict(card)

    def __call__(self, images: Any, *more: Any) -> Any:
        """Translate images.

        Args:
            images: A PIL image or a list of them of one size; an array of bytes ``(H, W, C)`` or
                ``(N, H, W, C)``; or floats ``(N, C, H, W)`` in [-1, 1], an array or a tensor.
            more: Further inputs of the network, as arrays or tensors.

        Returns:
            The first output, in the form of `images`.

        Raises:
            DataError: If the images have another shape, type or range than the network takes.
        """
        given = _floats(images)
        arrays = [given, *(_array(x) for x in more)]
        arrays = [_checked(x, spec, self.card) for x, spec in _with_specs(arrays, self.card)]
        return _like(np.asarray(self._run(arrays)[0]), images)


def load(
    path: Path | str,
    *,
    device: str = "cpu",
    trust: bool = False,
    sha256: str | None = None,
    threads: int | None = None,
    targets: Sequence[ExportTarget] = (),
) -> Translator:
    """Open what `export` or `CompressedModel.save` wrote.

    Args:
        path: The file, such as ``small.onnx``, ``small.xml`` or ``model/model.json``.
        device: Where it runs.
        trust: Whether a file that runs code when it is loaded may be loaded.
        sha256: The digest that the file has to have; such a file is trusted.
        threads: Threads of the runtime; None leaves it the choice.
        targets: More targets, such as those of plugins.

    Returns:
        A callable from images to images.

    Raises:
        CheckpointError: If the file is missing, damaged, was changed, or runs code and is not
            trusted.
        ExportError: If no target writes such files, or its runtime has no such device.
        MissingExtraError: If the runtime is not installed.
    """
    path = Path(path)
    if path.name == _MODEL or path.is_dir():
        return _saved_model(path if path.is_dir() else path.parent, device)
    target, card = identify(path, trust=trust, sha256=sha256, targets=targets)
    check_target(target, device, "fp32")
    card = card or {}
    settings = dict(card.get("settings", {})) | ({"threads": threads} if threads else {})
    try:
        run = target.load(path, device, settings)
    except Exception as error:  # a runtime may raise anything
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"'{path}' cannot be loaded: {text}", hint="export again") from error
    return Translator(run, card)


def identify(
    path: Path,
    *,
    trust: bool = False,
    sha256: str | None = None,
    targets: Sequence[ExportTarget] = (),
) -> tuple[ExportTarget, dict[str, Any] | None]:
    """Find out what an exported file is, and whether it may be run; nothing is loaded.

    Args:
        path: The file.
        trust: See `load`.
        sha256: See `load`.
        targets: More targets, such as those of plugins.

    Returns:
        The target that writes such files, and the file's card; None where it has none.

    Raises:
        CheckpointError: See `load`.
        ExportError: If no target writes such files.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file '{path}'", hint="give a file that was exported")
    if sha256 is not None and digest_of(path) != sha256.lower():
        raise CheckpointError(
            f"'{path}' has another SHA-256 than the one that was asked for", hint="do not run it"
        )
    card = read_card(path)
    target = _target_of(path, card, targets)
    if target.executes_code and not trust and sha256 is None:
        raise CheckpointError(
            f"'{path}' runs code when it is loaded",
            hint="if you know where it comes from, add trust=True or its sha256",
        )
    return target, card


def _saved_model(folder: Path, device: str) -> Translator:
    model = CompressedModel.load(folder)
    net = model.module.to(device)

    def run(inputs: Sequence[Any]) -> list[Any]:
        found = outputs_of(net, tuple(torch.from_numpy(x).to(device) for x in inputs))
        return [x.numpy(force=True) for x in found]

    return Translator(run, {**model.card, "dynamic": "full"})


def _target_of(
    path: Path, card: Mapping[str, Any] | None, more: Sequence[ExportTarget]
) -> ExportTarget:
    known = (*core_targets(), *more)
    if card is not None:
        matches = [one for one in known if one.name == card.get("target")]
    else:
        matches = [one for one in known if path.name.endswith(one.file_name(""))]
        matches.sort(key=lambda one: len(one.file_name("")))
    if not matches:
        raise ExportError(
            f"no export target writes '{path.name}'",
            hint=f"files end in {', '.join(one.file_name('') for one in known)}",
        )
    return matches[-1]


def _floats(images: Any) -> Any:
    if isinstance(images, Image.Image):
        images = _pixels(images)
    elif _are_images(images):
        if len({(one.size, one.mode) for one in images}) > 1:
            raise DataError("the images differ in size or mode", hint="bring them to one size")
        images = np.stack([_pixels(one) for one in images])
    array = _array(images)
    if array.dtype != np.uint8:
        return array
    array = array[None] if array.ndim == 3 else array
    if array.ndim != 4:
        raise DataError(
            f"bytes of {array.ndim} axes are no pictures", hint="give (H, W, C) or (N, H, W, C)"
        )
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2), dtype=np.float32) / 127.5 - 1


def _are_images(images: Any) -> bool:
    return isinstance(images, list | tuple) and bool(images) and isinstance(images[0], Image.Image)


def _pixels(image: Image.Image) -> Any:
    """Return bytes ``(H, W, C)``; Pillow has no axis for a single channel."""
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _image(pixels: Any) -> Image.Image:
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)


def _array(x: Any) -> Any:
    return x.numpy(force=True) if isinstance(x, Tensor) else np.asarray(x)


def _with_specs(arrays: list[Any], card: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    specs = card.get("inputs") or [None] * len(arrays)
    if len(specs) != len(arrays):
        raise DataError(
            f"the network takes {len(specs)} inputs and was given {len(arrays)}",
            hint=f"they are {', '.join(str(spec.get('name', '?')) for spec in specs)}",
        )
    return list(zip(arrays, specs, strict=True))


def _checked(x: Any, spec: Mapping[str, Any] | None, card: Mapping[str, Any]) -> Any:
    if spec is None:
        return x
    shape, dtype = tuple(spec["shape"]), np.dtype(spec["dtype"])
    if not _fits(x.shape, shape, card.get("dynamic", "full")):
        expected = "×".join(map(str, ("N", *shape[1:])))
        raise DataError(
            f"the network takes inputs of {expected} and was given {'×'.join(map(str, x.shape))}",
            hint="pictures are (N, C, H, W), or (H, W, C) as bytes",
        )
    if x.dtype.kind != dtype.kind:
        raise DataError(f"the network takes '{dtype}' and was given '{x.dtype}'", hint="convert it")
    x = np.ascontiguousarray(x, dtype=dtype)
    low, high = spec.get("range", (-1.0, 1.0))
    if dtype.kind == "f" and x.size and not (low - _SLACK <= x.min() and x.max() <= high + _SLACK):
        raise DataError(
            f"the network takes values in [{low:g}, {high:g}] and was given "
            f"[{x.min():g}, {x.max():g}]",
            hint="pictures are x / 127.5 - 1, or given as bytes",
        )
    return x


def _fits(given: tuple[int, ...], wanted: tuple[int, ...], dynamic: str) -> bool:
    if len(given) != len(wanted) or 0 in given:
        return False
    fixed = slice(1, 2) if len(wanted) == 4 and dynamic == "full" else slice(1, None)
    return given[fixed] == wanted[fixed]


def _like(output: Any, images: Any) -> Any:
    """Give an output the form of what came in."""
    if isinstance(images, Tensor):
        return torch.from_numpy(output)
    one, many = isinstance(images, Image.Image), _are_images(images)
    if not one and not many and np.asarray(images).dtype != np.uint8:
        return output
    pixels = ((output.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8).transpose(0, 2, 3, 1)
    if many:
        return [_image(each) for each in pixels]
    if one:
        return _image(pixels[0])
    return pixels[0] if np.asarray(images).ndim < 4 else pixels
