"""A user's own generator meets a family's data: what has to fit is checked before any work."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gancompress.config import LoopConfig, RunConfig
from gancompress.errors import ConfigError, GancompressError
from gancompress.gan import AnyFamily, Batch, collate
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
    zeros = {name: example_input(name, shape) for name, shape in config.inputs.items()}
    _check_example(config.generator, made, zeros)
    return made.module


def example_input(name: str, shape: Sequence[int]) -> Tensor:
    """Return zeros as an example of an input.

    Args:
        name: The input's name.
        shape: Its shape.

    Raises:
        ConfigError: If there is no memory for so many.
    """
    try:
        return torch.zeros(tuple(shape))
    except (RuntimeError, OverflowError) as error:
        raise ConfigError(
            f"the input '{name}' of {_text([tuple(shape)])} cannot be made: {first_line(error)}",
            hint="give the shape of one picture, such as --input x=1x3x64x64",
        ) from None


def check_fit(generator: nn.Module, sample: Batch, config: RunConfig) -> Tensor:
    """Run the generator once on the data, and compare its picture with the target.

    Args:
        generator: The generator; its mode is put back.
        sample: One sample of the data, without a batch axis.
        config: Names the generator and the shapes of its inputs.

    Returns:
        The picture that it draws, ``(1, C, H, W)``.

    Raises:
        ConfigError: If it fails on the data's inputs, was declared for others, or draws pictures
            of another shape than the target's, or than the real picture's of unpaired data.
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
        raise ConfigError(
            f"'{name}' fails on the data's inputs {_text(shapes)}: {first_line(error)}",
            hint="see the whole story with --traceback",
        ) from error
    finally:
        generator.train(mode)
    return _checked_output(name, output, sample)


def check_losses(
    family: AnyFamily, options: Any, sample: Batch, picture: Tensor, config: LoopConfig
) -> None:
    """Let a family's discriminators and losses judge a picture, as a training will.

    Args:
        family: The GAN family.
        options: Its options.
        sample: One sample of the data, without a batch axis.
        picture: What a generator draws for it, ``(1, C, H, W)``.
        config: Settings of the training.

    Raises:
        ConfigError: If they cannot judge pictures of this size.
    """
    count = min(2, config.batch_size)  # a batch norm may fail on one picture, and be fine with two
    batch = collate([sample] * count)
    with torch.random.fork_rng(devices=[]):
        # Another one than the training's: losses may remember what they have seen.
        objective = family.objective(options)
        if not config.lambda_gan or not any(True for _ in objective.discriminators.parameters()):
            return
        objective.discriminators.train()
        output = picture.float().expand(count, *picture.shape[1:]).clone()
        try:
            objective.discriminator_losses(batch, output)
            objective.generator_losses(batch, output.requires_grad_())
        except GancompressError:
            raise
        except Exception as error:
            size = _text([tuple(picture.shape[1:])])
            raise ConfigError(
                f"the losses of '{family.name}' fail on pictures {size}: {first_line(error)}",
                hint="change the options of the discriminators, or the size of the pictures; see "
                "the whole story with --traceback",
            ) from error


def first_line(error: Exception) -> str:
    """Return the first line of what an exception says, or its kind where it says nothing.

    Args:
        error: The exception.
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _checked_output(name: str, output: Any, sample: Batch) -> Tensor:
    if not isinstance(output, Tensor):
        raise ConfigError(
            f"'{name}' returns '{type(output).__name__}', not a tensor of pictures",
            hint="wrap it so that it returns the picture alone",
        )
    shape, real = tuple(output.shape[1:]), sample.real
    if real is not None and shape != tuple(real.shape):
        noun = "targets" if sample.target is not None else "real pictures"
        raise ConfigError(
            f"'{name}' draws pictures {_text([shape])}, and the data's {noun} are "
            f"{_text([tuple(real.shape)])}",
            hint="change its last layer, or the data's size and direction",
        )
    return output


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
