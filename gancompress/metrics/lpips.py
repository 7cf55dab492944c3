"""LPIPS (arXiv 1801.03924), by torchmetrics, which carries the learned weights of the distance.

The weights of the network itself are torchvision's, of a given file or fetched once.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import torch
from torch import Tensor

from gancompress.config import Model, parse
from gancompress.errors import CheckpointError, DataError
from gancompress.gan.family import Batch
from gancompress.metrics.builtin import import_torchmetrics
from gancompress.metrics.metric import Metric, targets_of
from gancompress.metrics.pixel import check_pair
from gancompress.store import download, load_weights

DOWNLOAD: Final = "download"
_ADDRESS: Final = "https://download.pytorch.org/models/"
# torchvision's files on ImageNet, by the name that LPIPS has for the network
FILES: Final[Mapping[str, tuple[str, str]]] = {
    "alex": (
        "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    "vgg": (
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    "squeeze": (
        "squeezenet1_1-b8a52dc0.pth",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    ),
}
# What several poolings leave of a smaller picture is nothing.
_SMALLEST: Final = 32
_CHUNK: Final = 16  # pairs in one forward pass, to bound the memory


class LpipsOptions(Model):
    """Options of ``lpips``.

    Args:
        net: The network: AlexNet, VGG-16 or SqueezeNet 1.1.
        weights: ``download`` for torchvision's file, fetched once, or the path of such a state
            dict.
    """

    net: Literal["alex", "vgg", "squeeze"] = "alex"
    weights: str = DOWNLOAD


class Lpips(Metric):
    """Learned perceptual distance between pictures and their counterparts, version 0.1.

    Args:
        options: The network and its weights.
    """

    name: ClassVar[str] = "lpips"
    higher_is_better: ClassVar[bool] = False

    def __init__(self, options: LpipsOptions | None = None) -> None:
        self._options = options or LpipsOptions()

    def configure(self, options: Mapping[str, Any], *, trust: bool = False) -> "Lpips":
        """Return the metric with a network of the user's choice.

        Args:
            options: See `LpipsOptions`.
            trust: Has no meaning here: no code is loaded.
        """
        del trust
        return Lpips(parse(LpipsOptions, dict(options), source=f"[metrics.{self.name}]"))

    def protocol(self) -> dict[str, Any]:
        """Return the network, the digest of all weights, and the library."""
        library = import_torchmetrics()
        return {
            "net": self._options.net,
            "version": "0.1",
            "weights_sha256": self._distance[1],
            "average": "over pictures, at their own size",
            "library": f"torchmetrics {library.__version__}",
        }

    def rehearse(self, data: Sequence[Batch]) -> None:
        """Find out whether the pictures are large enough.

        Args:
            data: Batches of the data.
        """
        real = targets_of(data)
        self.compute(real, real)

    @torch.no_grad()
    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the mean distance.

        Args:
            outputs: ``(N, 3, H, W)`` or ``(N, 1, H, W)`` in [-1, 1], from 32 pixels on.
            references: Pictures of the same shape, in the same order.

        Raises:
            MissingExtraError: If torchmetrics is not installed.
            DataError: If the shapes differ, there is no picture, or it is too small.
        """
        first, second = check_pair(outputs, references)
        if min(first.shape[-2:]) < _SMALLEST or first.shape[1] not in {1, 3}:
            raise DataError(
                f"'lpips' needs grey or RGB pictures of at least {_SMALLEST} pixels, and these "
                f"are of shape {tuple(first.shape[1:])}",
                hint="compare larger pictures, or use lpips-lite0",
            )
        net = self._distance[0]
        pairs = zip(torch.split(first, _CHUNK), torch.split(second, _CHUNK), strict=True)
        return sum(float(net(_rgb(a), _rgb(b)).sum()) for a, b in pairs) / len(first)

    @cached_property
    def _distance(self) -> tuple[Callable[[Tensor, Tensor], Tensor], str]:
        """The network, and the digest of its weights."""
        import_torchmetrics()
        library: Any = import_module("torchmetrics.functional.image.lpips")
        # Its public class always downloads the network's weights; this one starts from random ones.
        net = library._NoTrainLpips(net=self._options.net, pnet_rand=True)  # noqa: SLF001
        own = net.net.state_dict()
        state, source = self._weights()
        # Both number the layers as torchvision does, and torchmetrics puts them into slices.
        wanted = {name: f"features.{_within_slice(name)}" for name in own}
        lacking = [
            name
            for name, theirs in wanted.items()
            if theirs not in state or state[theirs].shape != own[name].shape
        ]
        if lacking:
            raise CheckpointError(
                f"'{source}' is not torchvision's network for LPIPS '{self._options.net}': "
                f"'{wanted[lacking[0]]}' is missing or has another shape",
                hint=f"give the file {FILES[self._options.net][0]} of {_ADDRESS}",
            )
        net.net.load_state_dict({name: state[theirs] for name, theirs in wanted.items()})
        return net, _digest(net.state_dict())

    def _weights(self) -> tuple[dict[str, Tensor], str]:
        name, sha256 = FILES[self._options.net]
        if self._options.weights != DOWNLOAD:
            path = Path(self._options.weights).expanduser()
            return load_weights(path), str(path)
        hint = "fetch it by hand and give its path as the option 'weights', or use lpips-lite0"
        place = download(_ADDRESS + name, sha256=sha256, hint=hint)
        return load_weights(place), str(place)


def _within_slice(name: str) -> str:
    # "slices.0.3.weight" of SqueezeNet, "slice1.3.weight" of the others
    return name.split(".", 2)[2] if name.startswith("slices.") else name.split(".", 1)[1]


def _rgb(pictures: Tensor) -> Tensor:
    return pictures.float().expand(-1, 3, -1, -1)


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().flatten().numpy().tobytes())
    return digest.hexdigest()
