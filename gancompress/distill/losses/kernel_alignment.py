"""Kernel alignment, which needs no adapters."""

from typing import ClassVar, Final

from torch import Tensor

from gancompress.distill.loss import FeatureLoss

# Below this many pictures the matrix of their similarities says next to nothing.
FEWEST_SAMPLES: Final = 16


class KernelAlignment(FeatureLoss):
    """``Σ_k 1 − KA(G_k(x), T_k(x))``, KA(X, Y) = ‖YᵀX‖²/(‖XᵀX‖·‖YᵀY‖) (CAT, 2103.03467).

    The rows of X ``(n, c)`` and Y ``(n, C)`` are samples. As published they are pictures, each
    with all of its positions as columns, where a batch has 16 pictures or more. Of fewer the rows
    are the positions of all pictures: over one picture KA is 1 whatever it shows, and its gradient
    zero. KA is blind to rotations of the channels and to their scale, so no adapter is needed;
    an output that is all zero has no alignment, and a gradient of zero.
    """

    name: ClassVar[str] = "kernel-alignment"

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return 1 − KA, in [0, 1]."""
        if len(student) >= FEWEST_SAMPLES:
            # ‖YᵀX‖² = ⟨XXᵀ, YYᵀ⟩: the small matrices are those of the pictures.
            x, y = (maps.flatten(1) @ maps.flatten(1).T for maps in (student, teacher))
            shared = (x * y).sum()
        else:
            rows = [maps.transpose(0, 1).flatten(1) for maps in (student, teacher)]
            x, y = (maps @ maps.T for maps in rows)
            shared = (rows[1] @ rows[0].T).square().sum()
        alignment: Tensor = shared / (x.norm() * y.norm()).clamp_min(1e-12)
        return 1 - alignment
