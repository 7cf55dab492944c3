import math

import pytest
import torch

from gancompress.errors import DataError
from gancompress.metrics import l1, psnr


def test_known_values() -> None:
    black, grey = torch.full((2, 3, 4, 4), -1.0), torch.full((2, 3, 4, 4), -0.8)
    assert l1(black, grey) == pytest.approx(0.2)
    assert psnr(black, grey) == pytest.approx(20.0, abs=1e-5)  # 20 log10(2 / 0.2)
    assert psnr(black, -black) == pytest.approx(0.0)
    assert psnr(black, black) == math.inf
    assert l1(black, black) == 0


def test_psnr_is_averaged_over_pictures_not_over_errors() -> None:
    a = torch.zeros(2, 1, 2, 2)
    b = torch.stack([torch.full((1, 2, 2), 0.2), torch.full((1, 2, 2), 0.02)])
    assert psnr(a, b) == pytest.approx((20 + 40) / 2, abs=1e-4)


@pytest.mark.parametrize("metric", [l1, psnr])
def test_refuses_other_shapes_and_nothing(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=r"\(1, 3, 4, 4\) and 'b' \(1, 1, 4, 4\)"):
        metric(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    with pytest.raises(DataError, match="no pictures"):
        metric(torch.zeros(0, 3, 4, 4), torch.zeros(0, 3, 4, 4))
