from typing import Any

import numpy as np
import pytest

from gancompress.graph.sizes import INFERRED, Size, number_at, numbers_by_node, resized

ACTIVE = np.array([True, True, False])


def test_active_units_and_positions_of_no_unit_are_counted() -> None:
    assert Size("view", (1,), np.array([0, 0, 1, 2, -1, -1])).at(ACTIVE) == 5
    assert Size("view", (1,), None).at(ACTIVE) == INFERRED


def test_numbers_go_to_their_places() -> None:
    whole = slice(None)
    call: Any = (("x", (2, 3), [4, (5, 6)]), {"size": (7, 8), "index": (whole, slice(1, 9))})
    numbers = {
        (1, 0): 20,
        (2, 1, 1): 60,
        ("size", 1): 80,
        ("index", 1, "start"): 10,
        ("index", 1, "stop"): 90,
    }
    assert [number_at(call, place) for place in numbers] == [2, 6, 8, 1, 9]
    args, kwargs = resized(call, numbers)
    assert args == ("x", (20, 3), [4, (5, 60)])
    assert kwargs == {"size": (7, 80), "index": (whole, slice(10, 90))}
    assert call[0] == ("x", (2, 3), [4, (5, 6)])
    assert resized(((8,), {}), {(0,): 4}) == ((4,), {})


def test_a_place_that_is_not_there_is_an_error() -> None:
    with pytest.raises(TypeError, match="there is no place"):
        resized((("x", 3), {}), {(1, 0): 4})


def test_numbers_are_gathered_by_node() -> None:
    units = np.array([0, 1, 2])
    sizes = [Size("a", (1,), units), Size("a", (2,), units[:1]), Size("b", (1,), units[2:])]
    assert numbers_by_node(sizes, ACTIVE) == {"a": {(1,): 2, (2,): 1}, "b": {(1,): 0}}
