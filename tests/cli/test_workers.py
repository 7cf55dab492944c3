"""``--workers`` and ``--ray``: the same result, nothing left behind, mistakes in one sentence."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gancompress.search import cluster

from .conftest import Cli

MARK = "GANCOMPRESS_TEST_MARK"
WORDS = ("--trials", "8")


def events(run: Path) -> list[str]:
    try:
        lines = (run / "events.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(x)["event"] for x in lines if x.endswith("}") and '"search"' in x]


def marked(mark: str) -> Iterator[int]:
    """Processes that have inherited a variable of the environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                yield int(folder.name)
        except OSError:
            continue


@pytest.mark.ray
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes in /proc")
def test_an_interrupted_search_leaves_no_process_and_goes_on_to_the_same_result(
    cli: Cli, distilled: Path, tmp_path: Path
) -> None:
    alone = Path(shutil.copytree(distilled, tmp_path / "alone"))
    cli.ok("--quiet", "search", alone, *WORDS)
    mark = uuid4().hex
    words = [sys.executable, "-m", "gancompress", "--json", "search", str(distilled), *WORDS]
    process = subprocess.Popen(
        [*words, "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: mark},
    )
    with process:
        while process.poll() is None and "StageProgress" not in events(distilled):
            time.sleep(0.02)
        assert len(list(marked(mark))) > 3  # Ray's
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "(raylet)" not in err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("interrupted: the same command goes on")
    assert not list(marked(mark))
    shown = json.loads(cli.ok("--json", "search", distilled, *WORDS, "--workers", 1))
    assert shown["trials"] == 8
    assert events(distilled).count("StageProgress") > 0
    assert (distilled / "trials.json").read_bytes() == (alone / "trials.json").read_bytes()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--workers", 0), "'workers=0' cannot be used"),
        (("--workers", -3), "'workers=-3' cannot be used"),
        (("--ray", "here"), "'here' is no address of a Ray cluster"),
        (("--ray", "host:0"), "'host:0' is no address of a Ray cluster"),
        (("--ray", "ray://host:10001"), "'ray://host:10001' is no address of a Ray cluster"),
        (("--ray", "127.0.0.1:1"), "no Ray cluster answers at '127.0.0.1:1': Connection refused"),
    ],
)
@pytest.mark.parametrize("verb", ["search", "compress"])
def test_mistakes_are_told_before_any_work(
    cli: Cli, tmp_path: Path, verb: str, words: tuple[object, ...], sentence: str
) -> None:
    out = tmp_path / "none"
    place = (out,) if verb == "search" else ("pix2pix", "--out", out)
    told, hint = cli.refused(verb, *place, *words)
    assert told == sentence
    assert "at least one" in hint or "HOST:PORT" in hint
    assert not out.exists()


@pytest.mark.ray
def test_something_else_that_answers_is_no_cluster(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_ANSWER", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        told, _ = cli.refused("search", tmp_path, "--ray", address)
    assert told == f"what answers at '{address}' is no Ray cluster"


def test_without_ray_the_extra_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    told, hint = cli.refused("search", tmp_path, "--workers", 2)
    assert told == "'ray' is not installed"
    assert "gancompress[ray]" in hint
