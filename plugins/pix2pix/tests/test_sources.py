from pathlib import Path
from urllib.parse import urlsplit

from gancompress_pix2pix.sources import published_sources


def test_every_source_has_a_place_of_its_own_and_a_way_to_get_it() -> None:
    sources = published_sources()
    assert all(source.name == name for name, source in sources.items())
    places = [source.path(Path("data")) for source in sources.values() if source.url]
    assert len(set(places)) == len(places)
    for source in sources.values():
        assert source.layout
        assert source.licence
        if source.url:
            assert urlsplit(source.url).scheme in {"http", "https"}
            ending = f".{source.archive}" if source.archive else ".pth"
            assert source.url.endswith(ending)
            assert (source.archive is None) == (source.kind == "checkpoint")
        else:
            assert "https://" in source.by_hand
