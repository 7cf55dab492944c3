"""The measurements on tiny nets, where it is known what comes out."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gancompress import Decompose, IgnoredScope, SearchSpace, run_passes, sensitivity, trace
from gancompress.elastic import calibrate_batch_norm
from gancompress.errors import AnalysisError, ConfigError, DataError
from gancompress.events import Notice, StageFinished, StageProgress, StageStarted
from gancompress.graph import TracedGenerator
from gancompress.sensitivity import joint_loss, normalised_error


class Net(nn.Module):
    """The second convolution is separable already, the transposed one is not."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16, momentum=None) if norm else nn.Identity()
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
        self.last = nn.Conv2d(8, 3, 1)
        with torch.no_grad():
            kernel, mix = torch.randn(1, 16, 3, 3), torch.randn(16, 16, 1, 1) / 8
            self.second.weight.copy_(kernel * mix)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x)).relu()
        return self.last(self.up(self.second(x).relu()).relu())


def traced(net: nn.Module) -> TracedGenerator:
    return trace(net.eval(), (torch.zeros(1, 3, 8, 8),))


def batches(count: int = 2, size: int = 3) -> list[tuple[Tensor]]:
    draws = torch.Generator().manual_seed(1)
    return [(torch.randn(size, 3, 8, 8, generator=draws),) for _ in range(count)]


def test_each_change_is_measured_alone_and_what_is_separable_costs_nothing() -> None:
    report = sensitivity(traced(Net()), batches(), ratios=(0.5,))

    effects = {effect.layer: effect for effect in report.layers}
    assert list(effects) == ["first", "second", "up"]  # the last one is pointwise
    assert report.loss(effects["second"]) < 1e-10
    assert report.loss(effects["up"]) > 1e-3
    assert effects["up"].kind == "ConvTranspose2d"
    assert (report.metric, report.metrics, report.samples) == ("error", ("error",), 6)
    # 16 → 16 channels, 3×3 at 64 positions: 9 · 256 become 9 · 16 + 256.
    assert effects["second"].macs == 64 * 9 * 256
    assert effects["second"].macs_saved == 64 * (9 * 256 - 9 * 16 - 256)
    assert effects["second"].params_saved == 9 * 256 - 9 * 16 - 256
    assert report.macs == 64 * (27 * 16 + 9 * 256 + 16 * 8 * 16) + 256 * 24

    assert [(g.group, g.width, g.units) for g in report.groups] == [
        ("first", 8, 16),
        ("second", 8, 16),
    ]
    assert report.groups[0].macs_saved == 64 * 8 * (27 + 9 * 16)
    assert all(report.loss(group) > 0 for group in report.groups)
    # Half of 8 channels is no multiple of 8.
    assert report.skipped == {
        "up": "no width below 8 units is in the space",
        "last": "frozen: network output",
    }


def test_the_widths_next_to_the_ratios_are_tried_once_each() -> None:
    space = SearchSpace({"first": (4, 8, 12, 16), "second": (12, 16)})

    report = sensitivity(traced(Net()), batches(), ratios=(0.2, 0.5, 0.55, 0.8), space=space)

    tried = [(effect.group, effect.width) for effect in report.groups]
    assert tried == [("first", 4), ("first", 8), ("first", 12), ("second", 12)]
    narrow, middle, wide = (report.loss(effect) for effect in report.groups[:3])
    assert narrow > middle > wide


def test_the_teacher_is_left_as_it_is() -> None:
    generator = traced(Net(norm=True))
    generator.module.train()
    before = {name: tensor.clone() for name, tensor in generator.module.state_dict().items()}

    sensitivity(generator, batches(), calibration=batches())

    after = generator.module.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(layer.training for layer in generator.module.modules())


def test_statistics_are_averaged_anew_over_the_calibration_inputs() -> None:
    generator, inputs = traced(Net(norm=True)), batches(5)
    net = run_passes(generator, [Decompose(["first"], calibration=inputs)]).module
    calibrate_batch_norm(net, inputs)
    drawn, teacher = (torch.cat([m(*b) for b in batches()]) for m in (net, generator.module))

    report = sensitivity(generator, batches(), layers=("first",), ratios=(), calibration=inputs)

    assert report.loss(report.layers[0]) == pytest.approx(normalised_error(drawn, teacher))
    plain = sensitivity(generator, batches(), layers=("first",), ratios=())
    assert plain.loss(plain.layers[0]) != pytest.approx(report.loss(report.layers[0]))


def test_the_first_metric_decides_and_all_are_kept() -> None:
    def far(drawn: Tensor, teacher: Tensor) -> float:
        return float((drawn - teacher).abs().max())

    report = sensitivity(traced(Net()), batches(), metrics={"far": far}, ratios=())

    assert (report.metric, report.metrics) == ("far", ("far", "error"))
    assert all(effect.losses.keys() == {"far", "error"} for effect in report.layers)


def test_a_loss_that_is_not_finite_is_told() -> None:
    events: list[object] = []

    def nowhere(drawn: Tensor, teacher: Tensor) -> float:
        return float("nan")

    report = sensitivity(
        traced(Net()), batches(), metrics={"nan": nowhere}, ratios=(), emit=events.append
    )

    assert [effect.losses["nan"] for effect in report.layers] == [None] * 3
    assert report.loss(report.layers[0]) == float("inf")
    assert report.robust(100.0) == ()
    notices = [e.text for e in events if isinstance(e, Notice)]
    assert notices[0] == "'decompose first': the metric 'nan' is not finite"


def test_a_teacher_whose_numbers_run_over_gives_no_loss() -> None:
    net = Net()
    with torch.no_grad():
        net.last.bias.fill_(float("inf"))

    report = sensitivity(traced(net), batches(), ratios=())

    assert {effect.losses["error"] for effect in report.layers} == {None}


def test_an_interrupted_measurement_goes_on_where_it_was(tmp_path: Path) -> None:
    storage = tmp_path / "changes.jsonl"
    calls: list[int] = []

    def counting(drawn: Tensor, teacher: Tensor) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return float((drawn - teacher).abs().mean())

    with pytest.raises(KeyboardInterrupt):
        sensitivity(traced(Net()), batches(), metrics={"far": counting}, storage=storage)
    assert len(storage.read_text().splitlines()) == 2

    storage.write_text(storage.read_text() + '{"change": "decom')  # as of a foreign writer
    events: list[object] = []
    arguments = {"metrics": {"far": counting}, "storage": storage}
    report = sensitivity(traced(Net()), batches(), **arguments, emit=events.append)

    total = len(report.layers) + len(report.groups)
    assert len(calls) == 3 + total - 2
    assert events[0] == StageStarted("sensitivity", total, done=2)
    steps = [event.step for event in events if isinstance(event, StageProgress)]
    assert steps == list(range(3, total + 1))
    assert isinstance(events[-1], StageFinished)
    assert report == sensitivity(traced(Net()), batches(), **{**arguments, "storage": None})

    calls.clear()
    assert sensitivity(traced(Net()), batches(), **arguments) == report
    assert not calls


def test_another_metric_measures_only_what_is_lacking(tmp_path: Path) -> None:
    storage = tmp_path / "changes.jsonl"
    first = sensitivity(traced(Net()), batches(), storage=storage, ratios=())

    both = sensitivity(
        traced(Net()), batches(), metrics={"one": lambda *_: 1.0}, storage=storage, ratios=()
    )

    assert both.by("error").metric == "error"
    for one, other in zip(first.layers, both.layers, strict=True):
        assert other.losses == {"one": 1.0, "error": one.losses["error"]}
    entry = json.loads(storage.read_text().splitlines()[0])
    assert set(entry["losses"]) == {"one", "error"}


@pytest.mark.parametrize("what", ["weights", "pictures", "ignored"])
def test_what_was_measured_on_something_else_does_not_count(tmp_path: Path, what: str) -> None:
    storage = tmp_path / "changes.jsonl"
    sensitivity(traced(Net()), batches(), storage=storage, ratios=())
    net, inputs, ignored = Net(), batches(), None
    if what == "weights":
        nn.init.zeros_(net.up.bias)
    elif what == "pictures":
        inputs = batches(3)
    else:
        ignored = IgnoredScope(names=("up",))
    events: list[object] = []

    sensitivity(
        traced(net), inputs, storage=storage, ratios=(), ignored=ignored, emit=events.append
    )

    assert isinstance(events[0], StageStarted)
    assert events[0].done == 0


@pytest.mark.parametrize(
    ("layers", "found", "groups"),
    [
        (("up",), ["up"], []),
        (("first", "last"), ["first"], ["first"]),
        (("second",), ["second"], ["second"]),
    ],
)
def test_named_layers_alone_are_tried(
    layers: tuple[str, ...], found: list[str], groups: list[str]
) -> None:
    report = sensitivity(traced(Net()), batches(), layers=layers, ratios=(0.5,))

    assert [effect.layer for effect in report.layers] == found
    assert [effect.group for effect in report.groups] == groups


def test_a_module_stands_for_everything_inside() -> None:
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)), nn.Conv2d(8, 3, 3))

    report = sensitivity(trace(net, (torch.zeros(1, 3, 8, 8),)), batches(), layers=("0",))

    assert [effect.layer for effect in report.layers] == ["0.0", "0.1"]


@pytest.mark.parametrize(("name", "words"), [("secnd", "did you mean 'second'"), ("?", "inspect")])
def test_a_name_that_selects_nothing_is_refused(name: str, words: str) -> None:
    with pytest.raises(AnalysisError, match=r"is no layer that can be decomposed") as caught:
        sensitivity(traced(Net()), batches(), layers=("up", name))
    assert words in caught.value.hint


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.5, float("nan")])
def test_a_ratio_that_is_no_share_is_refused(ratio: float) -> None:
    with pytest.raises(ConfigError, match=r"is no share of a width"):
        sensitivity(traced(Net()), batches(), ratios=(0.5, ratio))


@pytest.mark.parametrize("inputs", [[], [(torch.zeros(0, 3, 8, 8),)]])
def test_no_pictures_are_refused(inputs: list[tuple[Tensor]]) -> None:
    with pytest.raises(DataError, match=r"no pictures to compare"):
        sensitivity(traced(Net()), inputs)


def test_a_generator_of_several_pictures_is_refused() -> None:
    class Two(Net):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
            return super().forward(x), x

    with pytest.raises(DataError, match=r"returns 'tuple'"):
        sensitivity(traced(Two()), batches())


def test_nothing_to_change_makes_an_empty_report() -> None:
    net = nn.Conv2d(3, 3, 1)

    report = sensitivity(trace(net, (torch.zeros(1, 3, 8, 8),)), batches())

    assert (report.layers, report.groups) == ((), ())
    assert report.macs == 9 * 64
    assert report.skipped  # the output's channels, with the reason
    assert report.robust(1.0) == ()


def test_several_layers_together_are_measured_too() -> None:
    generator = traced(Net())

    assert joint_loss(generator, batches(), ("second",), normalised_error) == pytest.approx(0)
    one = sensitivity(generator, batches(), ratios=(), layers=("up",))
    both = joint_loss(generator, batches(), ("second", "up"), normalised_error)
    assert both == pytest.approx(one.loss(one.layers[0]), rel=1e-3)


def test_the_error_is_1_for_the_mean_and_needs_equal_shapes() -> None:
    teacher = torch.tensor([0.0, 2.0])

    assert normalised_error(torch.ones(2), teacher) == 1.0
    assert normalised_error(teacher, teacher) == 0.0
    with pytest.raises(DataError, match=r"drew \(3,\), and the teacher \(2,\)"):
        normalised_error(torch.ones(3), teacher)


def test_noise_that_the_net_draws_itself_is_no_loss() -> None:
    class Noisy(Net):
        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return self.last(self.up(self.second((x + torch.randn_like(x)).relu())))

    report = sensitivity(traced(Noisy()), batches(), ratios=(), layers=("second",))

    assert report.loss(report.layers[0]) < 1e-10
