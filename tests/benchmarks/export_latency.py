"""Time full and published nets in every runtime that is here, in alternating runs.

Run it with: python tests/benchmarks/export_latency.py [gaugan] [runs] [target ...]

By default the ResNet-9 of CycleGAN (ngf 64) and its published horse2zebra subnet at 1×3×256×256;
with "gaugan" the full GauGAN and its published cityscapes subnet at 256×512. Weights are random.
Every file is written by `gancompress.export`, so it has been compared with the network first. There
are two tables: the clock on the wall with 2 threads, and the processor's time of 1 thread, which a
busy machine distorts less. Targets that are named are the only ones.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

import gancompress
from gancompress.cost import Latency, measure_cost, measure_latency_in_turns
from gancompress.errors import GancompressError
from gancompress.export import Precision, export, find_target
from gancompress.gan import MobileResNetGenerator, ResNetGenerator, ResNetWidths
from gancompress_gaugan.generator import SpadeGenerator
from gancompress_gaugan.published import published_decomposition, published_subnet

RUNS: Final = 15
SUBNET: Final = "16_16_32_16_32_32_16_16"
CITYSCAPES: Final = "32_40_40_32_40_24_32_24"
# How it is timed: what stands above the table, threads, and the clock.
CLOCKS: Final[tuple[tuple[str, int, Callable[[], float]], ...]] = (
    ("wall clock, 2 threads", 2, time.perf_counter),
    ("processor time, 1 thread", 1, time.process_time),
)
FORMATS: Final[tuple[tuple[str, Precision], ...]] = (
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("program", "fp32"),
    ("aoti", "fp32"),
    ("executorch", "fp32"),
)
Nets = tuple[dict[str, nn.Module], Tensor]


def translation() -> Nets:
    """Return the ResNets and a picture."""
    torch.manual_seed(0)
    small = MobileResNetGenerator(ResNetWidths.parse(SUBNET, 9))
    nets: dict[str, nn.Module] = {"full": ResNetGenerator().eval(), "subnet": small.eval()}
    return nets, torch.rand(1, 3, 256, 256) * 2 - 1


def painting() -> Nets:
    """Return the SPADE nets and a label map of blocks."""
    torch.manual_seed(0)
    whole = SpadeGenerator(36, upsampling="more", size=(256, 512)).eval()
    classes = torch.randint(0, 35, (1, 1, 8, 16)).repeat_interleave(32, 2).repeat_interleave(32, 3)
    labels = torch.zeros(1, 36, 256, 512).scatter_(1, classes, 1.0)
    traced = gancompress.trace(whole, (labels,))
    folded = gancompress.run_passes(traced, [gancompress.FoldReparametrisation()])
    mobile = gancompress.run_passes(folded, [published_decomposition(folded.module)])
    supernet = gancompress.Supernet(mobile)
    small = supernet.materialise(published_subnet(supernet.graph, CITYSCAPES))
    return {"full": folded.module.eval(), "subnet": small.eval()}, labels


def main(words: list[str]) -> None:
    """Print the MACs of both nets, and a table by each clock with a row for each runtime."""
    runs = next((int(word) for word in words if word.isdigit()), RUNS)
    nets, picture = painting() if "gaugan" in words else translation()
    for name, net in nets.items():
        print(f"{name}: {measure_cost(net, (picture,)).macs / 1e9:.2f} G MACs", flush=True)
    chosen = {name for name, _ in FORMATS} & set(words)
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for name, precision in FORMATS:
            if not chosen or name in chosen:
                files |= exported(nets, picture, (name, precision), Path(folder))
        for title, threads, clock in CLOCKS:
            torch.set_num_threads(threads)
            runners = {**eager(nets, picture), **opened(files, picture, threads)}
            with torch.no_grad():
                times = measure_latency_in_turns(runners, runs=runs, warmup=2, clock=clock)
            show(title, times)


def eager(nets: dict[str, nn.Module], picture: Tensor) -> dict[str, Callable[[], Any]]:
    """Return runners of the networks in PyTorch."""
    return {f"torch eager/{name}": lambda net=net: net(picture) for name, net in nets.items()}


def exported(
    nets: dict[str, nn.Module], picture: Tensor, how: tuple[str, Precision], folder: Path
) -> dict[str, Path]:
    """Write both nets in a format; say why where that cannot be done."""
    target, precision = how
    files: dict[str, Path] = {}
    for name, net in nets.items():
        if name == "full" and precision != "fp32":
            continue
        file = folder / find_target(target).file_name(f"{name}-{precision}")
        try:
            # Random weights say nothing of how good int8 is, so every layer is quantised.
            report = export(net, file, target, precision=precision, min_psnr=1.0, inputs=(picture,))
        except GancompressError as error:
            print(f"{target} {precision}, {name}: {error.message}", flush=True)
            return {}
        print(
            f"{target} {precision}, {name}: differs by {report.max_abs_error:.2g}, "
            f"{report.psnr:.1f} dB",
            flush=True,
        )
        files[f"{target} {precision}/{name}"] = file
    return files


def opened(files: dict[str, Path], picture: Tensor, threads: int) -> dict[str, Callable[[], Any]]:
    """Return runners of the files, each with its own threads."""
    loaded = {
        name: gancompress.load(file, trust=True, threads=threads) for name, file in files.items()
    }
    return {name: lambda run=run: run(picture) for name, run in loaded.items()}


def show(title: str, times: Mapping[str, Latency]) -> None:
    """Print median milliseconds, and how many times faster the subnet is."""
    full = times["torch eager/full"]
    print(f"\n{title}\n")
    print("| runtime | full, ms | subnet, ms | subnet against full | against full in eager |")
    print("|---|---|---|---|---|")
    for row in dict.fromkeys(name.rpartition("/")[0] for name in times):
        one, other = times.get(f"{row}/full"), times[f"{row}/subnet"]
        ratio = f"{one.p50 / other.p50:.1f}" if one else "–"
        whole = f"{one.p50:.0f}" if one else "–"
        print(f"| {row} | {whole} | {other.p50:.1f} | {ratio} | {full.p50 / other.p50:.1f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
