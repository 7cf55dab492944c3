import pytest
import torch

from gancompress.config import TrainConfig
from gancompress.distill.precision import computes_bf16, resolve_precision
from gancompress.events import Notice, RunEvent
from tests.distill.test_loop import fit, make_data, make_task

CPU = torch.device("cpu")


def test_what_was_asked_for_is_taken() -> None:
    assert resolve_precision("no", CPU) == "no"
    assert resolve_precision("bf16", CPU) == "bf16"


@pytest.mark.parametrize(
    ("capabilities", "computes"),
    [
        ({"avx2": True, "avx512_f": True, "amx_bf16": False, "avx512_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"cpu_name": "bf16", "bf16": "no flag"}, False),
        ({}, False),
    ],
)
def test_a_processor_without_instructions_for_bf16_trains_in_float32(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], computes: bool
) -> None:
    assert computes_bf16(capabilities) is computes
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolve_precision("auto", CPU) == ("bf16" if computes else "no")


def test_a_torch_that_cannot_tell_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_precision("auto", CPU) == "no"


def test_other_devices_than_the_two_train_in_float32() -> None:
    assert resolve_precision("auto", torch.device("mps")) == "no"


@pytest.mark.parametrize("computes", [True, False])
def test_the_loop_says_when_it_has_chosen_bf16(
    monkeypatch: pytest.MonkeyPatch, computes: bool
) -> None:
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx512_bf16": computes}, raising=False
    )
    events: list[RunEvent] = []
    config = TrainConfig(steps=1, batch_size=2, precision="auto")
    fit(make_task(), make_data(), config, emit=events.append)
    said = [event for event in events if isinstance(event, Notice)]
    assert ["bfloat16" in notice.text for notice in said] == ([True] if computes else [])
