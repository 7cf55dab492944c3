import pytest
import torch
from torch import nn

from gancompress.gan import (
    REAL,
    Batch,
    GanMode,
    PairedObjective,
    PatchDiscriminator,
    UnpairedObjective,
    discriminator_loss,
    generator_loss,
)


@pytest.mark.parametrize(
    ("mode", "real", "fake", "fooled"),
    [
        # by hand at logits (2, 0): hinge max(0, 1∓l); lsgan (l−1)², l²; vanilla softplus(∓l)
        ("hinge", 0.5, 2.0, -1.0),
        ("lsgan", 1.0, 2.0, 1.0),
        (
            "vanilla",
            (0.126928 + 0.693147) / 2,
            (2.126928 + 0.693147) / 2,
            (0.126928 + 0.693147) / 2,
        ),
    ],
)
def test_losses_equal_hand_computed_values(
    mode: GanMode, real: float, fake: float, fooled: float
) -> None:
    logits = torch.tensor([2.0, 0.0])
    assert discriminator_loss(logits, real=True, mode=mode).item() == pytest.approx(real, abs=1e-5)
    assert discriminator_loss(logits, real=False, mode=mode).item() == pytest.approx(fake, abs=1e-5)
    assert generator_loss(logits, mode=mode).item() == pytest.approx(fooled, abs=1e-5)


def test_the_discriminator_sees_condition_and_picture() -> None:
    class Seen(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape == (2, 6, 8, 8)
            return x[:, 3:]

    objective = PairedObjective(Seen())
    batch = Batch((torch.zeros(2, 3, 8, 8),), torch.ones(2, 3, 8, 8))
    losses = objective.discriminator_losses(batch, -torch.ones(2, 3, 8, 8))
    assert losses["d_real"].item() == 0
    assert losses["d_fake"].item() == 0
    assert objective.generator_losses(batch, torch.ones(2, 3, 8, 8))["gan"].item() == -1


def test_paired_data_need_a_target() -> None:
    with pytest.raises(ValueError, match="target"):
        PairedObjective(nn.Identity()).discriminator_losses(
            Batch((torch.zeros(1, 3, 8, 8),)), torch.zeros(1, 3, 8, 8)
        )


def test_unpaired_critics_judge_the_picture_alone() -> None:
    torch.manual_seed(0)
    objective = UnpairedObjective(PatchDiscriminator(3, 4, 2), "lsgan")
    batch = Batch((torch.rand(2, 1, 32, 32),), None, {REAL: torch.rand(2, 3, 32, 32)})
    output = torch.rand(2, 3, 32, 32, requires_grad=True)
    losses = objective.discriminator_losses(batch, output.detach())
    assert set(losses) == {"d_fake", "d_real"}
    objective.generator_losses(batch, output)["gan"].backward()
    assert output.grad is not None
    with pytest.raises(ValueError, match="needs a picture under 'real'"):
        objective.discriminator_losses(Batch(batch.inputs), output)


def test_the_real_picture_is_the_target_where_there_is_one() -> None:
    x, y = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert Batch((x,)).real is None
    assert Batch((x,), None, {REAL: y}).real is y
    assert Batch((x,), x, {REAL: y}).real is x
