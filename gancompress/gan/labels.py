"""Label maps with their pictures: one-hot channels, instance edges, augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from gancompress.errors import DataError
from gancompress.gan.family import Batch
from gancompress.gan.pictures import Pixels, to_tensor

Labels = npt.NDArray[Any]
UNKNOWN: Final = 255
"""The label of pixels whose class nobody knows."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """One label map and its picture.

    Args:
        labels: ``(H, W)``, whole numbers from 0.
        picture: ``(H, W, 3)`` bytes.
        instances: ``(H, W)``, another number for each thing; None where there is no such map.
        source: What to name in errors.
    """

    labels: Labels
    picture: Pixels
    instances: Labels | None = None
    source: str = "the label map"


class LabelledPictures(Protocol):
    """A row of label maps with their pictures, in memory or read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Labelled: ...


class LabelArrays:
    """Label maps and pictures that are held in memory.

    Args:
        labels: ``(N, H, W)``, whole numbers from 0.
        pictures: ``(N, H, W, 3)`` bytes.

    Raises:
        DataError: If there are none, or not as many pictures as label maps.
    """

    def __init__(self, labels: Labels, pictures: Pixels) -> None:
        if len(labels) != len(pictures):
            raise DataError(
                f"there are {len(labels)} label maps but {len(pictures)} pictures",
                hint="give every label map one picture",
            )
        if not len(labels):
            raise DataError("there is not one label map", hint="check the folder and the split")
        self.labels, self.pictures = labels, pictures

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Labelled:
        return Labelled(self.labels[index], self.pictures[index], source=f"label map {index}")


def one_hot(
    labels: Labels, classes: int, *, dont_care: bool = False, source: str = "the label map"
) -> Tensor:
    """Give every class a channel.

    Args:
        labels: ``(H, W)``, whole numbers from 0.
        classes: How many classes there are.
        dont_care: Whether 255 means that the class is not known; it has the last channel then.
        source: What to name in an error.

    Returns:
        ``(classes, H, W)`` of 0 and 1, with one channel more for what is not known.

    Raises:
        DataError: If there is a label that is no class.
    """
    # Through a table of all labels, as the data may be of 8 or of 16 bits.
    flat = labels.astype(np.int64)
    if dont_care:
        flat = np.where(flat == UNKNOWN, classes, flat)
    channels = classes + int(dont_care)
    outside = (flat < 0) | (flat >= channels) | ((labels == classes) & (classes != UNKNOWN))
    if outside.any():
        raise DataError(
            f"'{source}' has the label {int(labels[outside].flat[0])}, and the classes are 0 to "
            f"{classes - 1}",
            hint="set the number of classes"
            + ("" if dont_care else ", or dont_care where 255 means that it is not known"),
        )
    return F.one_hot(torch.from_numpy(flat), channels).permute(2, 0, 1).float().contiguous()


def instance_edges(instances: Labels) -> Tensor:
    """Mark the pixels at which one thing ends and another begins.

    Args:
        instances: ``(H, W)``, another number for each thing.

    Returns:
        ``(1, H, W)``: 1 where a neighbour above, below, left or right has another number, else 0.
    """
    edges = np.zeros(instances.shape, dtype=np.bool_)
    beside = instances[:, 1:] != instances[:, :-1]
    below = instances[1:] != instances[:-1]
    edges[:, 1:] |= beside
    edges[:, :-1] |= beside
    edges[1:] |= below
    edges[:-1] |= below
    return torch.from_numpy(edges[None].astype(np.float32))


@dataclass(frozen=True)
class Augmentation:
    """What happens to training samples at random, to label map and picture alike.

    Args:
        flip: Whether to mirror left and right.
        flip_vertical: Whether to mirror up and down, for pictures seen from above.
        crop: Height and width that are cut out; None keeps the whole sample.
    """

    flip: bool = False
    flip_vertical: bool = False
    crop: tuple[int, int] | None = None

    def apply(self, planes: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Change planes ``(H, W, ...)`` of one sample all in the same way."""
        # One draw for every choice, used or not, keeps the random stream independent of options.
        mirror, turn, down, right = torch.rand(4).tolist()
        changed = list(planes)
        if self.crop is not None:
            height, width = self.crop
            top = int(down * (changed[0].shape[0] - height + 1))
            left = int(right * (changed[0].shape[1] - width + 1))
            changed = [plane[top : top + height, left : left + width] for plane in changed]
        if self.flip and mirror < 0.5:
            changed = [plane[:, ::-1] for plane in changed]
        if self.flip_vertical and turn < 0.5:
            changed = [plane[::-1] for plane in changed]
        return changed


class LabelMaps(Dataset[Batch]):
    """Samples whose input is a one-hot label map and whose target is its picture.

    Args:
        samples: The label maps with their pictures.
        classes: How many classes there are.
        dont_care: Whether 255 has a channel of its own, after the classes.
        edges: Whether the edges of instances are the last channel.
        augmentation: What happens at random; None for nothing.
    """

    def __init__(
        self,
        samples: LabelledPictures,
        classes: int,
        *,
        dont_care: bool = False,
        edges: bool = False,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.samples, self.classes = samples, classes
        self.dont_care, self.edges, self.augmentation = dont_care, edges, augmentation

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Batch:
        sample = self.samples[index]
        labels, picture, instances = sample.labels, sample.picture, sample.instances
        if self.edges and instances is None:
            raise DataError(
                f"'{sample.source}' has no instance map beside it", hint="leave the edges out"
            )
        if self.augmentation is not None:
            planes = [labels, picture, labels if instances is None else instances]
            labels, picture, instances = self.augmentation.apply(planes)
        maps = one_hot(labels, self.classes, dont_care=self.dont_care, source=sample.source)
        if self.edges and instances is not None:
            # After the cut: its border is no edge of anything.
            maps = torch.cat([maps, instance_edges(instances)])
        return Batch((maps,), to_tensor(picture))
