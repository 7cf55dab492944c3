import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from gancompress.errors import DataError, StorageError
from gancompress.store import ArchiveFormat, tree_size, unpack


def tar(path: Path, members: dict[str, bytes], link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc"
            out.addfile(info)
    return path


def zipped(path: Path, members: dict[str, bytes], link: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(name, data)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            out.writestr(info, "/etc")
    return path


FORMATS = pytest.mark.parametrize(("write", "kind"), [(tar, "tar.gz"), (zipped, "zip")])


@FORMATS
def test_the_one_folder_inside_becomes_the_target(
    tmp_path: Path, write: object, kind: ArchiveFormat
) -> None:
    assert callable(write)
    archive = write(tmp_path / "a", {"maps/train/1.jpg": b"one", "maps/val/2.jpg": b"two!"})
    unpack(archive, tmp_path / "maps", kind)
    assert (tmp_path / "maps" / "train" / "1.jpg").read_bytes() == b"one"
    assert tree_size(tmp_path / "maps") == (2, 7)
    assert {p.name for p in tmp_path.iterdir()} == {"a", "maps"}


@FORMATS
def test_several_entries_stay_side_by_side(
    tmp_path: Path, write: object, kind: ArchiveFormat
) -> None:
    assert callable(write)
    archive = write(tmp_path / "a", {"trainA/1.jpg": b"one", "trainB/1.jpg": b"two"})
    unpack(archive, tmp_path / "out", kind)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"trainA", "trainB"}


@FORMATS
@pytest.mark.parametrize(
    "name", ["../out.txt", "/srv/out.txt", "a/../../out.txt", "..\\out.txt", "C:\\out.txt"]
)
def test_no_name_leads_out_of_the_folder(
    tmp_path: Path, write: object, kind: ArchiveFormat, name: str
) -> None:
    assert callable(write)
    archive = write(tmp_path / "a", {"fine.txt": b"", name: b"bad"})
    with pytest.raises(DataError, match="leads out of its folder"):
        unpack(archive, tmp_path / "deep" / "target", kind)
    assert {p.name for p in tmp_path.rglob("*")} == {"a", "deep"}


@FORMATS
def test_links_are_refused(tmp_path: Path, write: object, kind: ArchiveFormat) -> None:
    assert callable(write)
    archive = write(tmp_path / "a", {"fine.txt": b""}, "x/link")
    with pytest.raises(DataError, match="'x/link', and nothing of it is kept"):
        unpack(archive, tmp_path / "target", kind)
    assert {p.name for p in tmp_path.iterdir()} == {"a"}


@FORMATS
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_half_an_archive_leaves_nothing(
    tmp_path: Path, write: object, kind: ArchiveFormat, share: float
) -> None:
    assert callable(write)
    noise = bytes((i * i * 7919 + i // 3) % 256 for i in range(50_000))
    archive = write(tmp_path / "a", {"x/1": noise, "x/2": noise[::-1]})
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match="is no whole"):
        unpack(archive, tmp_path / "target", kind)
    assert {p.name for p in tmp_path.iterdir()} == {"a"}


@FORMATS
def test_a_page_in_place_of_an_archive_and_an_empty_archive_are_refused(
    tmp_path: Path, write: object, kind: ArchiveFormat
) -> None:
    assert callable(write)
    page = tmp_path / "page"
    page.write_text("<html>sorry</html>" * 100)
    with pytest.raises(DataError, match="is no whole"):
        unpack(page, tmp_path / "target", kind)
    with pytest.raises(DataError, match="is an empty archive"):
        unpack(write(tmp_path / "a", {}), tmp_path / "target", kind)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a", {"x/1": b"0123456789" * 1000})
    data = bytearray(archive.read_bytes())
    data[40] ^= 0xFF  # inside the compressed bytes
    archive.write_bytes(bytes(data))
    with pytest.raises(DataError, match="is no whole zip archive"):
        unpack(archive, tmp_path / "target", "zip")


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    archive = tar(tmp_path / "a", {"x": b"1"})
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").touch()
    with pytest.raises(StorageError, match="is there already"):
        unpack(archive, tmp_path / "target", "tar.gz")


def test_a_file_larger_than_the_disk_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    archive = tar(tmp_path / "a", {"x/1": b"1234"})
    usage = shutil.disk_usage(tmp_path)._replace(free=3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StorageError, match="no room for 'x/1'"):
        unpack(archive, tmp_path / "target", "tar.gz")
    assert {p.name for p in tmp_path.iterdir()} == {"a"}
