"""``gancompress search``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gancompress.cli import options as shared
from gancompress.cli.given import chosen, crew, metric_options, shrunk
from gancompress.cli.stage import go_on

if TYPE_CHECKING:
    from gancompress.store import RunDirectory


def search(
    context: typer.Context,
    run: shared.Run,
    trials: shared.Trials = None,
    macs: shared.Macs = None,
    params: shared.Params = None,
    macs_published: shared.PublishedMacs = None,
    memory: shared.Memory = None,
    latency_ms: shared.LatencyMs = None,
    on: shared.On = None,
    shrink: shared.Shrink = None,
    sampler: shared.Sampler = None,
    score: Annotated[
        str | None, typer.Option(metavar="METRIC", help="The metric that subnets are scored by.")
    ] = None,
    metric_option: shared.MetricOptions = None,
    seeds: Annotated[
        bool | None, typer.Option("--seeds", help="Score what the sensitivity predicts best early.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a search, also with more --trials.")
    ] = False,
    workers: shared.WorkerCount = None,
    ray: shared.Cluster = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A database that runs share: postgresql+psycopg://…, sqlite:////…"
        ),
    ] = None,
) -> None:
    """Score subnets of the distilled supernet under a budget, without retraining.

    Example: gancompress search runs/small --macs 8x --trials 40
    """
    from gancompress.compress import read_summary, search_subnet
    from gancompress.search import check_address

    if storage is not None:
        check_address(storage)
    employed = crew(workers, ray)
    settings = {
        "macs": shrunk(macs, shrink),
        "params": params,
        "macs_published": macs_published,
        "memory": memory,
        "latency_ms": latency_ms,
        "on": on,
        "trials": trials,
        "sampler": sampler,
        "score": score,
        "seeds": seeds,
    }
    made = go_on(
        context,
        run,
        "search",
        ("distill",),
        lambda run, project, emit: search_subnet(
            run, project, workers=employed, storage=storage, again=resume, emit=emit
        ),
        chosen(search=settings, metrics=metric_options(metric_option)),
        again=resume,
        growing=resume,
    )
    summary = read_summary(made, "search")
    context.obj.show(summary, _told(made, summary))


def _told(run: "RunDirectory", summary: dict[str, Any]) -> str:
    best = summary["best"]
    cost = best["cost"]
    timed = "" if cost["latency_ms"] is None else f", {cost['latency_ms']:.3g} ms"
    return (
        f"best of {summary['trials']} subnets: number {best['number']}, "
        f"{cost['macs']:,} MACs, {cost['params']:,} parameters{timed}, score {best['score']}\n"
        f"trials: {run.path('trials.json')}"
    )
