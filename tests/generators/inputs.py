"""Inputs of every kind: several, by keyword, in dicts, tuples and lists, None, and no tensors.

After layout to image (LostGAN, Sun and Wu 2019): picture, features of the boxes, style."""

from typing import Any

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class Several(nn.Module):
    """Picture, mask and style; the mask may be None, and a number scales the residual."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, width, 3, padding=1)
        self.style = nn.Linear(6, width)
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        style: Tensor | None = None,
        strength: float = 1.0,
        mode: str = "add",
        clamp: bool = False,
    ) -> Tensor:
        if mask is None:
            mask = torch.ones_like(x[:, :1])
        y = F.relu(self.first(torch.cat([x, mask], dim=1)))
        if style is not None:
            y = y * (1 + self.style(style)[:, :, None, None])
        y = F.relu(self.body(y))
        y = self.last(y) * strength
        y = x + y if mode == "add" else y
        return y.clamp(-1, 1) if clamp else torch.tanh(y)


class Nested(nn.Module):
    """A dict of picture, list of maps and tuple of codes."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.maps = nn.ModuleList(nn.Conv2d(n, width, 1) for n in (2, 5))
        self.codes = nn.ModuleList(nn.Linear(4, width) for _ in range(2))
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, batch: dict[str, Any], flags: tuple[bool, None], sizes: list[int]) -> Tensor:
        y = self.first(batch["picture"])
        for layer, maps in zip(self.maps, batch["maps"], strict=True):
            y = y + layer(F.interpolate(maps, size=y.shape[2:]))
        shift, scale = batch["codes"]
        if "extra" in batch:
            y = y + batch["extra"]
        y = y + self.codes[0](shift)[:, :, None, None]
        y = y * self.codes[1](scale).unsqueeze(-1).unsqueeze(-1)
        if flags[0] and flags[1] is None:
            y = F.relu(y)
        y = F.interpolate(y, size=tuple(sizes))
        return torch.tanh(self.last(y))


class Loose(nn.Module):
    """Inputs gathered by *args and **kwargs."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, width, 3, padding=1) for _ in range(2))
        self.label = nn.Embedding(4, width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, *pictures: Tensor, **options: Any) -> Tensor:
        y = torch.stack([f(x) for f, x in zip(self.layers, pictures, strict=True)]).sum(0)
        label = options.get("label")
        if label is not None:
            y = y + self.label(label)[..., None, None]
        return torch.tanh(self.last(F.relu(y)))


def nested() -> tuple[Any, ...]:
    batch = {
        "picture": torch.randn(1, 3, 16, 16),
        "maps": [torch.randn(1, 2, 8, 8), torch.randn(1, 5, 16, 16)],
        "codes": (torch.randn(1, 4), torch.randn(1, 4)),
    }
    return batch, (True, None), [16, 16]


def pictures() -> tuple[Tensor, Tensor]:
    return torch.randn(1, 3, 16, 16), torch.randn(1, 3, 16, 16)


CASES = (
    Case("inputs-none", Several, lambda: (torch.randn(1, 3, 16, 16), None), elastic=0.99),
    Case(
        "inputs-keyword",
        Several,
        lambda: (torch.randn(1, 3, 16, 16),),
        lambda: {
            "style": torch.randn(1, 6),
            "mask": torch.rand(1, 1, 16, 16),
            "strength": 0.5,
            "mode": "replace",
            "clamp": True,
        },
        elastic=0.99,
    ),
    Case("inputs-nested", Nested, nested, elastic=0.99),
    Case(
        "inputs-variadic",
        Loose,
        pictures,
        lambda: {"label": torch.tensor([2])},
        elastic=0.99,
    ),
)
