import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gancompress.config import TrainConfig
from gancompress.distill import TeacherTask, fit
from gancompress.distill.loading import TRIED, BatchLoader
from gancompress.errors import DataError
from gancompress.gan import Batch, PairedObjective, PairedPictures, PatchDiscriminator


class Slow(Dataset[Batch]):
    """Pairs that take their time."""

    def __init__(self, pairs: PairedPictures, seconds: float = 0.0, broken: int = -1) -> None:
        self.pairs, self.seconds, self.broken = pairs, seconds, broken

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Batch:
        if index == self.broken:
            raise DataError("'x.png' cannot be read", hint="remove it")
        time.sleep(self.seconds)
        return self.pairs[index]


def pairs(count: int = 12) -> PairedPictures:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return PairedPictures(pixels, 255 - pixels, flip=True, shift=2)


def loader(data: Dataset[Batch], **settings: Any) -> BatchLoader:
    return BatchLoader(data, seed=3, steps=40, batch_size=4, **settings)


def everything(batch: Batch) -> list[Tensor]:
    assert batch.target is not None
    return [*batch.inputs, batch.target]


def test_workers_make_the_batches_that_the_loop_would_make_bit_for_bit() -> None:
    inside, outside = loader(pairs(), workers=0), loader(pairs(), workers=2)
    for step in (5, 6, 7, 20, 21):  # a resumed run begins anywhere
        torch.manual_seed(0)
        expected = everything(inside.load(step))
        torch.manual_seed(1)
        assert all(map(torch.equal, everything(outside.load(step)), expected))
    outside.close()


def test_processes_share_a_batch_out() -> None:
    whole = loader(pairs(), workers=0).load(3)
    parts = [loader(pairs(), workers=0, place=(n, 2)).load(3) for n in (0, 1)]
    # What is random about a picture does not depend on how many processes there are.
    assert torch.equal(parts[0].inputs[0], whole.inputs[0][0::2])
    assert torch.equal(parts[1].inputs[0], whole.inputs[0][1::2])


def test_micro_batches_share_a_batch_out() -> None:
    whole = loader(pairs(), workers=0).load(3)
    micro = loader(pairs(), workers=0, accumulate=2)
    parts = [micro.load(6), micro.load(7)]
    assert torch.equal(parts[0].inputs[0], whole.inputs[0][0::2])
    assert torch.equal(parts[1].inputs[0], whole.inputs[0][1::2])
    ends = [loader(pairs(), workers=0, accumulate=2, place=(n, 2)).load(7) for n in (0, 1)]
    assert torch.equal(torch.cat([e.inputs[0] for e in ends]), whole.inputs[0][[1 * 2, 3]])


def test_workers_begin_where_the_loop_waits_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    # A clock of our own: a busy machine makes everybody wait.
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("time.perf_counter", lambda: now)
    monkeypatch.setattr("time.sleep", sleep)
    slow, quick = loader(Slow(pairs(), 0.002)), loader(Slow(pairs(), 0.0001))
    for step in range(TRIED + 2):
        slow.load(step)
        quick.load(step)
        sleep(0.02)  # a training step
    assert (slow.workers, quick.workers) == (2, 0)
    slow.close()


@pytest.mark.parametrize("why", ["one core", "no shared memory"])
def test_workers_stay_away_where_they_have_no_place(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1 if why == "one core" else 8)
    if why == "no shared memory":
        monkeypatch.setitem(BatchLoader._has_room.__globals__, "_SHARED", "/nowhere")
    slow = loader(Slow(pairs(), 0.001))
    for step in range(TRIED + 2):
        slow.load(step)
    assert slow.workers == 0


def test_an_unreadable_picture_in_a_worker_keeps_its_sentence_and_hint() -> None:
    with pytest.raises(DataError) as caught:
        loader(Slow(pairs(4), broken=2), workers=1).load(0)
    assert (caught.value.message, caught.value.hint) == ("'x.png' cannot be read", "remove it")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        # What is drawn in the step comes after what loading has drawn.
        return nn.functional.dropout(self.layer(x), 0.5, self.training)


def trained(data: Dataset[Batch]) -> dict[str, Tensor]:
    torch.manual_seed(0)
    task = TeacherTask(Net(), PairedObjective(PatchDiscriminator(6, 4, 1)), 1.0)
    return fit(task, data, TrainConfig(steps=TRIED + 6, batch_size=2)).generator.state_dict()


def test_a_run_that_starts_workers_equals_one_that_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[int] = []
    begin = BatchLoader._start

    def noted(self: BatchLoader, step: int) -> Any:
        started.append(step)
        return begin(self, step)

    monkeypatch.setattr(BatchLoader, "_start", noted)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    slow = trained(Slow(pairs(), 0.005))
    assert started == [TRIED]
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    quick = trained(pairs())
    assert started == [TRIED]
    assert all(torch.equal(value, quick[name]) for name, value in slow.items())
