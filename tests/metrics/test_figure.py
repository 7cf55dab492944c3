"""Figures carry their protocol, and unlike ones are not put into a ratio."""

import json
import math
from typing import Any

import pytest
import torch

from gancompress.errors import DataError
from gancompress.gan import Batch
from gancompress.metrics import Figure, MeanAbsoluteError, check_comparable, protocol_of, recovery

PROTOCOL = {"features": {"weights_sha256": "aa", "block": 9}, "pictures": 8}


def figure(value: float, metric: str = "fid", **changes: Any) -> Figure:
    return Figure(metric, value, {**PROTOCOL, **changes})


def test_recovery_of_figures_is_that_of_their_values() -> None:
    assert recovery(figure(200.0), figure(100.0), figure(125.0)) == 0.75
    assert recovery(figure(200.0), figure(100.0), figure(math.nan)) is None
    assert recovery(figure(math.inf), figure(100.0), figure(125.0)) is None


@pytest.mark.parametrize(
    ("changes", "place", "values"),
    [
        ({"features": {"weights_sha256": "bb", "block": 9}}, "features.weights_sha256", "'aa' in"),
        ({"pictures": 9}, "pictures", "8 in one and 9"),
        ({"references": {"sha256": "cc"}}, "references", "'absent' in"),
    ],
)
def test_unlike_protocols_are_refused_with_the_first_difference(
    changes: dict[str, Any], place: str, values: str
) -> None:
    with pytest.raises(DataError) as caught:
        recovery(figure(2.0), figure(1.0), figure(1.5, **changes))
    assert f"'{place}' is " in caught.value.message
    assert values in caught.value.message
    assert "comparing-figures" in caught.value.hint


def test_two_metrics_are_not_compared() -> None:
    with pytest.raises(DataError, match="'fid' and 'frechet-lite0' are two metrics"):
        check_comparable(figure(1.0), figure(1.0, metric="frechet-lite0"))


def test_a_protocol_that_has_gone_through_json_is_the_same() -> None:
    own = figure(1.0, blocks=(2, 4, 9))
    read = Figure("fid", 2.0, json.loads(json.dumps(dict(own.protocol))))
    check_comparable(own, read)


def test_a_protocol_names_the_pictures_and_what_they_were_compared_with() -> None:
    pictures = torch.rand(4, 3, 8, 8)
    metric = MeanAbsoluteError()
    ruler = metric.against(
        [Batch((pictures[:3],), pictures[:3]), Batch((pictures[3:],), pictures[3:])]
    )

    protocol = protocol_of(metric, ruler, 4)

    assert protocol["pictures"] == protocol["references"]["pictures"] == 4
    assert ruler.measure(pictures).value == 0
    other = metric.against([Batch((pictures.flip(0),), pictures.flip(0))])
    assert other.sha256 != ruler.sha256
    assert metric.against([Batch((pictures,), pictures.clone())]).sha256 == ruler.sha256


def test_data_without_targets_are_refused() -> None:
    with pytest.raises(DataError, match="no targets"):
        MeanAbsoluteError().against([Batch((torch.rand(2, 3, 8, 8),))])
