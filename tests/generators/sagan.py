"""Self-attention: SAGAN (Zhang et al. 2019)."""

import torch
from generators.case import Case
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Every position attends to every other; a learned scale lets it in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 2, 1)
        self.key = nn.Conv2d(channels, channels // 2, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        b, c, w, h = x.size()
        query = self.query(x).view(b, -1, w * h).permute(0, 2, 1)
        key = self.key(x).view(b, -1, w * h)
        attention = self.softmax(torch.bmm(query, key))
        value = self.value(x).view(b, -1, w * h)
        out = torch.bmm(value, attention.permute(0, 2, 1)).view(b, c, w, h)
        return self.gamma * out + x, attention


class Sagan(nn.Module):
    """From a latent vector: transposed convolutions and one attention."""

    def __init__(self, latent: int = 6, width: int = 8) -> None:
        super().__init__()
        self.l1 = nn.Sequential(
            nn.ConvTranspose2d(latent, 4 * width, 4), nn.BatchNorm2d(4 * width), nn.ReLU()
        )
        self.l2 = nn.Sequential(
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU()
        )
        self.attn = SelfAttention(2 * width)
        self.last = nn.Sequential(nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        z = z.view(z.size(0), z.size(1), 1, 1)
        out, attention = self.attn(self.l2(self.l1(z)))
        return self.last(out), attention


CASES = (
    Case(
        "sagan",
        Sagan,
        args=lambda: (torch.randn(1, 6),),
        elastic=1.0,
        size=False,
    ),
)
