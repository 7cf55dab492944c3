"""``gancompress inspect``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gancompress.cli import options as shared
from gancompress.cli.completion import complete_family
from gancompress.cli.context import Globals
from gancompress.cli.given import ignoring


def inspect(
    context: typer.Context,
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run directory, for its generator.")
    ] = None,
    generator: shared.Generator = None,
    shape: shared.Inputs = None,
    family: Annotated[
        str | None,
        typer.Option(help="A GAN family's generator instead.", autocompletion=complete_family),
    ] = None,
    recipe: shared.RecipeName = None,
    option: shared.FamilyOptions = None,
    ignore: shared.Ignored = None,
    ignore_pattern: shared.IgnoredPatterns = None,
    ignore_type: shared.IgnoredTypes = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check every group by numbers.")] = False,
    dot: Annotated[Path | None, typer.Option(help="Write the groups as a DOT file.")] = None,
) -> None:
    """Show which channels can shrink, which are frozen and why, and what the generator costs.

    Example: gancompress inspect --generator my_net.py:make --input x=1x3x64x64

    Example: gancompress inspect runs/small
    """
    options: Globals = context.obj
    from gancompress.cli.inputs import choose_generator
    from gancompress.cost import measure_cost
    from gancompress.graph import IgnoredScope, analyse, trace
    from gancompress.report import advice, frozen_reasons, inspection, plain_text
    from gancompress.store import write_atomic

    host = options.host()
    chosen = choose_generator(
        host,
        reference=generator,
        shapes=shape or [],
        family=family,
        recipe=recipe,
        options=option or [],
        run=run,
    )
    alone = {**chosen.ignored, **(ignoring(ignore, ignore_pattern, ignore_type) or {})}
    traced = trace(chosen.generator, chosen.args, chosen.kwargs, rules=host.op_rules())
    graph = analyse(traced, ignored=IgnoredScope(**alone), verify=verify)
    cost = measure_cost(chosen.generator, chosen.args, chosen.kwargs)
    if dot is not None:
        write_atomic(dot, graph.to_dot().encode())
    groups = [
        {
            "key": group.key,
            "units": group.units,
            "width": group.width,
            "producers": list(group.producers),
            "consumers": list(group.consumers),
            "frozen": group.frozen,
            "statistics_coupled": group.statistics_coupled,
        }
        for group in graph.groups
    ]
    result = {
        "params": cost.params,
        "macs": cost.macs,
        "macs_published": cost.macs_published,
        "coverage": asdict(graph.coverage()),
        "groups": groups,
        "advice": {reason: advice(reason) for reason in frozen_reasons(graph)},
        "opaque": dict(traced.opaque),
        "specialisations": [str(s) for s in traced.specialisations],
    }
    notes = [f"opaque: {path}: {reason}" for path, reason in traced.opaque.items()]
    notes += [f"specialised: {s}" for s in traced.specialisations]
    head = (
        f"parameters {cost.params:,}  MACs {cost.macs:,}"
        f"  as published tables count {cost.macs_published:,}"
    )
    options.show(
        result, "\n".join([plain_text(inspection(graph), width=options.columns), head, *notes])
    )
