"""Small networks of the kinds that the tests save and export."""

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.export import CompressedModel


class Translator(nn.Module):
    """A little of everything that generators are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 8, 3))
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.up = nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1)
        self.act = nn.PReLU(8)
        self.last = nn.Conv2d(16, 3, 1)
        self.scale = nn.Parameter(torch.ones(1, 8, 1, 1) * 1.5)
        self.register_buffer("shift", torch.full((1, 8, 1, 1), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        g = F.leaky_relu(F.instance_norm(self.down(h)), 0.2)
        g = self.depthwise(self.norm(g)) * self.scale + self.shift
        g = F.interpolate(self.up(g), size=(x.shape[2], x.shape[3]), mode="nearest")
        h = torch.cat([h, self.act(g).clamp(min=-float("inf"), max=1e6)], dim=1)
        return torch.tanh(self.last(h[:, :, ...]))


def translator(seed: int = 0) -> fx.GraphModule:
    torch.manual_seed(seed)
    net = Translator()
    net(torch.randn(4, 3, 16, 16))  # batch statistics that are not the first ones
    return fx.symbolic_trace(net.eval())


def traced(*layers: nn.Module) -> fx.GraphModule:
    return fx.symbolic_trace(nn.Sequential(*layers).eval())


def model_of(module: nn.Module, **card: object) -> CompressedModel:
    return CompressedModel(module, SubnetConfig({"first.1": 8}), Cost(10, 12, 5), card)
