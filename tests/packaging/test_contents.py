"""What the wheel and the source archive carry beside modules: recipes, teachers, licences."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import resources
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="building a wheel offline needs the build backend")

ROOT = Path(__file__).parents[2]
PLUGIN = "gancompress_pix2pix"
TEACHER = ("generator.safetensors", "discriminators.safetensors", "LICENSE", "card.md")
KEPT = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "gancompress", "plugins")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and source archive of a copy of the sources, with one teacher more."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in KEPT:
        path = ROOT / name
        if path.is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "tests")
            shutil.copytree(path, source / name, ignore=unwanted)
        else:
            shutil.copy(path, source / name)
    teacher = source / "plugins" / "pix2pix" / PLUGIN / "teachers" / "sample"
    teacher.mkdir(parents=True)
    for name in TEACHER:
        (teacher / name).write_text("sample")
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    done = subprocess.run(words, cwd=source, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def wheel_names(built: Path) -> set[str]:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def data_files() -> set[str]:
    """Everything beside modules that lies in the packages, as the wheel names it."""
    packages = [ROOT / "gancompress", *(ROOT / "plugins").glob("*/gancompress_*")]
    found = [path for package in packages for path in package.rglob("*")]
    files = [p for p in found if p.is_file() and p.suffix not in {".py", ".pyc"}]
    bases = [package.parent for package in reversed(packages)]
    return {str(next(p.relative_to(b) for b in bases if p.is_relative_to(b))) for p in files}


def test_the_wheel_has_every_file_of_the_packages(built: Path) -> None:
    wanted = data_files() | {f"{PLUGIN}/teachers/sample/{name}" for name in TEACHER}

    assert {f"{PLUGIN}/recipes/openmoji.toml", "gancompress/py.typed"} <= wanted
    assert not wanted - wheel_names(built)


def test_a_teachers_licence_is_among_the_distributions_licences(built: Path) -> None:
    licences = {name.partition("/licenses/")[2] for name in wheel_names(built)}

    assert {"LICENSE", "NOTICE", f"plugins/pix2pix/{PLUGIN}/teachers/sample/LICENSE"} <= licences


def test_the_source_archive_has_the_teachers_too(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {f"plugins/pix2pix/{PLUGIN}/teachers/sample/{name}" for name in TEACHER} <= names


def test_the_installation_that_runs_the_tests_has_them() -> None:
    # Editable or not: what the family reads lies where the import system finds the package.
    def installed(name: str) -> Path:
        package, _, place = name.partition("/")
        return Path(str(resources.files(package))) / place

    assert not {name for name in data_files() if not installed(name).is_file()}


def test_a_shipped_teacher_is_small_and_has_its_licence_beside_it() -> None:
    weights = (ROOT / "plugins").glob("*/gancompress_*/teachers/**/*.safetensors")
    for folder in {path.parent for path in weights}:
        assert {path.name for path in folder.iterdir()} >= set(TEACHER), folder
        for path in folder.glob("*.safetensors"):
            assert path.stat().st_size <= 8 * 2**20, path
