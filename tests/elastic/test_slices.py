import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gancompress.elastic.slices import AxisSlice, active_positions, put_back, slices_of, take

ACTIVE = np.array([True, True, False, True])


def test_positions_of_active_units_and_of_none() -> None:
    assert active_positions(np.array([0, 2, -1, 3, -5]), ACTIVE).tolist() == [0, 2, 3, 4]


def test_prefixes_are_views_and_the_rest_copies() -> None:
    tensor = torch.arange(12.0).view(3, 4)
    prefix = take(tensor, slices_of((np.array([0, 1, 2]), None), ACTIVE))
    assert prefix.data_ptr() == tensor.data_ptr()
    assert torch.equal(prefix, tensor[:2])
    scattered = slices_of((None, np.array([2, 0, 1, 2])), ACTIVE)
    assert scattered == (None, AxisSlice(2, (1, 2)))
    assert torch.equal(take(tensor, scattered), tensor[:, [1, 2]])
    assert take(tensor, slices_of((None, np.array([0, 1, 3, -1])), ACTIVE)) is tensor


def test_copies_are_put_back() -> None:
    tensor = torch.zeros(4)
    slices = slices_of((np.array([2, 0, 2, 1]),), ACTIVE)
    put_back(tensor, slices, torch.tensor([5.0, 6.0]))
    assert tensor.tolist() == [0, 5, 0, 6]
    put_back(tensor, (AxisSlice(1),), torch.tensor([9.0]))
    put_back(tensor, (None,), torch.tensor([9.0] * 4))
    assert tensor.tolist() == [0, 5, 0, 6]


def test_a_slice_wants_a_gradient_as_the_whole_does() -> None:
    whole = nn.Parameter(torch.randn(4, 4))
    rows = (AxisSlice(2), AxisSlice(3))
    with torch.no_grad():
        part = take(whole, rows)
        assert part.requires_grad
        # Torch chooses by it how to multiply: the bits of the result would depend on it.
        x = torch.randn(2, 3, 8, 16).permute(0, 2, 3, 1)
        alone = nn.Parameter(whole[:2, :3].clone())
        assert torch.equal(F.linear(x, part), F.linear(x, alone))
    assert not take(whole.detach(), rows).requires_grad
    with torch.inference_mode():
        assert torch.equal(take(whole, rows), whole[:2, :3])
