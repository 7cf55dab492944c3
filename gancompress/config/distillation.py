"""The settings that only a distillation has."""

from typing import Annotated, Literal

from pydantic import Field

from gancompress.config.model import Model

_Weight = Annotated[float, Field(ge=0)]


class DistillSettings(Model):
    """How a student learns from a teacher.

    Args:
        lambda_distill: Weight of all distillation losses together.
        losses: The distillation losses by name, each with its weight; those that are not named
            are not computed.
        points: Number of distillation points that are picked from the graph.
        recon_target: ``paired`` compares with the data's target, ``teacher`` with the teacher's
            picture, ``mixed`` with both, half and half; ``auto`` is ``paired`` where the data
            have a target (GAN Compression, equation 2).
        sampling: ``uniform`` draws a subnet for each batch (GAN Compression); ``sandwich`` takes
            the widest, the smallest and two random ones in turn, and all but the widest learn from
            the widest's picture (arXiv 1903.05134); ``budget-aware`` draws subnets near a budget;
            ``shrink`` begins with the widest and allows narrower ones phase by phase (Once for
            All, arXiv 1908.09791).
        macs: The budget of ``budget-aware``, as a number, ``3G``, or ``8x`` for an eighth of the
            teacher's; a run takes that of its search where none is given.
        phases: Phases of ``shrink``, of as many steps each.
        teacher: ``frozen``, or ``online``: it goes on learning beside the student (OMGD, arXiv
            2108.06908), which needs data with targets.
        discriminator: What judges the student: ``inherited`` discriminators start from the
            teacher's, ``fresh`` ones from scratch; ``scaled`` keeps the share `critic_width` of
            the inherited ones' channels; ``conditioned`` tells the inherited ones the widths of
            the subnet; ``none`` trains without.
        critic_width: Share of the channels that ``scaled`` keeps, in (0, 1].
    """

    lambda_distill: float = Field(1.0, ge=0)
    losses: dict[str, _Weight] = Field(default_factory=lambda: {"adapter-mse": 1.0})
    points: int = Field(4, ge=0)
    recon_target: Literal["auto", "paired", "teacher", "mixed"] = "auto"
    sampling: Literal["uniform", "sandwich", "budget-aware", "shrink"] = "uniform"
    macs: str | float | None = None
    phases: int = Field(4, ge=1)
    teacher: Literal["frozen", "online"] = "frozen"
    discriminator: Literal["inherited", "fresh", "scaled", "conditioned", "none"] = "inherited"
    critic_width: float = Field(0.5, gt=0, le=1)
