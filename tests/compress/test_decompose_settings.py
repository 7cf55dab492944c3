"""The settings under ``[decompose]``: each of them reaches the pass, and nonsense is refused."""

from typing import Any

import pytest
import torch
from torch import nn

from gancompress.compress import TeacherWeights, prepare
from gancompress.compress.configure import override
from gancompress.compress.prepare import Project
from gancompress.config import DecomposeConfig, RunConfig
from gancompress.errors import ConfigError
from gancompress_pix2pix.family import Pix2Pix


@pytest.fixture
def config(config: RunConfig) -> RunConfig:
    return override(config, {"options": {"blocks": 1, "generator_width": 8}})


@pytest.fixture
def weights(config: RunConfig) -> TeacherWeights:
    torch.manual_seed(3)
    family = Pix2Pix()
    net = family.generator(family.options.model_validate(config.options))
    for parameter in net.parameters():
        if parameter.ndim > 1:  # the family's first weights are so small that nothing is drawn
            nn.init.kaiming_normal_(parameter)
    return TeacherWeights.of(net, "random weights")


def project(config: RunConfig, weights: TeacherWeights, **settings: Any) -> Project:
    return prepare(Pix2Pix(), override(config, {"decompose": settings}), weights)


def error(made: Project) -> float:
    """Squared distance to the teacher's pictures, of validation drawings and nothing trained."""
    made.supernet.activate(made.supernet.space.largest())
    batch = made.samples("val", 4)
    with torch.no_grad():
        student, teacher = (net(*batch.inputs) for net in (made.supernet, made.teacher.module))
    return float((student - teacher).square().mean())


def test_layers_are_fitted_to_training_pictures_unless_told_not_to(
    config: RunConfig, weights: TeacherWeights
) -> None:
    fitted, plain = project(config, weights), project(config, weights, fit=0)
    assert error(fitted) < 0.8 * error(plain)
    torch.testing.assert_close(error(fitted), error(project(config, weights)), rtol=0, atol=0)


def test_what_is_not_fitted_has_the_same_layers(config: RunConfig, weights: TeacherWeights) -> None:
    for settings in ({}, {"method": "cheapest", "max_error": 0.9}):
        chosen = override(config, {"decompose": settings})
        fitted, plain = (prepare(Pix2Pix(), chosen, weights, fitted=how) for how in (True, False))
        shapes = [
            {name: value.shape for name, value in made.supernet.state_dict().items()}
            for made in (fitted, plain)
        ]
        assert shapes[0] == shapes[1]


def kinds(made: Project) -> list[tuple[str, bool]]:
    """Classes of the layers in the first residual convolution's place, and who has a bias."""
    net = made.supernet.materialise(made.supernet.space.largest())
    parts = [module for name, module in net.named_modules() if "conv_block.1." in name]
    return [(type(m).__name__, getattr(m, "bias", None) is not None) for m in parts]


def test_a_norm_and_a_bias_are_put_between_as_published(
    config: RunConfig, weights: TeacherWeights
) -> None:
    made = project(config, weights, norm_between=True, depthwise_bias=True)
    assert kinds(made) == [("Conv2d", True), ("InstanceNorm2d", False), ("Conv2d", True)]
    assert kinds(project(config, weights)) == [("Conv2d", False), ("Conv2d", True)]


def test_low_rank_layers_keep_the_error_asked_for(
    config: RunConfig, weights: TeacherWeights
) -> None:
    made = project(config, weights, method="low_rank", max_error=0.9)
    assert len(kinds(made)) == 3
    multiplied = project(config, weights, multiplier=4)
    assert error(multiplied) < error(project(config, weights))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"method": "low_rank"}, "'method' is 'low_rank', which goes by 'max_error'"),
        ({"multiplier": 2, "max_error": 0.1}, "'multiplier' and 'max_error' both"),
        ({"norm_between": True, "max_error": 0.1}, "'norm_between' undoes"),
        ({"layers": "auto", "multiplier": 2}, "'auto' measures layers"),
        ({"layers": "auto", "fit": 0}, "'auto' measures layers"),
        ({"layers": "auto", "norm_between": True}, "'auto' measures layers"),
    ],
)
def test_settings_that_exclude_one_another_are_refused(
    config: RunConfig, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        override(config, {"decompose": settings})


def test_what_is_written_down_reads_back() -> None:
    settings = DecomposeConfig(method="cheapest", max_error=0.2, fit=32)
    assert DecomposeConfig.model_validate(settings.model_dump(mode="json")) == settings
