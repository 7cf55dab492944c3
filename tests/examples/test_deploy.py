"""Every runtime in ten lines, where this package cannot be imported."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gancompress.export import core_targets, export, find_target

EXAMPLES = Path(__file__).parents[2] / "examples"
ALONE = """
import runpy, sys
for name in ("gancompress", "gancompress_pix2pix", "gancompress_cyclegan", "gancompress_gaugan"):
    sys.modules[name] = None  # from here on an import of it fails
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Swap(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.swap = nn.Conv2d(3, 3, 1, bias=False)
        self.swap.weight.data = -torch.eye(3).flip(0)[..., None, None]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.swap(x)
        return y


@pytest.mark.parametrize(
    "name",
    [
        "onnx",
        "openvino",
        "torch",
        "program",
        "aoti",
        pytest.param(
            "executorch",
            marks=[
                pytest.mark.skipif(find_spec("executorch") is None, reason="needs [executorch]"),
                pytest.mark.filterwarnings("ignore"),
            ],
        ),
    ],
)
def test_a_file_is_deployed_without_this_package(name: str, tmp_path: Path) -> None:
    file = tmp_path / find_target(name).file_name("small")
    export(Swap().eval(), file, name, inputs=(torch.rand(2, 3, 12, 16) * 2 - 1,))
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    script = EXAMPLES / f"deploy_{name}.py"
    words = [sys.executable, "-I", "-c", ALONE, str(script), str(file), "in.png", "out.png"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as drawn:
        np.testing.assert_array_equal(np.asarray(drawn), 255 - pixels[..., ::-1])


@pytest.mark.parametrize("target", core_targets(), ids=lambda one: one.name)
def test_every_target_has_a_short_example(target: object) -> None:
    text = (EXAMPLES / f"deploy_{target.name}.py").read_text()  # type: ignore[attr-defined]
    body = [
        node for node in ast.parse(text).body if not isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert len(body) <= 10
    assert "gancompress" not in text
