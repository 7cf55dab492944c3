import multiprocessing
import warnings
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from gancompress.elastic import calibrate_batch_norm


def test_statistics_become_averages_over_all_batches() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.BatchNorm2d(3)).eval()
    norm = net[0]
    norm.momentum = 0.3
    nn.init.constant_(norm.running_mean, 100)
    batches = [torch.randn(4, 3, 5, 5) * k for k in (1, 2, 3)]

    assert calibrate_batch_norm(net, batches) is net

    means = torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0)
    variances = torch.stack([b.var((0, 2, 3)) for b in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert norm.momentum == 0.3
    assert not any(layer.training for layer in net.modules())


def test_modes_are_put_back_one_by_one() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3)).train()
    net[1].eval()
    calibrate_batch_norm(net, [torch.randn(2, 3, 4, 4)])
    assert [layer.training for layer in net] == [True, False]


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        result: Tensor = self.norm(x + y)
        return result


def test_batches_may_be_tuples_or_mappings() -> None:
    x = torch.ones(2, 1, 2, 2)
    for batch in ((x, x), {"y": x, "x": x}):
        net = calibrate_batch_norm(Two(), [batch])
        torch.testing.assert_close(net.get_buffer("norm.running_mean"), torch.tensor([2.0]))


def test_without_batch_norm_no_batch_is_drawn() -> None:
    drawn: list[int] = []
    net = nn.Sequential(nn.InstanceNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False))
    calibrate_batch_norm(net, (torch.zeros(drawn.append(k) or 1) for k in range(3)))
    assert not drawn


def test_no_batches_leave_the_statistics() -> None:
    norm = nn.BatchNorm2d(2)
    nn.init.constant_(norm.running_mean, 7)
    calibrate_batch_norm(norm, [])
    assert norm.running_mean is not None
    assert norm.running_mean.tolist() == [7, 7]


def _of_one_process(rank: int, place: Path) -> None:
    # A process that has no batch has to take part as well.
    distributed.init_process_group("gloo", f"file://{place}/store", rank=rank, world_size=3)
    torch.manual_seed(rank)
    batches = [torch.randn(4, 2, 3, 3) + rank for _ in range((2, 1, 0)[rank])]
    norm = calibrate_batch_norm(nn.BatchNorm2d(2), batches)
    torch.save((batches, norm.state_dict()), place / f"{rank}.pt")
    distributed.destroy_process_group()


def test_processes_average_their_batches(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_of_one_process, args=(rank, tmp_path)) for rank in range(3)]
    with warnings.catch_warnings():
        # The workers touch no lock that another thread of this one may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        for worker in workers:
            worker.start()
    for worker in workers:
        worker.join(60)
    seen = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(3)]
    batches = [batch for own, _ in seen for batch in own]
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    variances = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    for _, state in seen:
        torch.testing.assert_close(state["running_mean"], means)
        torch.testing.assert_close(state["running_var"], variances)
