"""Window attention, as in SwinIR (Liang et al. 2021) after Swin Transformer (Liu et al. 2021)."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


def into_windows(x: Tensor, size: int) -> Tensor:
    """(B, H, W, C) → (B · windows, size, size, C)."""
    b, h, w, c = x.shape
    x = x.view(b, h // size, size, w // size, size, c)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, size, size, c)


def out_of_windows(windows: Tensor, size: int, h: int, w: int) -> Tensor:
    """(B · windows, size, size, C) → (B, H, W, C)."""
    b = windows.shape[0] // (h * w // size // size)
    x = windows.view(b, h // size, w // size, size, size, -1)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(b, h, w, -1)


def places(size: int) -> Tensor:
    """Row of the bias table for each pair of places in a window."""
    grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"))
    flat = grid.flatten(1)
    distance = flat[:, :, None] - flat[:, None, :] + size - 1
    return distance[0] * (2 * size - 1) + distance[1]


class WindowAttention(nn.Module):
    """Heads within a window, with a learned bias for each relative position."""

    def __init__(self, dim: int, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.bias_table = nn.Parameter(torch.randn((2 * size - 1) ** 2, heads) * 0.02)
        self.register_buffer("places", places(size))
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.bias_table[self.places.view(-1)].view(n, n, -1).permute(2, 0, 1)
        scores = scores + bias.unsqueeze(0)
        if mask is not None:
            count = mask.shape[0]
            scores = scores.view(b // count, count, self.heads, n, n)
            scores = (scores + mask.unsqueeze(1).unsqueeze(0)).view(-1, self.heads, n, n)
        x = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, n, c)
        y: Tensor = self.proj(x)
        return y


class Block(nn.Module):
    """Attention in windows that may be shifted, then two linear layers."""

    def __init__(self, dim: int, heads: int, size: int, shift: int) -> None:
        super().__init__()
        self.size, self.shift = size, shift
        self.norm1 = nn.LayerNorm(dim)
        self.attention = WindowAttention(dim, size, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, dim * 2), nn.GELU(), nn.Linear(dim * 2, dim))

    def mask(self, h: int, w: int, x: Tensor) -> Tensor:
        """Keep apart what only the roll has made neighbours."""
        parts = (slice(0, -self.size), slice(-self.size, -self.shift), slice(-self.shift, None))
        region = torch.zeros((1, h, w, 1), device=x.device)
        for number, (rows, columns) in enumerate((a, b) for a in parts for b in parts):
            region[:, rows, columns, :] = number
        windows = into_windows(region, self.size).view(-1, self.size * self.size)
        apart = windows.unsqueeze(1) - windows.unsqueeze(2)
        return apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)

    def forward(self, x: Tensor, x_size: tuple[int, int]) -> Tensor:
        h, w = x_size
        b, _, c = x.shape
        kept = x
        x = self.norm1(x).view(b, h, w, c)
        if self.shift > 0:
            x = torch.roll(x, shifts=(-self.shift, -self.shift), dims=(1, 2))
        windows = into_windows(x, self.size).view(-1, self.size * self.size, c)
        mask = self.mask(h, w, x) if self.shift > 0 else None
        windows = self.attention(windows, mask).view(-1, self.size, self.size, c)
        x = out_of_windows(windows, self.size, h, w)
        if self.shift > 0:
            x = torch.roll(x, shifts=(self.shift, self.shift), dims=(1, 2))
        x = kept + x.view(b, h * w, c)
        return x + self.mlp(self.norm2(x))


class Stage(nn.Module):
    """A residual group: two blocks, then a convolution over the picture."""

    def __init__(self, dim: int, heads: int, size: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, heads, size, shift) for shift in (0, size // 2))
        self.conv = nn.Conv2d(dim, dim, 3, 1, 1)

    def forward(self, x: Tensor, x_size: tuple[int, int]) -> Tensor:
        kept = x
        for block in self.blocks:
            x = block(x, x_size)
        x = x.transpose(1, 2).view(x.shape[0], -1, x_size[0], x_size[1])
        return self.conv(x).flatten(2).transpose(1, 2) + kept


class SwinIR(nn.Module):
    """Shallow convolution, window attention, pixel shuffle; pads to whole windows."""

    def __init__(self, dim: int = 16, heads: int = 2, size: int = 4, scale: int = 2) -> None:
        super().__init__()
        self.size, self.scale = size, scale
        self.register_buffer("mean", torch.tensor([0.45, 0.44, 0.40]).view(1, 3, 1, 1))
        self.first = nn.Conv2d(3, dim, 3, 1, 1)
        self.stages = nn.ModuleList([Stage(dim, heads, size)])
        self.norm = nn.LayerNorm(dim)
        self.body = nn.Conv2d(dim, dim, 3, 1, 1)
        self.upsample = nn.Sequential(
            nn.Conv2d(dim, 8, 3, 1, 1),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(8, scale * scale * 8, 3, 1, 1),
            nn.PixelShuffle(scale),
            nn.Conv2d(8, 3, 3, 1, 1),
        )

    def padded(self, x: Tensor) -> Tensor:
        _, _, h, w = x.size()
        right = (self.size - w % self.size) % self.size
        bottom = (self.size - h % self.size) % self.size
        return F.pad(x, (0, right, 0, bottom), "reflect")

    def features(self, x: Tensor) -> Tensor:
        x_size = (x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2)
        for stage in self.stages:
            x = stage(x, x_size)
        b, _, c = x.shape
        return self.norm(x).transpose(1, 2).view(b, c, x_size[0], x_size[1])

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        x = self.first(self.padded(x) - self.mean)
        x = self.body(self.features(x)) + x
        x = self.upsample(x)
        return (x + self.mean)[:, :, : h * self.scale, : w * self.scale]


CASES = (
    Case(
        "window-attention",
        SwinIR,
        lambda: (torch.randn(1, 3, 16, 14),),
        elastic=0.99,
    ),
)
