from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from gancompress.errors import CheckpointError
from gancompress.gan import Lite0Perceptual, PerceptualLoss, VggPerceptual, perceptual_loss
from gancompress.store import save_tensors


def vgg_state() -> dict[str, Tensor]:
    """Random weights under the names and in the shapes of torchvision's VGG19."""
    with torch.device("meta"):
        features = torchvision.models.vgg19().features
    generator = torch.Generator().manual_seed(0)
    return {
        f"features.{key}": torch.randn(value.shape, generator=generator) * 0.05
        for key, value in features.state_dict().items()
        if int(key.split(".")[0]) <= 28
    }


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> VggPerceptual:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_tensors(path, vgg_state())
    return VggPerceptual(path)


@pytest.fixture(params=["lite0", "vgg"])
def loss(request: pytest.FixtureRequest, vgg: VggPerceptual) -> PerceptualLoss:
    return vgg if request.param == "vgg" else Lite0Perceptual()


def test_equal_pictures_cost_nothing_and_others_something(loss: PerceptualLoss) -> None:
    torch.manual_seed(0)
    picture = torch.rand(2, 3, 32, 32) * 2 - 1
    near = (picture + 0.05 * torch.randn_like(picture)).clamp(-1, 1)
    far = (picture + 0.5 * torch.randn_like(picture)).clamp(-1, 1)
    assert loss(picture, picture).item() == 0
    assert 0 < loss(near, picture).item() < loss(far, picture).item()


def test_the_gradient_goes_to_the_picture_alone(loss: PerceptualLoss) -> None:
    picture = torch.zeros(1, 3, 32, 32, requires_grad=True)
    target = torch.ones(1, 3, 32, 32, requires_grad=True)
    loss(picture, target).backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0
    assert target.grad is None
    assert not any(p.requires_grad for p in loss.parameters())


def test_it_stays_in_eval_mode_and_follows_the_pictures(loss: PerceptualLoss) -> None:
    assert not any(module.training for module in loss.train().modules())
    assert loss.follow(torch.zeros(1)) is loss


def test_vggs_layers_are_those_after_the_first_activation_of_each_size(vgg: VggPerceptual) -> None:
    with torch.device("meta"):
        reference = torchvision.models.vgg19().features[:30]
    reference.to_empty(device="cpu").load_state_dict(vgg.layers.state_dict())
    x, expected = torch.rand(1, 3, 32, 32), {}
    with torch.no_grad():
        maps = list(vgg.features(x))
        for index, layer in enumerate(reference):
            x = nn.functional.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
            expected[index] = x
    for found, index in zip(maps, (1, 6, 11, 20, 29), strict=True):
        assert torch.equal(found, expected[index])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "other.safetensors", {"features.0.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"other\.safetensors' holds no weights of VGG19"):
        VggPerceptual(tmp_path / "other.safetensors")


def test_without_a_network_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody answers there
    with pytest.raises(CheckpointError, match="cannot be downloaded") as caught:
        VggPerceptual()
    assert "'lite0'" in caught.value.hint


def test_losses_are_built_by_name() -> None:
    assert perceptual_loss("none") is None
    assert isinstance(perceptual_loss("lite0"), Lite0Perceptual)
