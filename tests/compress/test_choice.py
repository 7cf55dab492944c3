"""``decompose.layers = "auto"``: what is chosen, and that a run remembers it."""

import json
from pathlib import Path

import pytest
import torch

from gancompress.compress import Job, TeacherWeights, prepare
from gancompress.compress.choice import FILE, calibration_inputs, known_choice
from gancompress.compress.configure import override
from gancompress.config import RunConfig
from gancompress.cost import measure_cost
from gancompress.elastic import calibrate_batch_norm
from gancompress.errors import BudgetError, ConfigError
from gancompress.events import Notice, StageProgress, StageStarted
from gancompress.gan import GanFamily
from gancompress.graph import trace
from gancompress.passes import Decompose, residual_convolutions
from gancompress.plugins import PluginHost
from gancompress.store import RunDirectory, save_tensors
from gancompress_pix2pix.family import Pix2Pix


def auto(config: RunConfig, **more: object) -> RunConfig:
    settings = {"layers": "auto", "metric": "error", "samples": 4, **more}
    return override(config, {"decompose": settings})


@pytest.fixture
def config(config: RunConfig) -> RunConfig:
    small = {"blocks": 1, "generator_width": 8}
    return override(config, {"options": small, "search": {"macs": "1.1x"}})


@pytest.fixture
def weights(config: RunConfig) -> TeacherWeights:
    torch.manual_seed(3)
    family = Pix2Pix()
    net = family.generator(family.options.model_validate(config.options))
    for parameter in net.parameters():
        if parameter.ndim > 1:  # the family's first weights are so small that nothing is drawn
            torch.nn.init.kaiming_normal_(parameter)
    return TeacherWeights.of(net, "random weights")


def chosen(config: RunConfig, weights: TeacherWeights) -> tuple[str, ...]:
    choice = prepare(Pix2Pix(), config, weights).choice
    assert choice is not None
    return choice.layers


def test_by_default_as_much_is_saved_as_by_the_residual_blocks(
    config: RunConfig, weights: TeacherWeights
) -> None:
    events: list[object] = []
    project = prepare(Pix2Pix(), auto(config), weights, emit=events.append)
    choice = project.choice
    assert choice is not None
    fixed = prepare(Pix2Pix(), config, weights)

    inputs = project.teacher.example_inputs
    mine, other, teacher = (
        measure_cost(net, inputs).macs
        for net in (project.supernet.net, fixed.supernet.net, project.teacher.module)
    )
    assert mine <= other
    assert choice.macs_saved == teacher - mine
    assert choice.measured_loss is not None
    assert choice.measured_loss > 0
    texts = [event.text for event in events if isinstance(event, Notice)]
    assert any("'auto' decomposes" in text and FILE in text for text in texts)
    assert fixed.choice is None


def test_what_was_measured_is_what_is_decomposed(
    config: RunConfig, weights: TeacherWeights
) -> None:
    project = prepare(Pix2Pix(), auto(config, macs="1.5x"), weights)
    assert project.choice is not None
    assert project.choice.layers
    val = project.batches("val", most=4)
    calibrate_batch_norm(project.supernet.net, calibration_inputs(project.data, project.config))
    with torch.no_grad():
        drawn, teacher = (
            torch.cat([net(*batch.inputs) for batch in val])
            for net in (project.supernet.net.eval(), project.teacher.module)
        )
    error = float((drawn - teacher).square().mean() / teacher.var(correction=0))
    assert error == pytest.approx(project.choice.measured_loss, rel=1e-3)


def test_a_limit_of_the_loss_or_of_the_macs_decides(
    config: RunConfig, weights: TeacherWeights
) -> None:
    assert chosen(auto(config, max_loss=0.0), weights) == ()
    assert chosen(auto(config, macs="1x"), weights) == ()
    few, many = (chosen(auto(config, macs=m), weights) for m in ("1.1x", "1.5x"))
    assert 0 < len(few) < len(many)
    with pytest.raises(BudgetError, match="no choice of layers meets the budget '100x'"):
        chosen(auto(config, macs="100x"), weights)


def test_without_residual_blocks_half_of_what_can_be_saved_is(
    config: RunConfig, weights: TeacherWeights
) -> None:
    # The blocks are left alone, so that what remains has none.
    plain = override(auto(config), {"space": {"ignored": {"patterns": [r".*conv_block\..*"]}}})

    layers = chosen(plain, weights)

    assert layers
    assert not any("conv_block" in layer for layer in layers)


@pytest.mark.parametrize("metric", ["psnr", "nose"])
def test_a_metric_that_is_no_distance_is_refused(
    config: RunConfig, weights: TeacherWeights, metric: str
) -> None:
    with pytest.raises(ConfigError, match=metric):
        prepare(Pix2Pix(), auto(config, metric=metric), weights)


def test_two_limits_are_one_too_many(config: RunConfig) -> None:
    with pytest.raises(ConfigError, match="one decides"):
        auto(config, max_loss=0.1, macs="2x")


class Tools:
    """A job on a teacher that lies in a folder."""

    def __init__(self, folder: Path, weights: TeacherWeights) -> None:
        self.teacher = folder / "teacher.safetensors"
        save_tensors(self.teacher, weights.generator)
        self.out = folder / "run"
        self.events: list[object] = []

    def open(self, config: RunConfig, stop_after: int | None = None) -> tuple[str, ...]:
        self.events.clear()

        def emit(event: object) -> None:
            self.events.append(event)
            if event == StageProgress(
                "sensitivity", stop_after or 0, getattr(event, "metrics", {})
            ):
                raise KeyboardInterrupt

        family: GanFamily = Pix2Pix()
        host = PluginHost.discover()
        job = Job.begin(self.out, family, config, host, teacher=self.teacher)
        with job.open(("distill",), emit) as project:
            assert project is not None
            assert project.choice is not None
            return project.choice.layers

    def seen(self, step: int, stop_after: int | None) -> None:
        if step == stop_after:
            raise KeyboardInterrupt

    @property
    def measured(self) -> int:
        """How many layers were measured, and not only looked up."""
        stage = [e for e in self.events if getattr(e, "stage", "") == "sensitivity"]
        return sum(isinstance(event, StageProgress) for event in stage)

    @property
    def asked(self) -> bool:
        """Whether the sensitivity was asked for at all."""
        return any(getattr(event, "stage", "") == "sensitivity" for event in self.events)


def test_a_run_remembers_what_was_chosen(
    config: RunConfig, weights: TeacherWeights, tmp_path: Path
) -> None:
    tools, settings = Tools(tmp_path, weights), auto(config)
    first = tools.open(settings)
    assert tools.asked
    record = json.loads((tools.out / FILE).read_text())
    assert tuple(record["layers"]) == first
    assert record["metric"] == "error"

    assert tools.open(settings) == first
    assert not tools.asked

    # A record that is damaged, or of other settings, is no record: it is chosen anew.
    for damage in ("{", json.dumps({**record, "layers": [], "settings": {}})):
        (tools.out / FILE).write_text(damage)
        assert tools.open(settings) == first
        assert tools.asked


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_interrupted_measurement_goes_on(
    config: RunConfig, weights: TeacherWeights, tmp_path: Path, own_cache: Path
) -> None:
    whole = Tools(tmp_path / "whole", weights)
    settings = auto(config)
    expected = whole.open(settings)
    total = whole.measured
    assert total > 3
    for file in (own_cache / "sensitivity").iterdir():
        file.unlink()

    tools = Tools(tmp_path / "cut", weights)
    with pytest.raises(KeyboardInterrupt):
        tools.open(settings, stop_after=2)
    assert not tools.out.exists()
    assert tools.open(settings) == expected
    began = next(
        e for e in tools.events if isinstance(e, StageStarted) and e.stage == "sensitivity"
    )
    assert (began.done, tools.measured) == (2, total - 2)

    # Another limit needs no other figures, other pictures do.
    again = Tools(tmp_path / "again", weights)
    again.open(auto(config, max_loss=0.0))
    assert again.measured == 0
    more = Tools(tmp_path / "more", weights)
    more.open(auto(config, samples=3))
    assert more.measured == total


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    config: RunConfig, weights: TeacherWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(tmp_path / "file"))
    tools = Tools(tmp_path, weights)
    assert tools.open(auto(config))
    texts = [event.text for event in tools.events if isinstance(event, Notice)]
    assert any("what 'auto' measures is not remembered" in text for text in texts)


def test_no_record_counts_for_a_run_without_auto(
    config: RunConfig, weights: TeacherWeights, tmp_path: Path
) -> None:
    tools = Tools(tmp_path, weights)
    tools.open(auto(config))
    assert known_choice(RunDirectory(tools.out), config) is None


def test_the_layers_are_those_that_the_pass_takes(
    config: RunConfig, weights: TeacherWeights
) -> None:
    layers = chosen(auto(config, max_loss=1e9), weights)
    family = Pix2Pix()
    net = family.generator(family.options.model_validate(config.options))
    traced = trace(net.eval(), (torch.zeros(1, 3, 32, 32),))

    assert Decompose(layers).apply(traced) is not traced
    assert set(residual_convolutions(traced)) < set(layers)
