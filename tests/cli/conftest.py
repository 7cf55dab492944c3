"""The command line on tiny nets: what is slow to make is made once."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from once import made_once
from PIL import Image

from gancompress.cli import main

LOOP = "batch_size = 2\ncheckpoint_every = 1\nema = 0.5\n"


class Cli:
    """Calls the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.progress = ""

    def call(self, *words: object) -> int:
        return call(*words)

    def ok(self, *words: object) -> str:
        """Expect success, and give what stands on stdout."""
        self._capsys.readouterr()
        code = call(*words)
        shown = self._capsys.readouterr()
        assert code == 0, shown.err
        self.progress = shown.err
        return shown.out

    def refused(self, *words: object) -> tuple[str, str]:
        """Expect exit code 2, and give the sentence and the hint."""
        self._capsys.readouterr()
        code = call(*words)
        shown = self._capsys.readouterr()
        assert code == 2, shown.err
        assert shown.out == ""
        sentence, hint = shown.err.splitlines()[-2:]
        assert sentence.startswith("error: ")
        assert hint.startswith("hint: ")
        assert len(hint) > len("hint: ")
        return sentence.removeprefix("error: "), hint.removeprefix("hint: ")

    @contextmanager
    def loses_nothing(self, folder: Path) -> Iterator[None]:
        """Expect that a block neither changes nor removes a file of a folder."""
        before = digests(folder)
        yield
        after = digests(folder)
        assert {name: after.get(name) for name in before} == before


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as leaving:
        main([str(word) for word in words])
    code = leaving.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


def digests(folder: Path) -> Mapping[str, str]:
    # Events are appended to, the report follows them, and the lock is no content.
    skipped = {"events.jsonl", "report.html", ".lock"}
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in skipped
    }


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Side-by-side pairs of tiles and their negatives, in three splits."""
    return made_once(tmp_path_factory, "cli-pairs", draw)


def draw(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 6), ("test", 6)):
        (folder / split).mkdir()
        for index in range(count):
            tile = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            pair = np.concatenate([tile, 255 - tile], axis=1)
            Image.fromarray(pair).save(folder / split / f"{index}.png")


@pytest.fixture(scope="session")
def toml(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A whole configuration: family, options, a teacher's training and all stages."""
    # Writing ONNX takes longer than all the other stages together; tests of it ask for it.
    lines = (
        f'family = "pix2pix"\n[options]\ndata = "{pictures}"\nsize = 32\ngenerator_width = 16\n'
        'blocks = 1\nnorm = "batch"\ndiscriminator_width = 4\n'
        f"[train]\nsteps = 4\n{LOOP}[distill]\nsteps = 30\n{LOOP}[finetune]\nsteps = 4\n{LOOP}"
        "[search]\nmacs = '4x'\ntrials = 6\npictures = 4\n"
        "[export]\ntarget = 'torch'\n"
    )

    def write(folder: Path) -> None:
        (folder / "run.toml").write_text(lines)

    return made_once(tmp_path_factory, "cli-config", write) / "run.toml"


@pytest.fixture
def base(pictures: Path, toml: Path, tmp_path: Path) -> tuple[object, ...]:
    """Options without the family's own data."""
    file = tmp_path / "own.toml"
    lines = [x for x in toml.read_text().splitlines() if not x.startswith(("family", "data"))]
    file.write_text("\n".join(lines))
    return ("--family", "pix2pix", "--config", file, "--data", pictures)


def made(name: str, factory: pytest.TempPathFactory, *words: object) -> Path:
    """Return the run directory of a command."""

    def make(out: Path) -> None:
        assert call("--quiet", *words, "--out", out) == 0

    return made_once(factory, f"cli-{name}", make)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory, toml: Path) -> Path:
    """The run directory of a trained teacher."""
    return made("teacher", tmp_path_factory, "train", "--config", toml)


@pytest.fixture(scope="session")
def distilled_run(tmp_path_factory: pytest.TempPathFactory, toml: Path, teacher: Path) -> Path:
    words = ("distill", "--config", toml, "--teacher", teacher)
    return made("distilled", tmp_path_factory, *words)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, toml: Path, teacher: Path) -> Path:
    words = ("compress", "--config", toml, "--teacher", teacher)
    return made("finished", tmp_path_factory, *words)


@pytest.fixture
def distilled(distilled_run: Path, tmp_path: Path) -> Path:
    """A run directory of one's own in which the supernet is distilled."""
    return Path(shutil.copytree(distilled_run, tmp_path / "distilled"))


@pytest.fixture
def finished(finished_run: Path, tmp_path: Path) -> Path:
    """A run directory of one's own in which every stage is done."""
    return Path(shutil.copytree(finished_run, tmp_path / "finished"))
