"""A scorer that workers make from a recipe, and ways for it to go wrong in the middle."""

import json
import os
import signal
import time
from pathlib import Path

from gancompress.elastic import SubnetConfig
from gancompress.errors import DataError
from gancompress.search.recipe import Scorer, ScorerRecipe
from gancompress.store.weights import decode_tensors

WEIGHTS = (1, 9, 1, 1, 9, 1)


def make(recipe: ScorerRecipe) -> Scorer:
    """Make a scorer; a file that the settings name says what goes wrong, by the sum of widths."""
    data = recipe.tensors["weights"]
    weights = tuple(decode_tensors(data, source=Path("weights"))["w"].tolist())
    folder = Path(recipe.settings["folder"])
    if recipe.settings.get("broken"):
        raise DataError("the data of 'scoring' are gone", hint="bring them back")
    if recipe.settings.get("ends"):
        os.kill(os.getpid(), signal.SIGKILL)

    def score(config: SubnetConfig) -> float:
        widths = tuple(config.widths.values())
        _go_wrong(sum(widths), folder)
        return float(sum(w / width for w, width in zip(weights, widths, strict=False)))

    return score


def _go_wrong(total: int, folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    if plan.get("raises") == total:
        raise DataError(f"no score for '{total}'", hint="take another")
    if plan.get("bug") == total:
        raise ZeroDivisionError(f"a bug at {total}")
    if plan.get("always_kills") == total or (plan.get("kills") == total and _first(folder / "x")):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(plan.get("pause", 0))


def _first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
