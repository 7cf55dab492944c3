import json
import math
from pathlib import Path

import pytest

from gancompress.compress.trials import load_trials, save_trials
from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import RunError
from gancompress.search import SearchResult, Trial


def test_trials_come_back_as_they_were(tmp_path: Path) -> None:
    trials = [
        Trial(0, SubnetConfig({"a": 8, "b": 16}), Cost(100, 120, 10, 4096), 3.25),
        Trial(1, SubnetConfig({"a": 8, "b": 8}), Cost(50, 60, 5), math.inf),
        Trial(2, SubnetConfig({"a": 16, "b": 8}), Cost(90, 99, 9), 1 / 3),
    ]
    found = SearchResult.of(trials)
    save_trials(tmp_path / "trials.json", found)
    assert load_trials(tmp_path / "trials.json") == found
    content = json.loads((tmp_path / "trials.json").read_text())
    assert content["best"] == 2
    assert content["front"] == [1, 2]
    assert content["trials"][1]["score"] is None  # infinity is no JSON


@pytest.mark.parametrize("text", ["{", "{}", '{"trials": [1]}', '{"trials": []}'])
def test_damaged_trials_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "trials.json").write_text(text)
    with pytest.raises(RunError, match=r"trials.json' is damaged"):
        load_trials(tmp_path / "trials.json")
