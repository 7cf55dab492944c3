"""A ResNet supernet as one writes it by hand: layers that slice, and a plain loop that trains them.

Nothing of gancompress is in it but the widths' names, so that its speed is that of plain PyTorch.
"""

import random
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SlicedConv(nn.Conv2d):
    """A convolution of the first channels."""

    def run(self, x: Tensor, out: int) -> Tensor:
        bias = None if self.bias is None else self.bias[:out]
        weight = self.weight[:out, : x.shape[1]]
        return F.conv2d(x, weight, bias, self.stride, self.padding)


class SlicedTransposed(nn.ConvTranspose2d):
    """A transposed convolution of the first channels."""

    def run(self, x: Tensor, out: int) -> Tensor:
        bias = None if self.bias is None else self.bias[:out]
        weight = self.weight[: x.shape[1], :out]
        return F.conv_transpose2d(x, weight, bias, self.stride, self.padding, self.output_padding)


class SlicedSeparable(nn.Module):
    """Depthwise and pointwise convolution of the first channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, groups=channels, bias=False)
        self.pointwise = SlicedConv(channels, channels, 1)

    def run(self, x: Tensor, out: int) -> Tensor:
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.depthwise.weight[: x.shape[1]],
                     groups=x.shape[1])  # fmt: skip
        return self.pointwise.run(x, out)


class SlicedResNet(nn.Module):
    """The ResNet generator with separable residual blocks, at any width.

    Args:
        width: Channels of the first convolution.
        blocks: Residual blocks.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = SlicedConv(3, width, 7)
        self.down = nn.ModuleList(
            SlicedConv(c, 2 * c, 3, stride=2, padding=1) for c in (width, 2 * width)
        )
        self.first = nn.ModuleList(SlicedSeparable(4 * width) for _ in range(blocks))
        self.second = nn.ModuleList(SlicedSeparable(4 * width) for _ in range(blocks))
        self.up = nn.ModuleList(
            SlicedTransposed(c, c // 2, 3, stride=2, padding=1, output_padding=1)
            for c in (4 * width, 2 * width)
        )
        self.head = SlicedConv(width, 3, 7)

    def forward(
        self, x: Tensor, widths: Sequence[int], points: Sequence[int]
    ) -> tuple[Tensor, list[Tensor]]:
        """Draw, and give the residual stream before the first block and after some of them.

        Args:
            x: ``(N, 3, H, W)``.
            widths: Of the stem, both strided ones (the second is the residual stream), the blocks
                and both transposed ones.
            points: After how many blocks.
        """
        stem, down, stream, *inner = widths
        x = _normal(self.stem.run(F.pad(x, (3, 3, 3, 3), mode="reflect"), stem))
        x = _normal(self.down[0].run(x, down))
        x = _normal(self.down[1].run(x, stream))
        features = [x]
        pairs = zip(self.first, self.second, inner[: len(self.first)], strict=True)
        for number, (first, second, channels) in enumerate(pairs, 1):
            inside = _normal(first.run(x, channels))
            x = x + F.instance_norm(second.run(inside, stream))
            if number in points:
                features.append(x)
        for layer, channels in zip(self.up, inner[len(self.first) :], strict=True):
            x = _normal(layer.run(x, channels))
        return torch.tanh(self.head.run(F.pad(x, (3, 3, 3, 3), mode="reflect"), 3)), features


def _normal(x: Tensor) -> Tensor:
    return F.relu(F.instance_norm(x), inplace=True)


class PlainLoop:
    """The training step as a script has it: hinge critic, L1, and features through 1×1 adapters.

    Args:
        net: The supernet.
        teacher: Gives the picture and the features of a batch.
        critic: Judges input and picture, joined.
        choices: The widths of every place.
        points: See `SlicedResNet.forward`.
        weights: Of L1 and features.
    """

    def __init__(
        self,
        net: SlicedResNet,
        teacher: nn.Module,
        critic: nn.Module,
        choices: Sequence[Sequence[int]],
        points: Sequence[int],
        *,
        weights: tuple[float, float],
    ) -> None:
        self.net, self.teacher, self.critic = net, teacher, critic
        self.choices, self.points, self.weights = choices, points, weights
        full = net.down[1].out_channels
        self.adapters = nn.ModuleList(nn.Conv2d(full, full, 1) for _ in (0, *points))
        trained = [*net.parameters(), *self.adapters.parameters()]
        self.generator_steps = torch.optim.Adam(trained, 2e-4, (0.5, 0.999))
        self.critic_steps = torch.optim.Adam(critic.parameters(), 2e-4, (0.5, 0.999))

    def step(self, x: Tensor, target: Tensor, rng: random.Random) -> Mapping[str, float]:
        """Take one step with widths drawn at random."""
        widths = [rng.choice(choice) for choice in self.choices]
        with torch.no_grad():
            _, goals = self.teacher(x)
        drawn, features = self.net(x, widths, self.points)
        real, fake = torch.cat([x, target], 1), torch.cat([x, drawn.detach()], 1)
        critic = F.relu(1 - self.critic(real)).mean() + F.relu(1 + self.critic(fake)).mean()
        self.critic_steps.zero_grad()
        (critic / 2).backward()
        self.critic_steps.step()
        self.critic.requires_grad_(requires_grad=False)
        adversarial = -self.critic(torch.cat([x, drawn], 1)).mean()
        distance = self._distance(features, list(goals.values()))
        loss = adversarial + self.weights[0] * F.l1_loss(drawn, target) + self.weights[1] * distance
        self.generator_steps.zero_grad()
        loss.backward()
        self.critic.requires_grad_(requires_grad=True)
        self.generator_steps.step()
        return {"critic": float(critic.detach()), "generator": float(loss.detach())}

    def _distance(self, features: Sequence[Tensor], goals: Sequence[Tensor]) -> Tensor:
        terms = []
        for layer, feature, goal in zip(self.adapters, features, goals, strict=True):
            assert isinstance(layer, nn.Conv2d)
            mapped = F.conv2d(feature, layer.weight[:, : feature.shape[1]], layer.bias)
            terms.append(F.mse_loss(mapped, goal))
        return torch.stack(terms).sum()
