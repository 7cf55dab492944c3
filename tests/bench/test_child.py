"""The script of the process, called in this one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gancompress.bench import child
from gancompress.cost import turns

PLAYER = """
def load(path, device, settings):
    if path == "broken":
        raise OSError("no such net\\nat all")
    def run(inputs):
        if len(inputs[0]) > settings["most"]:
            raise ValueError
    return run
"""


def test_a_job_says_what_each_net_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "STATUS", tmp_path / "nowhere")  # as where no system says
    answer = tmp_path / "answer.json"
    (tmp_path / "player.py").write_text(PLAYER)
    (tmp_path / "energy_uj").write_text("7")
    np.savez(tmp_path / "inputs.npz", one=np.zeros((1, 3)), four=np.zeros((4, 3)))
    job: dict[str, Any] = {
        "path": [],
        "import": "no_such_module",
        "player": str(tmp_path / "player.py"),
        "turns": turns.__file__,
        "cpus": None,
        "nets": [
            {"name": "good", "file": "good", "settings": {"most": 1}},
            {"name": "bad", "file": "broken", "settings": {}},
        ],
        "inputs": str(tmp_path / "inputs.npz"),
        "batches": {"1": ["one"], "4": ["four"]},
        "runs": 3,
        "warmup": 1,
        "counters": [str(tmp_path)],
        "answer": str(answer),
    }
    (tmp_path / "job.json").write_text(json.dumps(job))

    child.main(str(tmp_path / "job.json"))

    found = json.loads(answer.read_text())
    assert found["good"]["memory"] is None
    assert len(found["good"]["times"]["1"]) == 3
    assert found["good"]["energy"] == {"1": 0.0}
    assert found["good"]["errors"] == {"4": "ValueError"}
    assert found["bad"]["times"] == {}
    assert found["bad"]["errors"] == {"1": "no such net", "4": "no such net"}


def test_energy_is_a_call_s_and_a_counter_may_begin_anew(tmp_path: Path) -> None:
    counter = tmp_path / "energy_uj"
    counter.write_text("1000000")
    (tmp_path / "max_energy_range_uj").write_text("10000000")

    def spend(microjoules: int) -> Any:
        def run() -> None:
            counter.write_text(str((int(counter.read_text()) + microjoules) % 10_000_000))

        return run

    assert child.energy(spend(500_000), [str(tmp_path)], 4) == pytest.approx(0.5)
    assert child.energy(spend(2_000_000), [str(tmp_path)], 4) == pytest.approx(2.0)


@pytest.mark.skipif(not child.resident("VmHWM"), reason="this system says no peak")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_memory_is_the_peak_beyond_what_was_there() -> None:
    size = 64 * 2**20

    def load(path: str, device: str, settings: Any) -> Any:
        if path == "broken":
            raise OSError
        held = bytearray(size)  # the net
        return lambda inputs: held and bytearray(size)  # and what a call takes

    before = child.resident("VmRSS")
    found = child.memory(load, {"file": "", "settings": {}}, [])

    assert found is not None
    assert 1.9 * size < found < 2.5 * size
    assert child.resident("VmRSS") < before + size
    assert child.memory(load, {"file": "broken", "settings": {}}, []) is None
