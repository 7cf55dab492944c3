import numpy as np
import pytest

from gancompress_earth import (
    CLASSES,
    SPLITS,
    Tile,
    brighten,
    cut,
    read_globe,
    section_of,
    share_of,
    tiles_of,
)


def test_the_two_maps_lie_on_one_grid() -> None:
    globe = read_globe()
    assert globe.picture.shape == (2700, 5400, 3)
    assert set(np.unique(globe.cover)) == set(range(len(CLASSES)))
    # Water is blue and ice is bright only if the maps are not shifted against each other.
    water, ice = globe.picture[globe.cover == 0], globe.picture[globe.cover == 15]
    assert (water[:, 2].astype(int) > water[:, 0]).mean() > 0.9
    assert ice.mean() > 180
    # The Sahara (23° north, 10° east) is barren, the Amazon (5° south, 65° west) is forest.
    assert globe.cover[15 * 67, 15 * 190] == 16
    assert globe.cover[15 * 95, 15 * 115] == 2


@pytest.mark.parametrize("size", [64, 128])
def test_no_pixel_is_in_two_splits(size: int) -> None:
    seen = np.zeros((len(SPLITS), 5400), bool)
    for row, split in zip(seen, SPLITS, strict=True):
        tiles = tiles_of(split, size=size, stride=size // 4)
        assert {section_of(tile) for tile in tiles} == {split}
        for column in {tile.column for tile in tiles}:
            row[column : column + size] = True
    assert seen.sum(0).max() == 1
    assert seen[0].mean() > 0.55
    assert seen[1].mean() > 0.10


def test_a_tile_on_a_border_belongs_to_no_split() -> None:
    assert section_of(Tile(0, 75 * 15 - 1, 64)) is None
    assert section_of(Tile(0, 120 * 15 - 64, 64)) == "test"


@pytest.mark.parametrize(("size", "stride"), [(0, 1), (226, 16), (64, 0)])
def test_tiles_that_do_not_fit_are_refused(size: int, stride: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        tiles_of("train", size=size, stride=stride)


def test_shares_are_those_of_the_cut_out_tiles() -> None:
    globe = read_globe()
    tiles = tiles_of("val", size=64, stride=100)
    mask = globe.covered_by(0, 15)
    pieces = cut(mask.astype(np.uint8), tiles)
    assert np.allclose(share_of(mask, tiles), pieces.mean((1, 2)))
    assert share_of(mask, ()).shape == (0,)


def test_brightening_keeps_black_and_white() -> None:
    assert brighten(np.array([0, 64, 255], np.uint8)).tolist() == [0, 111, 255]
