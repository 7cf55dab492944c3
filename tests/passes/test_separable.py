import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gancompress.passes import separate, separate_transposed

sizes = st.integers(1, 5)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(out=sizes, inputs=sizes, kernel=st.tuples(sizes, sizes), seed=st.integers(0, 99))
def test_rank_one_kernels_come_back_exactly(
    out: int, inputs: int, kernel: tuple[int, int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    depthwise = torch.randn(inputs, *kernel, generator=generator, dtype=torch.float64)
    pointwise = torch.randn(out, inputs, generator=generator, dtype=torch.float64)
    weight = pointwise[:, :, None, None] * depthwise[None]

    found = separate(weight)
    assert found.depthwise.shape == (inputs, 1, *kernel)
    assert found.pointwise.shape == (out, inputs, 1, 1)
    torch.testing.assert_close(found.pointwise * found.depthwise[:, 0], weight)

    turned = separate_transposed(weight)  # (in, out) of a transposed one: the other way round
    product = turned.pointwise.transpose(0, 1) * turned.depthwise[None, :, 0]
    assert turned.pointwise.shape == (inputs, out, 1, 1)
    torch.testing.assert_close(product, weight)


def test_factors_have_equal_norms_and_the_error_is_the_smallest_possible() -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 1, 3, 3, dtype=torch.float64)
    found = separate(weight)
    torch.testing.assert_close(found.depthwise.norm(), found.pointwise.norm())
    values = torch.linalg.svdvals(weight.flatten(2)[:, 0])
    error = (found.pointwise * found.depthwise[:, 0] - weight).norm()
    torch.testing.assert_close(error, values[1:].norm())


def test_dtype_is_kept() -> None:
    found = separate(torch.randn(4, 2, 3, 3).half())
    assert found.depthwise.dtype == found.pointwise.dtype == torch.float16
    assert found.depthwise.isfinite().all()
