"""Volumes (3D-GAN, Wu et al. 2016; 3-D U-Net, Çiçek et al. 2016) and waveforms (WaveGAN, Donahue
et al. 2019; MelGAN, Kumar et al. 2019)."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class Volume(nn.Module):
    """A 3-D U-Net of one level."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, width, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(width)
        self.down = nn.Conv3d(width, width * 2, 3, padding=1)
        self.norm2 = nn.InstanceNorm3d(width * 2, affine=True)
        self.pool = nn.MaxPool3d(2)
        self.drop = nn.Dropout3d(0.1)
        self.up = nn.ConvTranspose3d(width * 2, width, 2, stride=2)
        self.fuse = nn.Conv3d(width * 2, width, 3, padding=1)
        self.last = nn.Conv3d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = F.relu(self.norm1(self.first(x)))
        y = self.drop(F.relu(self.norm2(self.down(self.pool(skip)))))
        y = torch.cat([skip, self.up(y)], dim=1)
        return torch.tanh(self.last(F.relu(self.fuse(y))))


class Shape(nn.Module):
    """3D-GAN: a latent becomes a volume."""

    def __init__(self, latent: int = 8, width: int = 8) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.ConvTranspose3d(latent, width * 2, 4, 1, 0, bias=False),
            nn.BatchNorm3d(width * 2),
            nn.ReLU(inplace=True),
            nn.ConvTranspose3d(width * 2, width, 4, 2, 1, bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            nn.Conv3d(width, 1, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, z: Tensor) -> Tensor:
        y: Tensor = self.model(z.view(z.size(0), z.size(1), 1, 1, 1))
        return y


class ResStack(nn.Module):
    """Dilated convolutions beside a 1×1 shortcut."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.ReflectionPad1d(dilation),
            nn.Conv1d(width, width, 3, dilation=dilation),
            nn.LeakyReLU(0.2),
            nn.Conv1d(width, width, 1),
        )
        self.shortcut = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shortcut(x) + self.block(x)
        return y


class Waveform(nn.Module):
    """MelGAN: a spectrogram becomes a waveform."""

    def __init__(self, mels: int = 10, width: int = 16) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.ReflectionPad1d(3),
            nn.Conv1d(mels, width, 7),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose1d(width, width // 2, 8, stride=4, padding=2),
            nn.BatchNorm1d(width // 2),
            *(ResStack(width // 2, 3**n) for n in range(2)),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose1d(width // 2, 8, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.ReflectionPad1d(3),
            nn.Conv1d(8, 1, 7),
            nn.Tanh(),
        )

    def forward(self, mel: Tensor) -> Tensor:
        y: Tensor = self.model(mel)
        return y


class Signal(nn.Module):
    """WaveGAN: linear, then transposed 1-D convolutions."""

    def __init__(self, latent: int = 8, width: int = 8) -> None:
        super().__init__()
        self.project = nn.Linear(latent, width * 2 * 8)
        self.up1 = nn.ConvTranspose1d(width * 2, width, 4, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, width)
        self.up2 = nn.ConvTranspose1d(width, 1, 4, stride=2, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = F.relu(self.project(z).view(z.size(0), -1, 8))
        return torch.tanh(self.up2(F.relu(self.norm(self.up1(x)))))


CASES = (
    Case("3d-unet", Volume, lambda: (torch.randn(1, 1, 8, 8, 8),), elastic=0.99),
    Case("3d-latent", Shape, lambda: (torch.randn(2, 8),), elastic=0.99, size=False),
    Case("1d-vocoder", Waveform, lambda: (torch.randn(1, 10, 12),), elastic=0.99),
    Case("1d-latent", Signal, lambda: (torch.randn(2, 8),), elastic=0.99, size=False),
)
