"""Several outputs, in tuples, lists and dicts: segmentation and depth beside the picture, as
multi-task translators return them (after Lin et al. 2019), and features of inner layers."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class Trunk(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.Conv2d(width, width * 2, 3, stride=2, padding=1)
        self.norm = nn.InstanceNorm2d(width * 2, affine=True)
        self.up = nn.Conv2d(width * 2, width, 3, padding=1)
        self.picture = nn.Conv2d(width, 3, 3, padding=1)
        self.mask = nn.Conv2d(width, 1, 1)
        self.head = nn.Linear(width * 2, 4)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        down = F.relu(self.norm(self.down(F.relu(self.first(x)))))
        up = F.relu(self.up(F.interpolate(down, scale_factor=2)))
        return torch.tanh(self.picture(up)), torch.sigmoid(self.mask(up)), down


class Several(Trunk):
    """Picture, attention mask and their mixture (after Pumarola et al. 2018)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        picture, mask, _ = self.parts(x)
        return mask * picture + (1 - mask) * x, picture, mask


class Mapped(Trunk):
    """A dict with a list within."""

    def forward(self, x: Tensor) -> dict[str, Tensor | list[Tensor]]:
        picture, mask, down = self.parts(x)
        logits = self.head(down.mean((2, 3)))
        return {"picture": picture, "scales": [mask, F.avg_pool2d(mask, 2)], "logits": logits}


class Features(Trunk):
    """The features of the last but one layer are an output: their channels must stay."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        picture, _, down = self.parts(x)
        return picture, down


class Result(NamedTuple):
    picture: Tensor
    mask: Tensor | None


class Named(Trunk):
    """A named tuple, of which one part may be None."""

    def forward(self, x: Tensor) -> Result:
        picture, _, _ = self.parts(x)
        return Result(picture, None)


def picture() -> tuple[Tensor]:
    return (torch.randn(1, 3, 16, 16),)


CASES = (
    Case("outputs-several", Several, picture, elastic=0.99),
    Case("outputs-dict", Mapped, picture, elastic=0.99),
    Case(
        "outputs-features",
        Features,
        picture,
        elastic=0.99,
        why="the 16 channels that are an output stay; their neighbours narrow on the other side",
    ),
    Case("outputs-named", Named, picture, elastic=0.99),
)
