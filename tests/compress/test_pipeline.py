import json
from pathlib import Path

import pytest
import torch

from gancompress.compress import (
    Project,
    bench_models,
    distill_supernet,
    evaluate_models,
    evaluate_pair,
    export_models,
    exported_file,
    finetune_subnet,
    prepare,
    run_stages,
    search_subnet,
    summarise,
    train_teacher,
)
from gancompress.config import RunConfig
from gancompress.elastic import SubnetConfig
from gancompress.errors import BudgetError, CheckpointError, RunError
from gancompress.events import RunEvent, StageFinished, StageProgress, StageStarted
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
    assert skipped == {"distill", "search", "finetune"}
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


def test_an_impossible_budget_is_refused_before_the_first_step(
    tmp_path: Path, config: RunConfig
) -> None:
    search = config.search.model_copy(update={"macs": 1000})
    tight = config.model_copy(update={"search": search})
    run = RunDirectory(tmp_path)
    with pytest.raises(BudgetError, match="smallest"):
        distill_supernet(run, project_of(run, tight))
    assert not run.path("checkpoints/distill").exists()


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
    with pytest.raises(RunError, match="'finetune' goes on from 'distill'"):
        finetune_subnet(run, project)
    distill_supernet(run, project)
    smallest = project.supernet.space.smallest()
    before = {k: v.clone() for k, v in project.supernet.state_dict().items()}
    finetune_subnet(run, project, SubnetConfig(dict(smallest.widths)))
    after = project.supernet.state_dict()
    weight = after["model.1.weight"]
    width = smallest.widths["model.1"]
    assert not torch.equal(weight[:width], before["model.1.weight"][:width])
    assert torch.equal(weight[width:], before["model.1.weight"][width:])


@pytest.mark.parametrize("kind", ["scaled", "conditioned", "none"])
def test_other_discriminators_go_on_in_another_process(
    tmp_path: Path, config: RunConfig, kind: str
) -> None:
    other = config.model_copy(
        update={
            "distill": config.distill.model_copy(update={"discriminator": kind}),
            "finetune": config.finetune.model_copy(update={"sampling": "uniform"}),
        }
    )
    run = RunDirectory(tmp_path)
    first = project_of(run, other)
    distill_supernet(run, first)
    trained = {k: v.clone() for k, v in first.objective.discriminators.state_dict().items()}
    second = project_of(run, other)
    finetune_subnet(run, second, SubnetConfig(dict(second.supernet.space.smallest().widths)))
    after = second.objective.discriminators.state_dict()
    assert trained.keys() == after.keys()
    assert all(value.shape == after[name].shape for name, value in trained.items())
    films = {name: value for name, value in after.items() if ".film." in name}
    assert bool(films) == (kind == "conditioned")


def test_a_budget_aware_distillation_takes_the_budget_of_the_search(
    tmp_path: Path, config: RunConfig
) -> None:
    settings = config.distill.model_copy(update={"sampling": "budget-aware"})
    run = RunDirectory(tmp_path)
    project = project_of(run, config.model_copy(update={"distill": settings}))
    distill_supernet(run, project)
    assert run.stage_done("distill")


def test_results_follow_finetuning_and_stay(tmp_path: Path, config: RunConfig) -> None:
    events: list[RunEvent] = []
    run = RunDirectory(tmp_path)
    with run.open(config.model_dump(mode="json")):
        project = project_of(run, config)
        for stage in (export_models, evaluate_models, bench_models):
            with pytest.raises(RunError, match="goes on from 'finetune'"):
                stage(run, project)
        assert summarise(run)["teacher"]["macs"] is None
        figures = run_stages(run, project, emit=events.append)
        assert figures == json.loads(run.path("summary.json").read_text())
        assert not run.path("samples.png").exists()  # nobody was there to draw
        for stage in (export_models, evaluate_models, bench_models):
            assert stage(run, project) == run.summary(stage.__name__.partition("_")[0])
        again = bench_models(run, project, again=True)
        assert again["runs"] > 0
        assert run_stages(run, None) == summarise(run)
    assert figures["compressed"]["psnr_to_teacher"] is not None
    assert figures["teacher"]["psnr_to_teacher"] is None
    assert exported_file(run).is_file()
    begun = [e.stage for e in events if isinstance(e, StageStarted)]
    assert begun == ["distill", "search", "finetune", "export", "evaluate", "bench"]
    ticks = [e.step for e in events if isinstance(e, StageProgress) and e.stage == "evaluate"]
    assert ticks == [1, 2]
    assert not project.teacher.module._forward_hooks
