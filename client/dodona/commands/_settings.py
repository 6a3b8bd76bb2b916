"""Commands of `dodona studies` that change what a study is set to."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from dodona._space import all_parameters
from dodona._studies.stopping import EarlyStopping
from dodona.commands._calls import Name, Project, Token, Url, opened
from dodona.commands._print import state_of, text_of
from dodona.commands._values import NONE, amount_of, limit_of, moment_of, read_priors, seconds_of


def register(app: typer.Typer) -> None:
    """Add the commands to `dodona studies`."""
    app.command("set", epilog="Example: dodona studies set digits --max-trials 200 --max-time 12h --stopping median")(
        set_limits
    )
    app.command(epilog="Example: dodona studies hint digits rate=3e-4:very units=64,128 --remove momentum")(hint)


def set_limits(
    study: Name,
    max_trials: Annotated[str | None, typer.Option(help="How many trials it may have, or none")] = None,
    max_time: Annotated[
        str | None, typer.Option(help="How long after its creation it ends, as in 12h, or none")
    ] = None,
    max_failed: Annotated[str | None, typer.Option(help="At how many failed trials it ends, or none")] = None,
    no_progress: Annotated[
        str | None, typer.Option(help="After how many trials without a better one it ends, or none")
    ] = None,
    deadline: Annotated[str | None, typer.Option(help="When it ends, as in 2026-12-24T18:00, or none")] = None,
    max_compute_hours: Annotated[
        str | None, typer.Option(help="After how many hours of compute it ends (workers' time x GPUs), or none")
    ] = None,
    max_cost: Annotated[str | None, typer.Option(help="At which cost of compute it ends, or none")] = None,
    price: Annotated[str | None, typer.Option(help="What an hour of compute costs, or none")] = None,
    unlikely: Annotated[
        str | None, typer.Option(help="Below which chance of a clear improvement it ends, as in 0.05, or none")
    ] = None,
    stopping: Annotated[
        str | None,
        typer.Option(help="The rule of early stopping: auto, median, decay_curve, convex, asha, no_progress, or none"),
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="How many workers it should have (`dodona run` follows the number), or none")
    ] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Change the budget, the stopping rule and the wanted workers of a study; what is not named stays."""
    with opened(study, url, token, project) as found:
        counts = {"max_trials": max_trials, "max_failed_trials": max_failed, "max_trials_no_progress": no_progress}
        limits: dict[str, Any] = {name: limit_of(given) for name, given in counts.items() if given is not None}
        if max_time is not None:
            limits["max_seconds"] = seconds_of(max_time)
        if deadline is not None:
            limits["deadline"] = moment_of(deadline)
        amounts = {
            "max_compute_hours": max_compute_hours,
            "max_cost": max_cost,
            "price_per_hour": price,
            "improvement_unlikely": unlikely,
        }
        limits |= {name: amount_of(given, name) for name, given in amounts.items() if given is not None}
        if not limits and stopping is None and workers is None:
            raise ValueError(
                "nothing to change: name a limit such as --max-trials 200, or --stopping median, or --workers 8"
            )
        if limits:
            found.set_budget(**limits)
        if stopping is not None:
            found.set_early_stopping(None if stopping == NONE else cast("EarlyStopping", stopping.replace("-", "_")))
        if workers is not None:
            found.set_wanted_workers(limit_of(workers, "workers"))
        typer.echo(f"{found.display_name}: {state_of(found)}")


def hint(
    study: Name,
    hints: Annotated[
        list[str] | None,
        typer.Argument(help="Where a parameter is believed to be best: NAME=VALUE[,VALUE...][:vaguely|fairly|very]"),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="A parameter without a hint from now on; may be repeated")
    ] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Set and remove hints of a study, and print its hints."""
    with opened(study, url, token, project) as found:
        changes = {**read_priors(found, hints or []), **dict.fromkeys(remove or [])}
        if changes:
            found.set_priors(changes)
        for name, parameter in all_parameters(found.space).items():
            if parameter.prior is not None:
                near = " or ".join(map(text_of, parameter.prior.values))
                typer.echo(f"{name}: near {near} ({parameter.prior.sure})")
