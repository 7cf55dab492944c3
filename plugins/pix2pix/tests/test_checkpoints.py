"""Published checkpoints as teachers: from a file of torch.save to a supernet."""

import runpy
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gancompress import GancompressError
from gancompress.cli import main
from gancompress.compress import prepare
from gancompress.config import RunConfig
from gancompress_pix2pix.family import Pix2Pix
from gancompress_pix2pix.options import Pix2PixOptions


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pair of noise for each split."""
    folder = tmp_path_factory.mktemp("data")
    for split in ("train", "val", "test"):
        (folder / split).mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / split / "1.png")
    return folder


def saved(options: Pix2PixOptions, path: Path, dropout: int = 0) -> torch.nn.Module:
    """Write a generator's weights as the published code names them."""
    torch.manual_seed(0)
    net = Pix2Pix().generator(options).eval()
    state = {}
    for name, value in net.state_dict().items():
        known = name.replace(".depthwise.", ".conv.0.").replace(".pointwise.", ".conv.2.")
        known = known.replace(".conv_block.5.", f".conv_block.{5 + dropout}.")
        state[f"module.{known}"] = value
    torch.save(state, path)
    return net


def config(data: Path, **options: Any) -> RunConfig:
    return RunConfig(
        family="pix2pix",
        options={
            "data": str(data),
            "size": 32,
            "generator_width": 4,
            "blocks": 3,
            "discriminator_width": 2,
            "discriminator_layers": 1,
            **options,
        },
    )


@pytest.mark.parametrize(
    ("options", "dropout"),
    [
        ({"architecture": "resnet"}, 1),
        ({"architecture": "unet", "norm": "batch"}, 0),
        ({"architecture": "mobile_resnet", "config_str": "4_4_8_4_8_12_4_4"}, 1),
    ],
    ids=["resnet", "unet", "mobile"],
)
def test_a_published_checkpoint_is_a_teacher(
    tmp_path: Path, data: Path, options: dict[str, Any], dropout: int
) -> None:
    settings = config(data, **options)
    file = tmp_path / "latest_net_G.pth"
    net = saved(Pix2PixOptions.model_validate(settings.options), file, dropout)
    project = prepare(Pix2Pix(), settings, file)
    picture = project.data["test"][0].inputs[0][None]
    with torch.no_grad():
        assert torch.equal(project.teacher.module(picture), net(picture))
        supernet = project.supernet
        small = supernet.space.smallest()
        narrow = supernet.materialise(small)(picture)
        assert torch.equal(supernet.activate(small)(picture), narrow)


def test_a_supernets_file_needs_its_config_and_is_cut_by_it(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "latest_net_G.pth"
    options = {"architecture": "mobile_resnet", "generator_width": 8}
    full = saved(Pix2PixOptions.model_validate(config(data, **options).options), file, 1)
    project = prepare(Pix2Pix(), config(data, **options, config_str="4_8_4_8_4_8_8_4"), file)
    first = project.teacher.module.get_parameter("model.1.weight")
    assert torch.equal(first, full.get_parameter("model.1.weight")[:4])
    inside = project.teacher.module.get_parameter("model.11.conv_block.5.pointwise.weight")
    whole = full.get_parameter("model.11.conv_block.5.pointwise.weight")
    assert torch.equal(inside, whole[:16, :16])


def test_what_does_not_fit_is_listed(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "latest_net_G.pth"
    saved(Pix2PixOptions(architecture="mobile_resnet", generator_width=4, blocks=3), file, 1)
    with pytest.raises(GancompressError) as caught:
        prepare(Pix2Pix(), config(data), file)
    sentence = str(caught.value)
    assert f"'{file}' is of another architecture: it lacks 'model.10.conv_block.1.bias'" in sentence
    assert "and 2 more; has the unknown 'model.10.conv_block.1.depthwise.bias'" in sentence
    assert sentence.count("'model.") == 20
    with pytest.raises(GancompressError, match=r"\(4×3×7×7 for 8×3×7×7\)"):
        prepare(Pix2Pix(), config(data, architecture="mobile_resnet", generator_width=8), file)


RUN = """
[options]
size = 32
architecture = "unet"
norm = "batch"
dropout = true
generator_width = 2
output_channels = 4
discriminator = "pixel"
discriminator_width = 2
gan_mode = "lsgan"
load_size = 36

[space]
divisor = 1

[distill]
steps = 1
batch_size = 2
points = 1

[search]
macs = "1.2x"
trials = 1
pictures = 2

[finetune]
steps = 1
batch_size = 2
points = 1

[export]
target = "torch"
"""


def test_a_published_unet_goes_the_whole_way_and_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        for name in "ab":
            pixels = rng.integers(0, 256, (40, 80, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pairs" / split / f"{name}.png")
    options = tomllib.loads(RUN)["options"]
    saved(Pix2PixOptions.model_validate(options), tmp_path / "latest_net_G.pth")
    (tmp_path / "run.toml").write_text(RUN)
    words = ["--config", "run.toml", "--teacher", "latest_net_G.pth", "--data", "pairs"]
    words = [str(tmp_path / w) if not w.startswith("-") else w for w in words]
    with pytest.raises(SystemExit) as leaving:
        main(["compress", "pix2pix", *words, "--out", str(tmp_path / "run")])
    assert leaving.value.code == 0, capsys.readouterr().err
    net = runpy.run_path(str(tmp_path / "run" / "export" / "compressed.py"))["load"]()
    assert net(torch.rand(1, 3, 32, 32)).shape == (1, 4, 32, 32)
    teacher = torch.load(tmp_path / "latest_net_G.pth", weights_only=True)
    # The names are those of the published file: the weights go back where they came from.
    names = {name.removeprefix("module.") for name in teacher}
    assert set(net.state_dict()) <= names
