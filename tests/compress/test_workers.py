"""What a worker makes of what it is sent scores like the process that sent it."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gancompress.compress import Job, Project, Workers
from gancompress.compress.scoring import subnet_score
from gancompress.compress.workers import make_scorer, scorer_recipe, scorers
from gancompress.config import RunConfig
from gancompress.errors import ConfigError
from gancompress.plugins import PluginHost
from gancompress.search import LocalEvaluator
from gancompress_pix2pix.family import Pix2Pix


class Renamed(Pix2Pix):
    """A family that no plugin offers."""


def project_of(job: Job) -> Project:
    with job.open(("distill",)) as project:
        assert project is not None
    torch.manual_seed(1)
    for parameter in project.supernet.parameters():  # as distillation would
        parameter.data += 0.01 * torch.randn_like(parameter)
    project.supernet.eval()
    return project


def test_a_project_is_made_again(config: RunConfig, tmp_path: Path) -> None:
    family = Pix2Pix()
    net = family.generator(family.options.model_validate(config.options))
    jobs = {
        "by names": Job.begin(
            tmp_path / "a",
            family,
            config,
            PluginHost.discover(),
            teacher=teacher(tmp_path, net),
        ),
        "from objects": Job.begin(tmp_path / "b", Renamed(), config, PluginHost(), generator=net),
        "of a family without a plugin": Job.begin(
            tmp_path / "c", Renamed(), config, PluginHost.discover(), generator=net
        ),
    }
    for name, job in jobs.items():
        project = project_of(job)
        recipe = scorer_recipe(project)
        assert ("generator" in recipe.objects) == (name != "by names")
        assert ("family" in recipe.objects) == (name != "by names")
        assert ("rules" in recipe.objects) == (name == "from objects")
        score, _ = subnet_score(project)
        subnets = [project.supernet.sample(random.Random(seed)) for seed in range(2)]  # noqa: S311
        here = [value for _, value in LocalEvaluator(project.supernet, score).evaluate(subnets)]
        there = make_scorer(recipe)
        assert [there(subnet) for subnet in subnets] == here
        assert here[0] != here[1]


def test_a_worker_scores_where_it_is_told_to(config: RunConfig, tmp_path: Path) -> None:
    family = Pix2Pix()
    net = family.generator(family.options.model_validate(config.options))
    host = PluginHost.discover()
    job = Job.begin(tmp_path / "a", family, config, host, teacher=teacher(tmp_path, net))
    recipe = scorer_recipe(replace(project_of(job), device="cuda:7"))
    with pytest.raises(ConfigError, match="'cuda:7'"):
        make_scorer(recipe)


def teacher(folder: Path, net: torch.nn.Module) -> Path:
    path = folder / "teacher.pth"
    torch.save(net.state_dict(), path)
    return path


def test_a_host_knows_whether_it_can_be_found_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("")
    host = PluginHost.discover([file], ["pix2pix"])
    assert host.discovered == ((file.resolve(),), ("pix2pix",))
    assert PluginHost().discovered is None


def test_a_project_made_by_hand_is_refused(config: RunConfig, tmp_path: Path) -> None:
    family = Pix2Pix()
    net = family.generator(family.options.model_validate(config.options))
    job = Job.begin(tmp_path / "a", family, config, PluginHost.discover(), generator=net)
    project = project_of(job)
    object.__setattr__(project, "origin", None)
    score, _ = subnet_score(project)
    refused = pytest.raises(ConfigError, match="workers cannot make a project again")
    with refused, scorers(project, score, Workers(1)):
        pass
