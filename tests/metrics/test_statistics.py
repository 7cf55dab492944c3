"""Statistics of real pictures: taken once, whole or not at all, and made again where damaged."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gancompress.gan import Batch
from gancompress.metrics import FrechetLite0, KernelLite0, Lite0Features, StatisticsCache


class Counting:
    """An extractor that says how often it was asked."""

    dimension = 3

    def __init__(self, version: int = 0) -> None:
        self.calls = 0
        self.version = version

    def extract(self, pictures: Tensor) -> Tensor:
        self.calls += 1
        return pictures.mean(dim=(2, 3)).double()

    def protocol(self) -> dict[str, Any]:
        return {"extractor": "mean", "version": self.version}


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_features_are_taken_once_for_one_content_and_one_protocol(
    tmp_path: Path, pictures: Tensor
) -> None:
    cache, extractor = StatisticsCache(tmp_path), Counting()
    first = cache.look_up(pictures, extractor)
    again = cache.look_up(pictures.clone(), extractor)

    assert (first.known, again.known, extractor.calls) == (False, True, 1)
    assert torch.equal(first.features, again.features)
    assert torch.equal(again.features, pictures.mean(dim=(2, 3)))
    assert again.path == first.path

    cache.look_up(pictures * 0.5, extractor)
    cache.look_up(pictures[:5], extractor)
    newer = Counting(version=1)
    cache.look_up(pictures, newer)
    assert (extractor.calls, newer.calls) == (3, 1)


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    match how:
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "one bit":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "empty":
            path.write_bytes(b"")
        case "removed":
            path.unlink()


@pytest.mark.parametrize("how", ["truncated", "one bit", "empty", "removed"])
def test_what_is_damaged_is_made_again(tmp_path: Path, pictures: Tensor, how: str) -> None:
    cache, extractor = StatisticsCache(tmp_path), Counting()
    path = cache.look_up(pictures, extractor).path
    assert path is not None
    damaged(path, how)

    again = cache.look_up(pictures, extractor)

    assert (again.known, extractor.calls) == (False, 2)
    assert torch.equal(again.features, pictures.mean(dim=(2, 3)))
    assert cache.look_up(pictures, extractor).known


def test_a_folder_that_cannot_be_written_is_said_and_stops_nothing(
    tmp_path: Path, pictures: Tensor
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    found = StatisticsCache(blocked).look_up(pictures, Counting())

    assert found.path is None
    assert "cannot be written" in found.note
    assert torch.equal(found.features, pictures.mean(dim=(2, 3)))


PROCESS = """
import sys, time, torch
from pathlib import Path
from gancompress.metrics import StatisticsCache

class Slow:
    dimension = 3
    def extract(self, pictures):
        Path(sys.argv[2], f"call-{sys.argv[3]}").touch()
        time.sleep(0.3)
        return pictures.mean(dim=(2, 3))
    def protocol(self):
        return {"extractor": "slow"}

pictures = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
found = StatisticsCache(Path(sys.argv[1])).look_up(pictures, Slow())
print(float(found.features.sum()))
"""


def test_of_two_processes_one_takes_them_and_both_have_them(tmp_path: Path) -> None:
    script, calls = tmp_path / "one.py", tmp_path / "calls"
    script.write_text(PROCESS)
    calls.mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, script, tmp_path / "cache", calls, str(index)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    sums = [process.communicate(timeout=120)[0] for process in processes]

    assert sums[0] == sums[1] != ""
    assert len(list(calls.iterdir())) == 1


def test_frechet_and_kernel_distance_share_them_and_have_a_floor(
    tmp_path: Path, lite0: Lite0Features
) -> None:
    generator = torch.Generator().manual_seed(1)
    real = torch.rand(60, 3, 16, 16, generator=generator) * 2 - 1
    made = (real * 0.5).roll(1, 0)
    cache = StatisticsCache(tmp_path)
    data = [Batch((real,), real)]
    for metric in (FrechetLite0(lambda: lite0, cache), KernelLite0(lambda: lite0, cache)):
        ruler = metric.against(data)
        assert ruler.measure(made).value == pytest.approx(metric.compute(made, real), rel=1e-6)
        assert ruler.real_against_real is not None
        assert ruler.real_against_real < ruler.measure(made).value
        assert ruler.notes == ()
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_too_few_pictures_for_a_covariance_is_a_note(tmp_path: Path, lite0: Lite0Features) -> None:
    real = torch.rand(lite0.dimension, 3, 16, 16) * 2 - 1
    metric = FrechetLite0(lambda: lite0, StatisticsCache(tmp_path))
    (note,) = metric.against([Batch((real,), real)]).notes
    assert f"on {lite0.dimension} pictures is biased upwards" in note
    assert "kid-lite0" in note
