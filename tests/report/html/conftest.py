"""A real run of tiny nets, made once: every section of its report has something to show."""

import json
import shutil
from pathlib import Path

import pytest

from gancompress.cli import main
from gancompress.sensitivity import GroupEffect, LayerEffect, SensitivityReport

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "examples" / "minimal_plugin" / "gancompress_minimal.py"
CONFIG = """
[options]
size = 32
pictures = 16
blocks = 1
[train]
steps = 2
batch_size = 2
[distill]
steps = 4
batch_size = 2
sample_every = 4
[search]
macs = "2x"
trials = 4
[finetune]
steps = 2
batch_size = 2
[export]
target = "torch"
samples = 2
"""


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["--quiet", "--plugin", str(PLUGIN), *map(str, words)])
    code = leaving.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The run directories of a teacher and of what was made of it."""
    folder = tmp_path_factory.mktemp("runs")
    config = folder / "run.toml"
    config.write_text(CONFIG)
    teacher, small = folder / "teacher", folder / "small"
    assert call("train", "minimal", "--config", config, "--out", teacher) == 0
    weights = teacher / "teacher"
    words = ("minimal", "--config", config, "--teacher", weights, "--out", small)
    assert call("compress", *words) == 0
    return teacher, small


@pytest.fixture(scope="session")
def whole(made: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything, the sensitivity and the check of the ranking too."""
    run = Path(shutil.copytree(made[1], tmp_path_factory.mktemp("whole") / "small"))
    layers = tuple(
        LayerEffect(f"model.{i}", "Conv2d", 40, 20 - i, 9, {"lpips-lite0": 0.1 * i})
        for i in range(4)
    )
    groups = tuple(
        GroupEffect("model.1", width, 16, width / 16, 16 - width, 3, {"lpips-lite0": loss})
        for width, loss in ((4, 0.9), (8, 0.3), (12, None))
    )
    report = SensitivityReport(
        metric="lpips-lite0",
        metrics=("lpips-lite0",),
        macs=100,
        params=50,
        samples=8,
        layers=layers,
        groups=groups,
        skipped={"model.9": "frozen: network output"},
    )
    (run / "sensitivity.json").write_text(report.to_json())
    trials = json.loads((run / "trials.json").read_text())["trials"]
    ranked = [
        {
            "number": trial["number"],
            "widths": trial["widths"],
            "macs": trial["cost"]["macs"],
            "score": trial["score"],
            "finetuned": 0.9 * trial["score"],
        }
        for trial in trials
    ]
    (run / "ranking.json").write_text(
        json.dumps({"steps": 1, "subnets": ranked, "kendall_tau": 1.0, "p_value": 0.08})
    )
    return run


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """The same as one's own."""
    return Path(shutil.copytree(whole, tmp_path / "small"))
