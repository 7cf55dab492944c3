"""Two small nets as saved models, and one of them as a file."""

from pathlib import Path

import pytest
import torch
from torch import nn

import gancompress
from gancompress.cost import measure_cost
from gancompress.elastic import SubnetConfig
from gancompress.export import CompressedModel, export


def save_model(folder: Path, *, width: int, size: int = 16) -> Path:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 3, 3), nn.Tanh())
    picture = torch.zeros(1, 3, size, size)
    traced = gancompress.trace(net.eval(), (picture,))
    card = {"inputs": [{"shape": list(picture.shape), "dtype": "float32"}]}
    cost = measure_cost(net, (picture,))
    return CompressedModel(traced.module, SubnetConfig({}), cost, card).save(folder)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models ``large``, ``small`` and ``other``, and ``small.onnx``."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "large", width=64)
    save_model(folder / "small", width=8)
    save_model(folder / "other", width=8, size=24)
    export(CompressedModel.load(folder / "small"), folder / "small.onnx", "onnx")
    return folder
