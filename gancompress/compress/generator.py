"""A user's own generator meets a family's data: what has to fit is checked before any work."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gancompress.config import RunConfig
from gancompress.errors import ConfigError
from gancompress.gan import AnyFamily, Batch
from gancompress.plugins import ResolvedGenerator

Resolve = Callable[[str], ResolvedGenerator]


def build_generator(
    family: AnyFamily, config: RunConfig, resolve: Resolve | None = None
) -> nn.Module:
    """Build the run's generator with fresh weights: the user's own, or the family's.

    Args:
        family: The GAN family.
        config: Names the user's generator, or none.
        resolve: Turns the reference into a generator.

    Returns:
        The generator; the same weights for the same seed.

    Raises:
        ConfigError: If the reference cannot be used, or its example inputs are no pictures alone.
    """
    torch.manual_seed(config.seed)
    if config.generator is None:
        return family.generator(family.options.model_validate(config.options))
    if resolve is None:
        raise ConfigError(
            f"generator '{config.generator}' cannot be built again here",
            hint="give the generator itself",
        )
    made = resolve(config.generator)
    zeros = {name: torch.zeros(shape) for name, shape in config.inputs.items()}
    _check_example(config.generator, made, zeros)
    return made.module


def check_fit(generator: nn.Module, sample: Batch, config: RunConfig) -> None:
    """Run the generator once on the data, and compare its picture with the target.

    Args:
        generator: The generator; its mode is put back.
        sample: One sample of the data, without a batch axis.
        config: Names the generator and the shapes of its inputs.

    Raises:
        ConfigError: If it fails on the data's inputs, was declared for others, or draws pictures
            of another shape than the target's.
    """
    name = config.generator or "the generator"
    shapes = [tuple(x.shape) for x in sample.inputs]
    declared = [tuple(shape[1:]) for shape in config.inputs.values()]
    if declared and declared != shapes:
        raise ConfigError(
            f"'{name}' was declared for inputs {_text(declared)}, "
            f"and the data have {_text(shapes)}",
            hint="give --input the data's shape, or the data the generator's, as with -o size=64",
        )
    mode = generator.training
    try:
        with torch.no_grad():
            output = generator.eval()(*(x[None] for x in sample.inputs))
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"'{name}' fails on the data's inputs {_text(shapes)}: {first}",
            hint="see the whole story with --traceback",
        ) from error
    finally:
        generator.train(mode)
    _check_output(name, output, sample)


def _check_output(name: str, output: Any, sample: Batch) -> None:
    if not isinstance(output, Tensor):
        raise ConfigError(
            f"'{name}' returns '{type(output).__name__}', not a tensor of pictures",
            hint="wrap it so that it returns the picture alone",
        )
    shape = tuple(output.shape[1:])
    if sample.target is not None and shape != tuple(sample.target.shape):
        raise ConfigError(
            f"'{name}' draws pictures {_text([shape])}, and the data's targets are "
            f"{_text([tuple(sample.target.shape)])}",
            hint="change its last layer, or the data's size and direction",
        )


def _check_example(name: str, made: ResolvedGenerator, declared: Mapping[str, Tensor]) -> None:
    """Refuse an example run that the family's data cannot repeat: they give pictures alone."""
    parameters = inspect.signature(made.module.forward).parameters
    unknown = [key for key in declared if key not in parameters]
    if unknown:
        raise ConfigError(
            f"'{name}' has no input '{unknown[0]}'", hint=f"its inputs: {', '.join(parameters)}"
        )
    given = {**dict(zip(parameters, made.args, strict=False)), **made.kwargs, **declared}
    for key, value in given.items():
        parameter = parameters.get(key)
        if parameter is None:
            continue
        if not isinstance(value, Tensor) and value != parameter.default:
            raise ConfigError(
                f"'{name}' needs the argument '{key}', and the data give pictures alone",
                hint=f"give '{key}' its value as a default of forward()",
            )
        if isinstance(value, Tensor) and parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            raise ConfigError(
                f"'{name}' takes '{key}' by name only, and the data give inputs in order",
                hint="let forward() take it as a positional argument too",
            )


def _text(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes)
