"""SSIM and LPIPS, and our PSNR against a library's."""

import math
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from gancompress.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from gancompress.gan import Batch
from gancompress.metrics import Lpips, PeakSignal, StructuralSimilarity, lpips


def pictures(seed: int, size: int = 40, count: int = 5, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, size, size, generator=generator) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_is_the_librarys(channels: int) -> None:
    a, b = pictures(0, channels=channels), pictures(1, channels=channels)
    theirs = peak_signal_noise_ratio(a.double(), b.double(), data_range=2.0, dim=(1, 2, 3))
    assert PeakSignal().compute(a, b) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_the_librarys_picture_by_picture(channels: int) -> None:
    a = pictures(0, channels=channels)
    b = 0.8 * a + 0.2 * pictures(1, channels=channels)
    single = [
        float(
            structural_similarity_index_measure(x[None].double(), y[None].double(), data_range=2.0)
        )
        for x, y in zip(a, b, strict=True)
    ]
    metric = StructuralSimilarity()
    assert metric.compute(a, b) == pytest.approx(math.fsum(single) / len(single), rel=1e-6)
    assert metric.compute(a, a) == pytest.approx(1.0)
    assert metric.compute(a, b) < 1


def test_ssim_of_two_constants_is_the_formula() -> None:
    black, grey = torch.full((1, 1, 16, 16), -0.5), torch.full((1, 1, 16, 16), 0.25)
    c1 = (0.01 * 2) ** 2
    expected = (2 * -0.5 * 0.25 + c1) / (0.5**2 + 0.25**2 + c1)
    assert StructuralSimilarity().compute(black, grey) == pytest.approx(expected, rel=1e-6)


def test_pictures_that_are_too_small_are_refused_before_they_are_drawn() -> None:
    small = pictures(0, size=8)
    for metric in (StructuralSimilarity(), Lpips()):
        with pytest.raises(DataError, match=f"'{metric.name}' needs"):
            metric.rehearse([Batch((small,), small)])


@pytest.fixture(scope="module")
def squeeze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torchvision's SqueezeNet with random weights, as it saves it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("lpips") / "squeeze.pth"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), path)
    return path


def by_the_paper(state: dict[str, Tensor], a: Tensor, b: Tensor) -> float:
    """LPIPS on SqueezeNet, written from its definition: arXiv 1801.03924, equation 1."""
    from torchmetrics.functional import image

    net = torchvision.models.squeezenet1_1(weights=None)
    net.load_state_dict(state)
    shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
    folder = Path(image.__file__).parent / "lpips_models"
    learned = torch.load(folder / "squeeze.pth", map_location="cpu", weights_only=True)
    total = torch.zeros(len(a))
    x, y, found = (a - shift) / scale, (b - shift) / scale, 0
    with torch.no_grad():
        for index, layer in enumerate(net.features):
            x, y = layer(x), layer(y)
            if index in {1, 4, 7, 9, 10, 11, 12}:
                u, v = (z / (1e-8 + z.square().sum(1, keepdim=True)).sqrt() for z in (x, y))
                weight = learned[f"lin{found}.model.1.weight"]
                total += ((u - v).square() * weight.flatten()[:, None, None]).sum(1).mean((1, 2))
                found += 1
    return float(total.mean())


def test_lpips_is_its_definition_on_given_weights(squeeze: Path) -> None:
    a, b = pictures(0, size=64, count=3), pictures(1, size=64, count=3)
    metric = Lpips().configure({"net": "squeeze", "weights": str(squeeze)})
    state = torch.load(squeeze, weights_only=True)
    assert metric.compute(a, b) == pytest.approx(by_the_paper(state, a, b), rel=1e-4)
    assert metric.compute(a, a) == 0
    protocol = metric.protocol()
    assert protocol["net"] == "squeeze"
    state["features.0.weight"] += 0.1
    torch.save(state, squeeze.with_name("other.pth"))
    other = Lpips().configure({"net": "squeeze", "weights": str(squeeze.with_name("other.pth"))})
    assert other.protocol()["weights_sha256"] != protocol["weights_sha256"]


def test_lpips_on_alexnet_takes_torchvisions_names(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = torchvision.models.alexnet(weights=None).features.state_dict()
    torch.manual_seed(0)
    state = {f"features.{k}": torch.randn(v.shape) * 0.02 for k, v in shapes.items()}
    torch.save(state, tmp_path / "alex.pth")
    metric = Lpips().configure({"weights": str(tmp_path / "alex.pth")})
    assert metric.compute(pictures(0, size=64), pictures(1, size=64)) > 0

    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "alex.pth")
    broken = Lpips().configure({"weights": str(tmp_path / "alex.pth")})
    with pytest.raises(CheckpointError, match="is not torchvision's network for LPIPS 'alex'"):
        broken.protocol()


def test_lpips_downloads_its_network(
    squeeze: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]
) -> None:
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(tmp_path))
    monkeypatch.setattr(lpips, "_ADDRESS", serve(squeeze).removesuffix(squeeze.name))
    metric = Lpips().configure({"net": "squeeze"})
    monkeypatch.setattr(lpips, "FILES", {"squeeze": (squeeze.name, "0" * 64)})
    with pytest.raises(DataError, match="is damaged or another file") as caught:
        metric.protocol()
    assert "lpips-lite0" in caught.value.hint
    digest = sha256(squeeze.read_bytes()).hexdigest()
    monkeypatch.setattr(lpips, "FILES", {"squeeze": (squeeze.name, digest)})
    given = Lpips().configure({"net": "squeeze", "weights": str(squeeze)})
    assert metric.protocol() == given.protocol()


def test_unknown_networks_and_missing_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"'net' in \[metrics.lpips\]"):
        Lpips().configure({"net": "resnet"})
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    for metric in (Lpips(), StructuralSimilarity()):
        with pytest.raises(MissingExtraError) as caught:
            metric.protocol()
        assert "gancompress[similarity]" in caught.value.hint
