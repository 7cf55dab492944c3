"""Compare how fast a search scores subnets with scoring them without any of its preparations.

Run it with: python tests/benchmarks/scoring_speed.py [subnets] [pictures]

Both score the same subnets of the OpenMoji demo on the same pictures, in turns, in this process.
"plain" activates the supernet in eager float32 and works out everything anew for each subnet:
calibration, the teacher's pictures, features of the real pictures. "product" is what
`gancompress search` does. Printed are subnets a minute of the processor's time, which other
processes on the machine do not disturb, and of the clock; the largest relative difference of the
scores; and where the plain way spends its time.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from gancompress.compress.configure import configure, override
from gancompress.compress.prepare import Project, prepare
from gancompress.compress.scoring import CALIBRATION_PICTURES, subnet_score
from gancompress.elastic import SubnetConfig, calibrate_batch_norm
from gancompress.metrics import Lite0Features, frechet_distance, pictures_of
from gancompress.search import LocalEvaluator
from gancompress_pix2pix.family import Pix2Pix

SUBNETS, PICTURES = 4, 128


def main(count: int, pictures: int) -> None:
    """Print the comparison."""
    project = make_project(pictures)
    rng = random.Random(0)  # noqa: S311
    subnets = [project.supernet.sample(rng) for _ in range(count)]
    score, _ = subnet_score(project)
    local = LocalEvaluator(project.supernet, score)
    parts: Counter[str] = Counter()
    ways: dict[str, Callable[[SubnetConfig], float]] = {
        "plain": lambda config: score_plainly(project, config, pictures, parts),
        "product": lambda config: next(value for _, value in local.evaluate([config])),
    }
    spent = {name: Counter[str]() for name in ways}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for config in subnets:
        for name, way in ways.items():
            clock, processor = time.perf_counter(), time.process_time()
            found[name].append(way(config))
            spent[name]["processor"] += time.process_time() - processor
            spent[name]["clock"] += time.perf_counter() - clock
    for kind in ("processor", "clock"):
        rates = {name: 60 * count / spent[name][kind] for name in ways}
        shown = ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items())
        ratio = rates["product"] / rates["plain"]
        print(f"subnets a minute ({kind}): {shown}; {ratio:.1f} times as many")
    pairs = zip(found["plain"], found["product"], strict=True)
    print(f"largest relative difference: {max(abs(a - b) / abs(a) for a, b in pairs):.2g}")
    print("plain:", ", ".join(f"{name} {part / count:.2f} s" for name, part in parts.items()))


def make_project(pictures: int) -> Project:
    """Prepare the demo; its layers are not fitted, as nothing is drawn that anyone looks at."""
    family = Pix2Pix()
    config = override(configure(family, recipe="openmoji"), {"search": {"pictures": pictures}})
    teacher = Path(str(family.recipes()["openmoji"].teacher))
    return prepare(family, config, teacher, fitted=False)


@torch.no_grad()
def score_plainly(
    project: Project, config: SubnetConfig, pictures: int, parts: Counter[str]
) -> float:
    """Score one subnet as if there were no other, and add up where the time goes."""
    began = time.process_time()

    def lap(name: str) -> None:
        nonlocal began
        parts[name] += time.process_time() - began
        began = time.process_time()

    batches = project.batches("val", most=pictures)
    calibration = [b.inputs for b in project.batches("train", most=CALIBRATION_PICTURES)]
    lap("data")
    net = project.supernet.activate(config).eval()
    calibrate_batch_norm(net, calibration)
    lap("calibration")
    list(pictures_of(project.teacher.module, batches, "teacher"))
    lap("teacher")
    drawn = torch.cat(list(pictures_of(net, batches, "subnet")))
    lap("subnet")
    features = Lite0Features()
    reals = torch.cat([batch.real for batch in batches if batch.real is not None])
    real = features.extract(reals)
    lap("features of the real pictures")
    found = frechet_distance(features.extract(drawn), real)
    lap("features and distance")
    return found


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [SUBNETS, PICTURES][len(given) :]))
