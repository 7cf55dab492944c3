"""The whole job on pictures without partners, and a training that is cut and goes on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gancompress.cli import main
from gancompress.compress import begin_teacher
from gancompress.compress.teacher import Lesson
from gancompress.config import RunConfig
from gancompress.distill import FitResult, TeacherTask, fit
from gancompress.errors import ConfigError
from gancompress.events import RunEvent, StageProgress
from gancompress.store import RunDirectory, load_tensors
from gancompress_cyclegan.family import CycleGan
from gancompress_cyclegan.options import CycleGanOptions

LOOP = {"steps": 6, "batch_size": 2, "checkpoint_every": 2, "ema": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Orange tiles of A, green ones of B, of several sizes."""
    root = tmp_path_factory.mktemp("unaligned")
    rng = np.random.default_rng(0)
    for name, count, colour in (
        ("trainA", 14, (200, 120, 40)),
        ("trainB", 12, (40, 160, 60)),
        ("testA", 6, (200, 120, 40)),
        ("testB", 4, (40, 160, 60)),
    ):
        (root / name).mkdir()
        for i in range(count):
            noise = rng.integers(-30, 30, (36 + i % 3, 40, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def config_of(folder: Path, **options: Any) -> RunConfig:
    small = {
        "data": str(folder),
        "size": 32,
        "load_size": 36,
        "generator_width": 16,
        "blocks": 1,
        "discriminator_width": 4,
        "discriminator_layers": 2,
        "pool": 3,
    }
    student = {**LOOP, "steps": 2}
    return RunConfig.model_validate(
        {
            "family": "cyclegan",
            "options": {**small, **options},
            "train": LOOP,
            "distill": student,
            "finetune": student,
            "search": {"macs": "2x", "trials": 2, "pictures": 4},
        }
    )


def train(config: RunConfig, folder: Path | None, stop_at: int = 0) -> FitResult:
    def emit(event: RunEvent) -> None:
        if isinstance(event, StageProgress) and event.step == stop_at:
            raise KeyboardInterrupt

    lesson = Lesson.prepare(CycleGan(), config)
    task = TeacherTask(lesson.generator, lesson.objective, config.train.lambda_recon)
    return fit(task, lesson.data, config.train, folder=folder, emit=emit)


@pytest.mark.parametrize("options", [{}, {"norm": "batch", "direction": "BtoA"}])
def test_a_training_that_is_cut_equals_one_that_is_not_bit_for_bit(
    folder: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    # Long enough for the pools to hand out pictures from before the cut.
    config = config_of(folder, **options)
    config = config.model_copy(
        update={"train": config.train.model_copy(update={"steps": 24, "checkpoint_every": 10})}
    )
    whole = train(config, None)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path, stop_at=20)
    resumed = train(config, tmp_path)
    state = resumed.generator.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in whole.generator.state_dict().items())
    assert whole.metrics == resumed.metrics


def test_the_teacher_is_kept_with_the_critic_of_the_domain_that_it_draws(
    folder: Path, tmp_path: Path
) -> None:
    config = config_of(folder)
    teacher = begin_teacher(RunDirectory(tmp_path), CycleGan(), config)
    options = CycleGanOptions.model_validate(config.options)
    CycleGan().generator(options).load_state_dict(load_tensors(teacher.generator))
    critics = CycleGan().objective(options).discriminators
    critics.load_state_dict(load_tensors(teacher.discriminators))


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole job of the command line, its family from the entry point's module."""
    root = tmp_path_factory.mktemp("runs")
    written = root / "run.toml"
    config = config_of(folder, direction="BtoA").model_dump(mode="json", exclude_defaults=True)
    written.write_text(_toml(config))
    place = Path(__file__).parents[1] / "gancompress_cyclegan" / "__init__.py"
    words = ["--plugin", str(place)] if not _is_installed() else []
    for verb in ("train", "compress"):
        more = ["--teacher", str(root / "train")] if verb == "compress" else []
        call = [*words, verb, "--config", str(written), *more, "--out", str(root / verb)]
        with pytest.raises(SystemExit) as leaving:
            main(call)
        assert leaving.value.code == 0
    return root / "compress"


def test_distances_are_taken_to_the_pictures_of_the_other_domain(run: Path) -> None:
    figures = json.loads((run / "summary.json").read_text())
    for name in ("teacher", "compressed", "baseline"):
        assert figures[name]["frechet"] > 0
        assert figures[name]["l1_to_target"] is None
    assert 2 * figures["compressed"]["macs"] <= figures["teacher"]["macs"]
    evaluated = json.loads((run / "stages" / "evaluate.json").read_text())
    # Back from B: four inputs, and four of the six pictures of A beside them.
    assert evaluated["pictures"] == 4
    assert evaluated["protocol"]["real_pictures"] == 4
    assert (run / "samples.png").is_file()


def test_metrics_that_compare_one_by_one_are_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path(__file__).parents[1] / "gancompress_cyclegan" / "__init__.py"
    words = ["--plugin", str(place)] if not _is_installed() else []
    with pytest.raises(SystemExit) as leaving:
        main([*words, "evaluate", str(run), "--metric", "l1"])
    assert leaving.value.code == 2
    assert "'l1' compares pictures one by one" in capsys.readouterr().err


def test_networks_that_do_not_fit_together_are_one_sentence(folder: Path) -> None:
    # The user's own generator draws one channel, and the way back expects three.
    config = config_of(folder)
    own = torch.nn.Conv2d(3, 1, 1)
    with pytest.raises(ConfigError, match="draws pictures 1x32x32, and the data's real pictures"):
        Lesson.prepare(CycleGan(), config, own)


def _is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.name == "cyclegan" for point in entry_points(group="gancompress"))


def _toml(values: dict[str, Any]) -> str:
    lines = [f"{k} = {json.dumps(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for key, table in values.items():
        if isinstance(table, dict):
            lines += [f"[{key}]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
    return "\n".join(lines)
