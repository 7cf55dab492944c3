"""The options that several verbs share, each declared once."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gancompress.cli.completion import (
    complete_family,
    complete_recipe,
    complete_sampler,
    complete_target,
)

FamilyName: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="[FAMILY]",
        help="Name of the GAN family, such as pix2pix.",
        autocompletion=complete_family,
    ),
]
FamilyFlag: TypeAlias = Annotated[
    str | None,
    typer.Option("--family", help="The same as an option.", autocompletion=complete_family),
]
RecipeName: TypeAlias = Annotated[
    str | None,
    typer.Option(help="A recipe of the family.", autocompletion=complete_recipe),
]
ConfigFile: TypeAlias = Annotated[
    Path | None, typer.Option(help="A TOML file; it may name family, recipe and teacher.")
]
FamilyOptions: TypeAlias = Annotated[
    list[str] | None, typer.Option("-o", "--option", help="A family option, key=value.")
]
Seed: TypeAlias = Annotated[int | None, typer.Option(help="Seed of everything random.")]
Generator: TypeAlias = Annotated[
    str | None, typer.Option(help="Your own: pkg.mod:factory or file.py:factory.")
]
Inputs: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--input", help="An input of your generator, such as x=1x3x64x64."),
]
Data: TypeAlias = Annotated[
    str | None, typer.Option(metavar="DIR", help="Folder of the data: the option 'data'.")
]
Ignored: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="NAME", help="A module that keeps every channel."),
]
IgnoredPatterns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--ignore-pattern", metavar="RE", help="The same for modules by expression."),
]
IgnoredTypes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--ignore-type", metavar="CLASS", help="The same for modules by class."),
]
TeacherPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Run directory of `train`, a folder, or a file with weights."),
]
Trials: TypeAlias = Annotated[int | None, typer.Option(help="Subnets that the search scores.")]
Macs: TypeAlias = Annotated[
    str | None, typer.Option(help="Most MACs: 250M, 3G, or 8x for an eighth of the teacher's.")
]
Params: TypeAlias = Annotated[
    str | None, typer.Option(help="Most parameters: 400K, or 8x for an eighth of the teacher's.")
]
PublishedMacs: TypeAlias = Annotated[
    str | None, typer.Option(help="Most MACs as the published tables count them.")
]
Memory: TypeAlias = Annotated[
    str | None, typer.Option(help="Most bytes of activations: 64M, or 4x for a quarter.")
]
LatencyMs: TypeAlias = Annotated[
    str | None, typer.Option(help="Longest median of a forward pass: 20, or 4x for a quarter.")
]
On: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="TARGET",
        help="What --latency-ms is measured on: torch, onnx.",
        autocompletion=complete_target,
    ),
]
Shrink: TypeAlias = Annotated[
    str | None, typer.Option(metavar="12x", help="The same as --macs 12x.")
]
Sampler: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="evolution, random, exhaustive, tpe, gp or nsga2.", autocompletion=complete_sampler
    ),
]
Decompose: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="auto|resblocks|none|LIST",
        help="Layers to make separable: auto measures which, or names with commas between.",
    ),
]
MetricOptions: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--metric-option",
        metavar="NAME.KEY=VALUE",
        help="An option of a metric, such as fid.weights=inception.pth.",
    ),
]
Steps: TypeAlias = Annotated[int | None, typer.Option(help="Optimiser steps.")]
ScaledSteps: TypeAlias = Annotated[
    int | None,
    typer.Option("--steps", help="Steps of distillation; those of fine-tuning follow."),
]
WorkerCount: TypeAlias = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Processes that score subnets at once."),
]
Cluster: TypeAlias = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="A Ray cluster to score on: HOST:PORT or auto."),
]
Run: TypeAlias = Annotated[Path, typer.Argument(help="The run directory.")]
Out: TypeAlias = Annotated[Path, typer.Option(help="The run directory.")]
