"""A teacher that goes on learning while it teaches."""

from typing import Final

from torch import Tensor, nn

from gancompress.gan import Batch, Objective

TEACHER: Final = "online_teacher"
"""Where a batch has the picture of a teacher that learns."""


class OnlineObjective(Objective):
    """The student's adversarial losses, and the teacher's with discriminators of its own (OMGD).

    Online multi-granularity distillation, arXiv 2108.06908: the student hears nothing but the
    teacher, which is what the student's objective without discriminators gives.

    Args:
        student: Judges the student.
        teacher: Judges the teacher, whose picture is among the batch's extras under `TEACHER`.
    """

    def __init__(self, student: Objective, teacher: Objective) -> None:
        self.student, self.teacher = student, teacher
        self._discriminators = nn.ModuleDict(
            {"student": student.discriminators, "teacher": teacher.discriminators}
        )

    @property
    def discriminators(self) -> nn.ModuleDict:
        """Those of the student and those of the teacher."""
        return self._discriminators

    def generator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return the student's terms, and the teacher's as ``teacher_NAME``."""
        theirs = self.teacher.generator_losses(batch, batch.extras[TEACHER])
        return self.student.generator_losses(batch, output) | _of_teacher(theirs)

    def discriminator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return the terms of the student's discriminators, and of the teacher's."""
        theirs = self.teacher.discriminator_losses(batch, batch.extras[TEACHER])
        return self.student.discriminator_losses(batch, output) | _of_teacher(theirs)


def _of_teacher(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"teacher_{name}": loss for name, loss in losses.items()}
