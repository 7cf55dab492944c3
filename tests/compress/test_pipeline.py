from pathlib import Path

import pytest
import torch

from gancompress.compress import (
    Project,
    distill_supernet,
    evaluate_pair,
    finetune_subnet,
    prepare,
    search_subnet,
    train_teacher,
)
from gancompress.config import RunConfig
from gancompress.elastic import SubnetConfig
from gancompress.errors import BudgetError, CheckpointError
from gancompress.events import RunEvent, StageFinished
from gancompress.gan import ResNetGenerator
from gancompress.store import RunDirectory, save_tensors
from gancompress_pix2pix.family import Pix2Pix


def project_of(run: RunDirectory, config: RunConfig) -> Project:
    return prepare(Pix2Pix(), config, train_teacher(run, Pix2Pix(), config).folder)


def whole(folder: Path, config: RunConfig, events: list[RunEvent]) -> torch.nn.Module:
    run = RunDirectory(folder)
    with run.open(config.model_dump(mode="json")):
        project = project_of(run, config)
        distill_supernet(run, project, emit=events.append)
        best = search_subnet(run, project, emit=events.append).best
        return finetune_subnet(run, project, best.config, emit=events.append)


def test_the_whole_job_and_a_second_run_that_finds_all_done(
    tmp_path: Path, config: RunConfig
) -> None:
    first = whole(tmp_path, config, [])
    events: list[RunEvent] = []
    again = whole(tmp_path, config, events)
    skipped = {e.stage for e in events if isinstance(e, StageFinished) and e.skipped}
    assert skipped == {"distill", "finetune"}
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in first.state_dict().items())

    run = RunDirectory(tmp_path)
    evaluation, teacher, compressed = evaluate_pair(project_of(run, config), first)
    assert 4 * compressed.macs <= teacher.macs
    assert compressed.params < teacher.params
    assert evaluation.pictures == 6
    assert evaluation.psnr_to_teacher is not None


def test_without_decomposing_the_widest_student_is_the_teacher(
    tmp_path: Path, config: RunConfig
) -> None:
    plain = config.model_copy(
        update={"decompose": config.decompose.model_copy(update={"layers": "none"})}
    )
    project = project_of(RunDirectory(tmp_path), plain)
    picture = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        goal = project.teacher.module.eval()(picture)
        output = project.supernet.eval()(picture)
    assert torch.allclose(goal, output, atol=1e-5)


def test_an_impossible_budget_is_refused_at_once(tmp_path: Path, config: RunConfig) -> None:
    search = config.search.model_copy(update={"macs": 1000})
    tight = config.model_copy(update={"search": search})
    run = RunDirectory(tmp_path)
    with pytest.raises(BudgetError, match="smallest"):
        search_subnet(run, project_of(run, tight))


def test_a_checkpoint_of_another_architecture_names_the_first_key(
    tmp_path: Path, config: RunConfig
) -> None:
    run = RunDirectory(tmp_path)
    teacher = train_teacher(run, Pix2Pix(), config)
    for net, sentence in (
        (ResNetGenerator(width=8, blocks=2, norm="batch"), "differs in 'model.1.bias'"),
        (ResNetGenerator(width=16, blocks=1, norm="batch"), "lacks 'model"),
        (ResNetGenerator(width=16, blocks=3, norm="batch"), "'model"),
    ):
        save_tensors(teacher.generator, net.state_dict(), {})
        with pytest.raises(CheckpointError, match=sentence):
            prepare(Pix2Pix(), config, teacher.folder)


def test_finetuning_moves_only_the_chosen_subnet(tmp_path: Path, config: RunConfig) -> None:
    run = RunDirectory(tmp_path)
    project = project_of(run, config)
    smallest = project.supernet.space.smallest()
    before = {k: v.clone() for k, v in project.supernet.state_dict().items()}
    finetune_subnet(run, project, SubnetConfig(dict(smallest.widths)))
    after = project.supernet.state_dict()
    weight = after["model.1.weight"]
    width = smallest.widths["model.1"]
    assert not torch.equal(weight[:width], before["model.1.weight"][:width])
    assert torch.equal(weight[width:], before["model.1.weight"][width:])
