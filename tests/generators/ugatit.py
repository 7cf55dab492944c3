"""U-GAT-IT (Kim et al. 2020): attention from pooled features, adaptive layer-instance norm."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


def blended(x: Tensor, rho: Tensor) -> Tensor:
    """Normalise over space, and over everything, and blend the two by a learned share."""
    mean, var = x.mean(dim=[2, 3], keepdim=True), x.var(dim=[2, 3], keepdim=True)
    instance = (x - mean) / torch.sqrt(var + 1e-5)
    mean, var = x.mean(dim=[1, 2, 3], keepdim=True), x.var(dim=[1, 2, 3], keepdim=True)
    layer = (x - mean) / torch.sqrt(var + 1e-5)
    share = rho.expand(x.shape[0], -1, -1, -1)
    return share * instance + (1 - share) * layer


class AdaLIN(nn.Module):
    """Scale and shift come from outside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, width, 1, 1), 0.9))

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        y = blended(x, self.rho)
        return y * gamma.unsqueeze(2).unsqueeze(3) + beta.unsqueeze(2).unsqueeze(3)


class LIN(nn.Module):
    """Scale and shift are its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, width, 1, 1), 0.1))
        self.gamma = nn.Parameter(torch.ones(1, width, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        y = blended(x, self.rho)
        return y * self.gamma.expand(batch, -1, -1, -1) + self.beta.expand(batch, -1, -1, -1)


class AdaptiveBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.pad1, self.pad2 = nn.ReflectionPad2d(1), nn.ReflectionPad2d(1)
        self.conv1 = nn.Conv2d(width, width, 3, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, bias=False)
        self.norm1, self.norm2 = AdaLIN(width), AdaLIN(width)
        self.relu1 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        y = self.relu1(self.norm1(self.conv1(self.pad1(x)), gamma, beta))
        return self.norm2(self.conv2(self.pad2(y)), gamma, beta) + x


class CamGate(nn.Module):
    """Attention by two class activation maps, whose logits are an output as well.

    ``shared`` weighs the features by the classifiers' own weights, as the paper does; else by a
    gate computed from what was pooled.
    """

    def __init__(self, width: int, *, shared: bool) -> None:
        super().__init__()
        self.shared = shared
        self.gap_fc = nn.Linear(width, 1, bias=False)
        self.gmp_fc = nn.Linear(width, 1, bias=False)
        self.conv1x1 = nn.Conv2d(width * 2, width, 1)

    def weighed(self, x: Tensor, pooled: Tensor, fc: nn.Linear) -> tuple[Tensor, Tensor]:
        logit = fc(pooled.view(x.shape[0], -1))
        if self.shared:
            weight = next(iter(fc.parameters()))
            return x * weight.unsqueeze(2).unsqueeze(3), logit
        return x * torch.sigmoid(pooled), logit

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        gap, gap_logit = self.weighed(x, F.adaptive_avg_pool2d(x, 1), self.gap_fc)
        gmp, gmp_logit = self.weighed(x, F.adaptive_max_pool2d(x, 1), self.gmp_fc)
        logits = torch.cat([gap_logit, gmp_logit], 1)
        return torch.relu(self.conv1x1(torch.cat([gap, gmp], 1))), logits


class UGATIT(nn.Module):
    def __init__(self, width: int = 8, *, shared: bool = True) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, width, 7, bias=False),
            nn.InstanceNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width * 2, 3, stride=2, bias=False),
            nn.InstanceNorm2d(width * 2),
            nn.ReLU(inplace=True),
        )
        width *= 2
        self.cam = CamGate(width, shared=shared)
        self.fc = nn.Sequential(
            nn.Linear(width, width, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(width, width, bias=False),
            nn.ReLU(inplace=True),
        )
        self.gamma = nn.Linear(width, width, bias=False)
        self.beta = nn.Linear(width, width, bias=False)
        for number in range(2):
            setattr(self, f"block_{number + 1}", AdaptiveBlock(width))
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width // 2, 3, bias=False),
            LIN(width // 2),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width // 2, 3, 7, bias=False),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, logits = self.cam(self.down(x))
        heatmap = torch.sum(x, dim=1, keepdim=True)
        pooled = F.adaptive_avg_pool2d(x, 1)
        style = self.fc(pooled.view(pooled.shape[0], -1))
        gamma, beta = self.gamma(style), self.beta(style)
        for number in range(2):
            x = getattr(self, f"block_{number + 1}")(x, gamma, beta)
        return self.up(x), logits, heatmap


def picture() -> tuple[Tensor]:
    return (torch.randn(1, 3, 16, 16),)


CASES = (
    Case(
        "ugatit",
        UGATIT,
        picture,
        elastic=0.99,
    ),
    Case(
        "ugatit-gate",
        lambda: UGATIT(shared=False),
        picture,
        elastic=0.99,
    ),
)
