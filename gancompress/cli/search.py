"""``gancompress search``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gancompress.cli import options as shared
from gancompress.cli.completion import complete_metric
from gancompress.cli.given import chosen, crew, limits, metric_options
from gancompress.cli.stage import go_on

if TYPE_CHECKING:
    from gancompress.compress import Project
    from gancompress.events import Emit
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
        str | None,
        typer.Option(
            metavar="METRIC",
            help="The metric that subnets are scored by.",
            autocompletion=complete_metric,
        ),
    ] = None,
    metric_option: shared.MetricOptions = None,
    seeds: Annotated[
        bool | None, typer.Option("--seeds", help="Score what the sensitivity predicts best early.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a search, also with more --trials.")
    ] = False,
    ranking: Annotated[
        int | None,
        typer.Option(
            "--check-ranking", metavar="K", help="Fine-tune K subnets, and compare the rankings."
        ),
    ] = None,
    ranking_steps: Annotated[
        int | None, typer.Option(help="Steps of each; a fifth of fine-tuning's without it.")
    ] = None,
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
    from gancompress.compress import check_ranking, read_summary, search_subnet
    from gancompress.search import check_address

    if storage is not None:
        check_address(storage)
    employed = crew(workers, ray)
    settings = {
        **limits(
            macs=macs,
            shrink=shrink,
            params=params,
            macs_published=macs_published,
            memory=memory,
            latency_ms=latency_ms,
            on=on,
        ),
        "trials": trials,
        "sampler": sampler,
        "score": score,
        "seeds": seeds,
    }
    checked: list[dict[str, Any]] = []

    def work(run: "RunDirectory", project: "Project", emit: "Emit") -> None:
        search_subnet(run, project, workers=employed, storage=storage, again=resume, emit=emit)
        if ranking is not None:
            checked.append(check_ranking(run, project, ranking, steps=ranking_steps, emit=emit))

    made = go_on(
        context,
        run,
        "search",
        ("distill",),
        work,
        chosen(search=settings, metrics=metric_options(metric_option)),
        again=resume or ranking is not None,
        growing=resume,
    )
    summary = read_summary(made, "search")
    lines = [_told(made, context.obj.columns), *(ranking_lines(one) for one in checked)]
    context.obj.show(summary | ({"ranking": checked[0]} if checked else {}), "\n".join(lines))


def _told(run: "RunDirectory", columns: int) -> str:
    from gancompress.compress.trials import load_trials
    from gancompress.report import plain_text, trials_table

    file = run.path("trials.json")
    table = plain_text(trials_table(load_trials(file)), width=columns).rstrip()
    return f"{table}\ntrials: {file}"


def ranking_lines(found: Mapping[str, Any]) -> str:
    """Return a check of the ranking as text.

    Args:
        found: What `check_ranking` gave.
    """
    rows = [
        f"  number {row['number']}: {row['macs']:,} MACs, score {row['score']:.4g}, "
        f"fine-tuned {row['finetuned']:.4g}"
        for row in found["subnets"]
    ]
    head = f"ranking of {len(rows)} subnets after {found['steps']} steps of fine-tuning"
    if found["kendall_tau"] is None:
        verdict = "all scores are equal, and rank nothing"
    else:
        verdict = f"Kendall's tau {found['kendall_tau']:.2f} (p = {found['p_value']:.2g})"
    return "\n".join([f"{head}: {verdict}", *rows])
