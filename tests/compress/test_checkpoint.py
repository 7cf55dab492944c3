from pathlib import Path

import pytest
import torch
from torch import nn

from gancompress.compress import TeacherWeights, keep_teacher, prepare
from gancompress.compress.checkpoint import load_into
from gancompress.config import RunConfig
from gancompress.errors import CheckpointError
from gancompress.events import Notice, RunEvent
from gancompress.gan import Batch, Objective
from gancompress.store import RunDirectory, save_tensors
from gancompress_pix2pix.family import Pix2Pix

NET = {"0.weight": torch.rand(2, 3), "count": torch.tensor(3)}


def folder(place: Path, *, critics: bool = True) -> Path:
    save_tensors(place / "generator.safetensors", NET)
    if critics:
        save_tensors(place / "discriminators.safetensors", {"d": torch.ones(2)})
    return place


def test_a_teacher_is_found_in_a_folder_a_run_and_a_file(tmp_path: Path) -> None:
    plain = TeacherWeights.read(folder(tmp_path / "plain"))
    run = tmp_path / "run"
    folder(run / "teacher")
    assert TeacherWeights.read(run).sha256 == plain.sha256
    torch.save({"state_dict": NET}, tmp_path / "net.pt")
    alone = TeacherWeights.read(tmp_path / "net.pt")
    assert alone.discriminators is None
    assert torch.equal(alone.generator["0.weight"], NET["0.weight"])
    assert TeacherWeights.read(folder(tmp_path / "bare", critics=False)).sha256 == alone.sha256
    assert alone.sha256 != plain.sha256  # other critics make another teacher


@pytest.mark.parametrize(
    "change",
    [
        {"0.weight": torch.rand(2, 3)},
        {"0.weight": NET["0.weight"].reshape(3, 2)},
        {"0.weight": NET["0.weight"].half()},
        {"1.weight": torch.ones(1)},
    ],
)
def test_the_digest_sees_values_shapes_types_and_names(change: dict[str, torch.Tensor]) -> None:
    before = TeacherWeights(NET, None, "a").sha256
    assert TeacherWeights({**NET, **change}, None, "a").sha256 != before
    assert TeacherWeights(dict(reversed(NET.items())), None, "b").sha256 == before


@pytest.mark.parametrize(
    ("name", "words"), [("", "does not exist"), ("empty", "holds no 'generator.safetensors'")]
)
def test_nothing_there_is_said(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=words):
        TeacherWeights.read(tmp_path / (name or "nowhere"))


def test_a_run_keeps_its_teacher_once(tmp_path: Path) -> None:
    weights = TeacherWeights.read(folder(tmp_path / "t"))
    run = RunDirectory(tmp_path / "run")
    keep_teacher(run, weights)
    keep_teacher(run, TeacherWeights({}, None, "another"))
    kept = TeacherWeights.read(tmp_path / "run")
    assert kept.sha256 == weights.sha256 == run.summary("teacher")["sha256"]


def test_half_precision_weights_fill_a_float32_net() -> None:
    net = nn.Linear(3, 2)
    half = {k: v.half() for k, v in nn.Linear(3, 2).state_dict().items()}
    load_into(net, half)
    assert net.weight.dtype == torch.float32
    assert torch.equal(net.weight, half["weight"].float())
    with pytest.raises(CheckpointError, match="'the checkpoint' is of another architecture"):
        load_into(net, {"weight": half["weight"]})
    with pytest.raises(CheckpointError, match=r"'x.pt' is of .*: it has the unknown 'b'"):
        load_into(net, {**half, "b": half["bias"]}, "x.pt")


class Foreign(Pix2Pix):
    """Knows a layout whose keys begin with 'netG.'."""

    def import_checkpoint(self, options, path, state):  # type: ignore[no-untyped-def]
        return {k.removeprefix("netG."): v for k, v in state.items()}


def test_a_family_translates_a_foreign_checkpoint_and_critics_start_anew(
    tmp_path: Path, config: RunConfig
) -> None:
    family = Foreign()
    net = family.generator(family.options.model_validate(config.options))
    file = tmp_path / "latest_net_G.pth"
    torch.save({f"netG.{k}": v for k, v in net.state_dict().items()}, file)
    events: list[RunEvent] = []
    project = prepare(family, config, file, emit=events.append)
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(project.teacher.module(picture), net.eval()(picture))
    notes = [e.text for e in events if isinstance(e, Notice)]
    assert notes == [f"'{file}' has no discriminators: they start from scratch"]
    again = prepare(family, config, file)
    for one, other in zip(
        project.objective.discriminators.parameters(),
        again.objective.discriminators.parameters(),
        strict=True,
    ):
        assert torch.equal(one, other)
    with pytest.raises(CheckpointError, match="of another architecture"):
        prepare(Pix2Pix(), config, file)


def critic_of(family: Pix2Pix, config: RunConfig, **changes: object) -> dict[str, torch.Tensor]:
    options = family.options.model_validate({**config.options, **changes})
    critic = family.objective(options).discriminators["discriminator"]
    return {f"module.{k}": v + 1 for k, v in critic.state_dict().items()}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("latest_net_G.pth", "latest_net_D.pth"),
        ("latest_net_G_B.pth", "latest_net_D_B.pth"),
        ("full-G.pth", "full-D.pth"),
        ("netG.pt", "netD.pt"),
    ],
)
def test_a_critic_beside_an_official_generator_is_found_and_kept(
    tmp_path: Path, config: RunConfig, ours: str, theirs: str
) -> None:
    family = Pix2Pix()
    net = family.generator(family.options.model_validate(config.options))
    critic = critic_of(family, config)
    torch.save(net.state_dict(), tmp_path / ours)
    torch.save(critic, tmp_path / theirs)
    weights = TeacherWeights.read(tmp_path / ours)
    assert weights.beside == tmp_path / theirs
    run = RunDirectory(tmp_path / "run")
    keep_teacher(run, weights)
    kept = TeacherWeights.read(run.root)
    assert kept.sha256 == weights.sha256
    for one, found in ((weights, True), (kept, False)):  # later verbs read the copy in the run
        events: list[RunEvent] = []
        project = prepare(family, config, one, emit=events.append)
        first = project.objective.discriminators.get_parameter("discriminator.model.0.weight")
        assert torch.equal(first, critic["module.model.0.weight"])
        notes = [e.text for e in events if isinstance(e, Notice)]
        text = f"'{tmp_path / theirs}' lies beside '{tmp_path / ours}': the discriminators start"
        assert [note.startswith(text) for note in notes] == [True] * found


@pytest.mark.parametrize("name", ["generator.pth", "BIGG.pth", "gan.pt", "G"])
def test_other_names_have_no_critic_beside_them(tmp_path: Path, name: str) -> None:
    for each in (name, "discriminator.pth", "D", "BIGD.pth"):
        torch.save(NET, tmp_path / each)
    assert TeacherWeights.read(tmp_path / name).discriminators is None


def test_a_critic_that_does_not_fit_is_refused_with_the_way_out(
    tmp_path: Path, config: RunConfig
) -> None:
    family = Pix2Pix()
    net = family.generator(family.options.model_validate(config.options))
    torch.save(net.state_dict(), tmp_path / "latest_net_G.pth")
    wide = critic_of(family, config, discriminator_width=3)
    torch.save(wide, tmp_path / "latest_net_D.pth")
    with pytest.raises(CheckpointError, match=r"latest_net_D.pth' is of another arch") as caught:
        prepare(family, config, tmp_path / "latest_net_G.pth")
    assert "or move the file away" in caught.value.hint
    # An objective that has no discriminators needs none.
    events: list[RunEvent] = []
    prepare(Uncritical(), config, tmp_path / "latest_net_G.pth", emit=events.append)
    assert not [event for event in events if isinstance(event, Notice)]


class NoCritic(Objective):
    """A family may train by reconstruction and distillation alone."""

    discriminators = nn.ModuleDict()  # type: ignore[assignment]

    def generator_losses(self, batch: Batch, output: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}

    discriminator_losses = generator_losses


class Uncritical(Pix2Pix):
    def objective(self, options):  # type: ignore[no-untyped-def]
        return NoCritic()
