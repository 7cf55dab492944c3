from pathlib import Path

import pytest

from gancompress_cyclegan.folders import domain_folders
from gancompress_cyclegan.options import CycleGanOptions


@pytest.mark.parametrize("own_val", [False, True])
def test_domains_lie_side_by_side_and_need_no_partners(tmp_path: Path, own_val: bool) -> None:
    if own_val:
        (tmp_path / "valB").mkdir()  # valA is missing then, and that is to be found out
    found = domain_folders(CycleGanOptions(data=tmp_path, size=64, channels_a=1, lambda_identity=0))
    names = [part.folder.name for split in found for part in split.parts]
    val = ["valA", "valB"] if own_val else []
    assert names == ["trainA", "trainB", *val, "testA", "testB"]
    assert not any(split.paired for split in found)
