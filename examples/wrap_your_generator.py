"""Compress a generator of your own, with no plugin: every line is useful alone.

Run it with: python examples/wrap_your_generator.py small.onnx
"""

import sys

import numpy as np
import torch
from torch import Tensor, nn

import gancompress
from gancompress.config import DistillConfig
from gancompress.gan import PairedPictures


class MyGenerator(nn.Module):
    """Any generator: this one has a skip connection and a concatenation."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.leave = nn.Conv2d(2 * width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.enter(x).relu()
        deep = self.down(wide).relu()
        return self.leave(torch.cat([wide, self.up(deep).relu()], dim=1)).tanh()


def main(path: str) -> None:
    torch.manual_seed(0)
    generator = MyGenerator().eval()  # load your checkpoint here
    rng = np.random.default_rng(0)  # and your pictures here
    pixels = rng.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    pairs = PairedPictures(pixels, pixels)
    example = (torch.zeros(1, 3, 32, 32),)

    traced = gancompress.trace(generator, example)
    print(gancompress.analyse(traced, verify=True).coverage())
    student = gancompress.run_passes(traced, [gancompress.SortChannels()])
    supernet = gancompress.Supernet(student, gancompress.SearchSpace.multiples_of(8))
    config = DistillConfig(batch_size=4, recon_target="teacher")
    gancompress.distill(supernet, teacher=generator, data=pairs, steps=20, config=config)

    inputs = torch.stack([pairs[i].inputs[0] for i in range(8)])
    with torch.no_grad():
        goal = generator(inputs)

    def score(net: nn.Module) -> float:
        with torch.no_grad():
            return float((net(inputs) - goal).abs().mean())

    def cost(net: nn.Module) -> gancompress.Cost:
        return gancompress.measure_cost(net, example)

    budget = gancompress.Budget(macs="4x").resolve(cost(generator))
    found = gancompress.search(supernet, budget=budget, score=score, cost=cost, trials=5)
    model = gancompress.CompressedModel.from_supernet(supernet, found.best)
    report = gancompress.export(model, path, target="onnx", inputs=[inputs])
    print(f"{cost(generator).macs:,} MACs became {found.best.cost.macs:,}: {report.path}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "small.onnx")
