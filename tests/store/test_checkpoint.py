import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gancompress.errors import CheckpointError, StorageError
from gancompress.store import load_latest_checkpoint, save_checkpoint
from gancompress.store.checkpoint import KEPT

FILES = ["tensors.safetensors", "state.json", "manifest.json"]


def save(folder: Path, step: int) -> Path:
    return save_checkpoint(folder, step, {"w": torch.full((4,), float(step))}, {"seen": step})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_none(tmp_path: Path) -> None:
    assert load_latest_checkpoint(tmp_path / "absent") is None
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    (tmp_path / "step-latest").mkdir()
    assert load_latest_checkpoint(tmp_path) is None


def test_the_newest_comes_back(tmp_path: Path) -> None:
    save(tmp_path, 250)
    path = save(tmp_path, 500)

    found = load_latest_checkpoint(tmp_path)

    assert path == tmp_path / "step-00000500"
    assert names(path) == sorted(FILES)
    assert found is not None
    assert (found.step, found.state, found.skipped) == (500, {"seen": 500}, ())
    assert torch.equal(found.tensors["w"], torch.full((4,), 500.0))


def test_two_are_kept(tmp_path: Path) -> None:
    for step in range(0, 1250, 250):
        save(tmp_path, step)

    assert names(tmp_path) == ["step-00000750", "step-00001000"]
    assert KEPT == 2


def test_steps_beyond_eight_digits_sort_by_number(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000, 100_000_001):
        save(tmp_path, step)

    assert names(tmp_path) == ["step-100000000", "step-100000001"]


def test_a_step_can_be_saved_again(tmp_path: Path) -> None:
    save(tmp_path, 5)
    save_checkpoint(tmp_path, 5, {}, "again")

    found = load_latest_checkpoint(tmp_path)

    assert found is not None
    assert found.state == "again"
    assert names(tmp_path) == ["step-00000005"]


def test_what_was_saved_last_is_loaded_even_if_its_step_is_lower(tmp_path: Path) -> None:
    for step in (10, 20, 15):
        save(tmp_path, step)

    found = load_latest_checkpoint(tmp_path)

    assert found is not None
    assert found.step == 15
    assert names(tmp_path) == ["step-00000010", "step-00000015"]


def test_leftovers_of_a_killed_writer_are_ignored_and_removed(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / ".partial-step-00000002").mkdir()
    (tmp_path / ".partial-step-00000002" / "state.json").write_text("{")

    found = load_latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    save(tmp_path, 2)
    assert names(tmp_path) == ["step-00000001", "step-00000002"]


def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="step-00000002' cannot be written: the disk is full"):
        save(tmp_path, 2)

    found = load_latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1


def test_state_that_json_cannot_hold_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path, 1, {}, {"rng": object()})

    assert not names(tmp_path)


def test_negative_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="-1 is negative"):
        save(tmp_path, -1)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(name=st.sampled_from(FILES[:2]), place=st.floats(0, 0.999), flip=st.integers(1, 255))
def test_one_damaged_byte_is_noticed(name: str, place: float, flip: int) -> None:
    with TemporaryDirectory() as text:
        folder = Path(text)
        save(folder, 1)
        path = save(folder, 2) / name
        data = bytearray(path.read_bytes())
        data[int(place * len(data))] ^= flip
        path.write_bytes(data)

        found = load_latest_checkpoint(folder)

    assert found is not None
    assert found.step == 1
    assert found.skipped == (f"'{path}' differs from its manifest",)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_noticed(tmp_path: Path, name: str) -> None:
    save(tmp_path, 1)
    (save(tmp_path, 2) / name).unlink()

    found = load_latest_checkpoint(tmp_path)

    assert found is not None
    assert found.step == 1
    assert "is incomplete" in found.skipped[0]


@pytest.mark.parametrize("manifest", ["{", "[]", "{}", '{"sha256": []}', '{"sha256": {}}'])
def test_a_damaged_manifest_is_noticed(tmp_path: Path, manifest: str) -> None:
    save(tmp_path, 1)
    (save(tmp_path, 2) / "manifest.json").write_text(manifest)

    found = load_latest_checkpoint(tmp_path)

    assert found is not None
    assert found.step == 1


def test_nothing_whole_is_an_error_and_not_a_fresh_start(tmp_path: Path) -> None:
    for step in (1, 2):
        (save(tmp_path, step) / "state.json").unlink()

    with pytest.raises(CheckpointError, match=r"every checkpoint .*step-00000002' is incomplete"):
        load_latest_checkpoint(tmp_path)
