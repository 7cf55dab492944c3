"""The losses of GauGAN (Park et al., arXiv 1903.07291)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.gan import (
    Batch,
    GanMode,
    MultiScaleDiscriminator,
    Objective,
    PerceptualLoss,
    discriminator_loss,
    generator_loss,
)


class GauGanObjective(Objective):
    """Adversarial loss, feature matching (arXiv 1711.11585) and perceptual loss.

    The discriminators see the label map beside the picture. Their terms are not halved, and are
    averaged over the scales; so is the feature matching.

    Args:
        discriminator: Judges labels and picture together.
        mode: Adversarial loss.
        lambda_feature: Weight of the feature matching; 0 for none.
        perceptual: The perceptual loss; None for none.
        lambda_perceptual: Its weight.
    """

    def __init__(
        self,
        discriminator: MultiScaleDiscriminator,
        mode: GanMode = "hinge",
        *,
        lambda_feature: float = 10.0,
        perceptual: PerceptualLoss | None = None,
        lambda_perceptual: float = 10.0,
    ) -> None:
        self._discriminators = nn.ModuleDict({"discriminator": discriminator})
        self.mode = mode
        self.lambda_feature, self.lambda_perceptual = lambda_feature, lambda_perceptual
        # Beside the discriminators, not among them: it is not trained, and not written.
        self.perceptual = perceptual if lambda_perceptual else None

    @property
    def discriminators(self) -> nn.ModuleDict:
        """All scales, under ``discriminator``."""
        return self._discriminators

    def generator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return ``gan``, and ``feature_matching`` and ``perceptual`` where they have weight."""
        target = _target(batch)
        made, real = self._judge(batch, output, target)
        verdicts = [generator_loss(scale[-1].float(), mode=self.mode) for scale in made]
        losses = {"gan": torch.stack(verdicts).mean()}
        if self.lambda_feature:
            distances = [
                F.l1_loss(one.float(), goal.detach().float())
                for scale, goals in zip(made, real, strict=True)
                for one, goal in zip(scale[:-1], goals[:-1], strict=True)
            ]
            total = torch.stack(distances).sum() / len(made)
            losses["feature_matching"] = self.lambda_feature * total
        if self.perceptual is not None:
            distance = self.perceptual.follow(output)(output, target)
            losses["perceptual"] = self.lambda_perceptual * distance
        return losses

    def discriminator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return both terms, ``d_fake`` and ``d_real``, each averaged over the scales."""
        made, real = self._judge(batch, output, _target(batch))
        return {
            "d_fake": self._verdict(made, real=False),
            "d_real": self._verdict(real, real=True),
        }

    def _verdict(self, scales: list[list[Tensor]], *, real: bool) -> Tensor:
        terms = [discriminator_loss(s[-1].float(), real=real, mode=self.mode) for s in scales]
        return torch.stack(terms).mean()

    def _judge(
        self, batch: Batch, output: Tensor, target: Tensor
    ) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """Return every scale's outputs for what was made and for what is real."""
        pictures = torch.cat([output, target])
        labels = batch.inputs[0].repeat(2, 1, 1, 1)
        # Both at once, so that they meet the same spectral norm.
        scales = self._discriminators["discriminator"](torch.cat([labels, pictures], dim=1))
        halves = [[layer.chunk(2) for layer in scale] for scale in scales]
        return (
            [[made for made, _ in scale] for scale in halves],
            [[real for _, real in scale] for scale in halves],
        )


def _target(batch: Batch) -> Tensor:
    if batch.target is None:
        raise ValueError("the objective needs a target")
    return batch.target
