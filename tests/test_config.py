from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gancompress import config
from gancompress.config import (
    DistillConfig,
    IgnoredConfig,
    Model,
    Recipe,
    RunConfig,
    SearchConfig,
    SpaceConfig,
    TrainConfig,
    parse,
    read_toml,
)
from gancompress.errors import ConfigError

MODELS = [
    value
    for value in vars(config).values()
    if isinstance(value, type) and issubclass(value, Model) and value is not Model
]


def minimal(model: type[BaseModel]) -> dict[str, Any]:
    return {"family": "f"} if model is RunConfig else {}


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_frozen_and_refuses_unknown_keys(model: type[BaseModel]) -> None:
    made = model(**minimal(model))

    for name in model.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(made, name, getattr(made, name))
    with pytest.raises(ConfigError, match=r"'stepz' in run.toml cannot be used: extra inputs"):
        parse(model, {**minimal(model), "stepz": 1}, source="run.toml")


@pytest.mark.parametrize("model", MODELS)
def test_every_model_survives_json(model: type[BaseModel]) -> None:
    made = model(**minimal(model))

    assert model.model_validate_json(made.model_dump_json()) == made


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 10**6),
    lr=st.floats(1e-9, 1),
    ema=st.floats(0, 0.999),
    options=st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3),
    layers=st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3),
    inputs=st.dictionaries(st.text(max_size=3), st.lists(st.integers(1, 99), max_size=4)),
)
def test_a_run_configuration_survives_json(**drawn: Any) -> None:
    values = {
        "family": "f",
        "options": drawn["options"],
        "inputs": drawn["inputs"],
        "train": {"steps": drawn["steps"], "ema": drawn["ema"], "optimiser": {"lr": drawn["lr"]}},
        "decompose": {"layers": drawn["layers"]},
        "teacher": "folder",
    }
    made: RunConfig = parse(RunConfig, values, source="run.toml")

    assert RunConfig.model_validate(made.model_dump(mode="json")) == made
    assert made.teacher == Path("folder")
    assert made.decompose.layers == tuple(drawn["layers"])


@pytest.mark.parametrize(
    ("model", "values", "where"),
    [
        (TrainConfig, {"steps": 0}, "steps"),
        (TrainConfig, {"batch_size": "many"}, "batch_size"),
        (TrainConfig, {"ema": 1.0}, "ema"),
        (TrainConfig, {"precision": "fp8"}, "precision"),
        (TrainConfig, {"optimiser": {"lr": 0}}, "optimiser.lr"),
        (TrainConfig, {"optimiser": {"decay_from": 1.5}}, "optimiser.decay_from"),
        (DistillConfig, {"points": -1}, "points"),
        (DistillConfig, {"recon_target": "both"}, "recon_target"),
        (SpaceConfig, {"smallest": 0}, "smallest"),
        (SpaceConfig, {"largest": 1.1}, "largest"),
        (SearchConfig, {"trials": 0}, "trials"),
        (SearchConfig, {"sampler": "grid"}, "sampler"),
        (Recipe, {"export": {"tolerance": 0}}, "export.tolerance"),
        (RunConfig, {}, "family"),
        (RunConfig, {"family": ""}, "family"),
    ],
)
def test_a_bad_value_is_one_sentence_that_names_its_key(
    model: type[BaseModel], values: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(model, values, source="run.toml")

    prefix = f"'{where}' in run.toml cannot be used: "
    assert caught.value.message.startswith(prefix)
    assert caught.value.message[len(prefix)].islower()
    assert "Value error" not in caught.value.message
    assert caught.value.hint.startswith("known keys: ")


def test_values_that_are_no_table_name_the_model() -> None:
    with pytest.raises(ConfigError, match=r"'Recipe' in x.toml cannot be used"):
        parse(Recipe, 3, source="x.toml")


def test_toml_and_python_have_the_same_keys(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        'family = "f"\n[train]\nsteps = 5\noptimiser = { lr = 0.1 }\n'
        '[search]\nmacs = "3G"\n[inputs]\nx = [1, 3, 64, 64]\n'
    )
    made: RunConfig = parse(RunConfig, read_toml(tmp_path / "run.toml"), source="run.toml")

    assert (made.train.steps, made.train.optimiser.lr) == (5, 0.1)
    assert made.search.macs == "3G"
    assert made.inputs == {"x": (1, 3, 64, 64)}


def test_what_is_ignored_stands_in_the_space(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        'family = "f"\n[space]\nignored = { names = ["model.4"], types = ["ConvTranspose2d"] }\n'
    )
    made: RunConfig = parse(RunConfig, read_toml(tmp_path / "run.toml"), source="run.toml")

    assert made.space.ignored == IgnoredConfig(names=("model.4",), types=("ConvTranspose2d",))
    with pytest.raises(ConfigError, match=r"'ignored.patterns' in x.toml .*'\(' is no reg"):
        parse(SpaceConfig, {"ignored": {"patterns": ["("]}}, source="x.toml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'.*run.toml' cannot be read: No such file"):
        read_toml(tmp_path / "run.toml")


@pytest.mark.parametrize("content", [b"family = ", b"\xff"])
def test_what_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.toml").write_bytes(content)

    with pytest.raises(ConfigError, match=r"'.*run.toml' is not TOML"):
        read_toml(tmp_path / "run.toml")
