import errno
import json
import os
from pathlib import Path

import pytest

from gancompress.errors import RunError, StorageError
from gancompress.store import read_json, write_atomic, write_json
from gancompress.store.atomic import storage_errors


def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"

    write_atomic(path, b"one")
    write_atomic(path, b"two")

    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "file.bin"
    write_atomic(path, b"old")

    def full(_handle: int) -> None:
        raise OSError(code, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full") as caught:
        write_atomic(path, b"new")

    assert "goes on from the last checkpoint" in caught.value.hint
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match=r"'.*file/x' cannot be written") as caught:
        write_atomic(tmp_path / "file" / "x", b"")

    assert "may write to" in caught.value.hint


def test_an_os_error_without_a_text_is_still_a_sentence() -> None:
    with (
        pytest.raises(StorageError, match="'x' cannot be written: odd"),
        storage_errors(Path("x")),
    ):
        raise OSError("odd")


def test_json_round_trip_keeps_what_json_can_hold(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True], "ü": {"b": float("inf")}}

    write_json(tmp_path / "x.json", value)

    assert read_json(tmp_path / "x.json") == value
    assert "ü" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_json_refuses_other_values_before_it_writes(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"path": Path()})

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\xff"])
def test_damaged_json_is_a_run_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)

    with pytest.raises(RunError, match="is damaged"):
        read_json(tmp_path / "x.json")


def test_missing_json_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        read_json(tmp_path / "x.json")


def test_json_files_end_with_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", [])

    assert (tmp_path / "x.json").read_bytes() == json.dumps([]).encode() + b"\n"
