"""Python around the layers: loops over module lists, branches on shapes, int() and len() of
shapes, and a branch on what is in a tensor. After the forward passes of ProGAN (Karras et al.
2018), whose depth follows the size, and of SRFlow-like code that grew over time."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class Looped(nn.Module):
    """Loops forwards and backwards, by enumerate and zip, with branches on flags and sizes."""

    def __init__(self, width: int = 8, depth: int = 2) -> None:
        super().__init__()
        self.depth = depth
        self.downs = nn.ModuleList()
        self.ups = nn.ModuleList()
        inputs = 3
        for number in range(depth):
            self.downs.append(nn.Conv2d(inputs, width * 2**number, 3, stride=2, padding=1))
            inputs = width * 2**number
        for number in reversed(range(depth)):
            self.ups.append(nn.Conv2d(inputs * (1 if number == depth - 1 else 2), inputs // 2, 3))
            inputs //= 2
        self.norms = nn.ModuleDict({"first": nn.InstanceNorm2d(inputs), "other": nn.Identity()})
        self.last = nn.Conv2d(inputs, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for number, layer in enumerate(self.downs):
            x = layer(x)
            if number < len(self.downs) - 1:
                skips.append(x)
            x = torch.relu(x)
        for number, layer in enumerate(self.ups):
            if number > 0:
                x = torch.cat([x, F.relu(skips[-number])], dim=1)
            x = layer(F.pad(F.interpolate(x, scale_factor=2.0), (1, 1, 1, 1)))
        for name, norm in self.norms.items():
            if name == "first":
                x = norm(x)
        return torch.tanh(self.last(x))


class Shaped(nn.Module):
    """Branches on shapes, and arithmetic on them by int(), round() and len()."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.squeeze = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if len(x.shape) != 4 or x.size(1) != 3:
            raise ValueError(f"expected a batch of pictures, not {tuple(x.shape)}")
        h, w = int(x.shape[2]), int(x.shape[-1])
        y = self.first(x)
        if h >= 8 and w >= 8:
            y = self.squeeze(F.relu(y))
        for layer in self.body:
            z = layer(F.relu(y))
            y = z + y if z.shape == y.shape else z
        middle = (int(h * 0.75), round(w / 2))
        y = F.interpolate(y, size=middle, mode="bilinear", align_corners=False)
        if y.shape[2:] != x.shape[2:]:
            y = F.interpolate(y, size=(h, w), mode="nearest")
        return torch.tanh(self.last(y))


class Decides(nn.Module):
    """Takes another way where its features are positive on average."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bright = nn.Conv2d(width, width, 3, padding=1)
        self.dark = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bright(x) if x.mean() > 0 else self.dark(x)
        return y


class Deciding(nn.Module):
    """Most of it is plain; one submodule branches on what is in a tensor."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.Conv2d(width, width * 2, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(width * 2, width, 4, stride=2, padding=1)
        self.decides = Decides(width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.up(F.relu(self.down(F.relu(self.first(x))))))
        return torch.tanh(self.last(F.relu(self.decides(x))))


def picture() -> tuple[Tensor]:
    return (torch.randn(1, 3, 16, 16),)


CASES = (
    Case("python-loops", Looped, picture, elastic=0.99),
    Case("python-shapes", Shaped, picture, elastic=0.99),
    Case(
        "python-data-branch",
        Deciding,
        picture,
        elastic=0.56,
        why="the submodule that branches on a value is opaque, with what enters and leaves it",
        export=False,
    ),
)
