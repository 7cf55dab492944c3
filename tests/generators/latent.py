"""Latent to image: DCGAN (Radford et al. 2016), conditional GAN (Mirza and Osindero 2014), BigGAN's
class-conditional norms (Brock et al. 2019)."""

import torch
from generators.case import Case
from torch import Tensor, nn


class Latent(nn.Module):
    """Linear → view → transposed convolutions."""

    def __init__(self, latent: int = 8, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(latent, width * 2 * 4 * 4)
        self.norm = nn.BatchNorm2d(width * 2)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(width * 2, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        x = self.project(z).view(z.size(0), -1, 4, 4)
        y: Tensor = self.up(torch.relu(self.norm(x)))
        return y


class FixedLatent(Latent):
    """The same, with its width written out in the view."""

    def forward(self, z: Tensor) -> Tensor:
        x = self.project(z).view(-1, self.width * 2, 4, 4)
        y: Tensor = self.up(torch.relu(self.norm(x)))
        return y


class Convolved(nn.Module):
    """DCGAN itself: the latent is a picture of one pixel."""

    def __init__(self, latent: int = 8, width: int = 8) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(latent, width * 2, 4, 1, 0, bias=False),
            nn.BatchNorm2d(width * 2),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width * 2, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        y: Tensor = self.main(z[:, :, None, None])
        return y


class ConditionalNorm(nn.Module):
    """A batch norm whose scale and shift are looked up for each class."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.embed = nn.Embedding(classes, width * 2)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        scale, shift = self.embed(label).chunk(2, 1)
        y: Tensor = self.norm(x) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
        return y


class Conditional(nn.Module):
    """The class enters beside the latent, and in every norm."""

    def __init__(self, latent: int = 8, width: int = 8, classes: int = 5) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, 8)
        self.project = nn.Linear(latent + 8, width * 2 * 4 * 4)
        self.norm1 = ConditionalNorm(width * 2, classes)
        self.up1 = nn.ConvTranspose2d(width * 2, width, 4, 2, 1)
        self.norm2 = ConditionalNorm(width, classes)
        self.up2 = nn.ConvTranspose2d(width, 3, 4, 2, 1)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        x = self.project(torch.cat((self.embed(label), z), dim=1)).view(z.shape[0], -1, 4, 4)
        x = self.up1(torch.relu(self.norm1(x, label)))
        return torch.tanh(self.up2(torch.relu(self.norm2(x, label))))


def latent() -> tuple[Tensor]:
    return (torch.randn(2, 8),)


def labelled() -> tuple[Tensor, Tensor]:
    return torch.randn(2, 8), torch.tensor([1, 3])


CASES = (
    Case("latent", Latent, latent, elastic=0.99, size=False),
    Case("latent-fixed-view", FixedLatent, latent, elastic=0.99, size=False),
    Case("latent-dcgan", Convolved, latent, elastic=0.99, size=False),
    Case("latent-conditional", Conditional, labelled, elastic=0.99, size=False),
)
