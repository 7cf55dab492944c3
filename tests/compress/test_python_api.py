"""`gancompress.compress`: a user's own generator from a script."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import gancompress
from gancompress.compress import Outcome
from gancompress.config import RunConfig
from gancompress.errors import ConfigError
from gancompress.events import RunEvent, StageFinished
from gancompress.plugins import PluginHost
from gancompress_pix2pix.family import Pix2Pix


class Mine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 16, 3, padding=1)
        self.deep = nn.Conv2d(16, 16, 3, padding=1)
        self.leave = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.enter(x).relu()
        return self.leave(self.deep(wide).relu() + wide).tanh()


def test_one_call_compresses_a_users_generator(tmp_path: Path, config: RunConfig) -> None:
    torch.manual_seed(0)
    generator = Mine()
    weights = {k: v.clone() for k, v in generator.state_dict().items()}
    events: list[RunEvent] = []

    def call(**more: object) -> Outcome:
        return gancompress.compress(
            generator,
            family="pix2pix",
            options=config.options,
            budget=gancompress.Budget(macs="2x"),
            settings={
                "distill": config.distill.model_dump(),
                "finetune": config.finetune.model_dump(),
                "search": {"trials": 2, "pictures": 4},
                "export": {"target": "torch"},
            },
            out=tmp_path / "run",
            host=PluginHost.discover(),
            emit=events.append,
            **more,
        )

    outcome = call()
    assert outcome.figures["compressed"]["macs"] * 2 <= outcome.figures["teacher"]["macs"]
    assert outcome.exported.is_file()
    with torch.no_grad():
        assert outcome.model.module(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert all(torch.equal(generator.state_dict()[k], v) for k, v in weights.items())
    events.clear()
    assert call().figures == outcome.figures
    assert all(isinstance(e, StageFinished) and e.skipped for e in events)


def test_without_a_generator_and_a_teacher_there_is_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no teacher is named"):
        gancompress.compress(family=Pix2Pix(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
