"""`dodona trials`: list, show, queue, stop and retry the trials of a study."""

from __future__ import annotations

from typing import Annotated

import typer

from dodona import Study, TrialRecord
from dodona._space import Value, all_parameters
from dodona.commands._calls import WRONG_USE, AsJson, Name, Number, Project, Token, Url, Yes, confirm, give_up, opened
from dodona.commands._print import (
    number,
    print_facts,
    print_json,
    print_table,
    span,
    text_of,
    trial_cells,
    trial_heads,
    values,
)
from dodona.commands._values import change_tags, read_values
from dodona.commands._watch import REFRESH_SECONDS, watch_trial

app = typer.Typer(help="List, show, queue, stop and retry trials.", no_args_is_help=True, rich_markup_mode=None)

STATES = ("REQUESTED", "ACTIVE", "STOPPING", "SUCCEEDED", "INFEASIBLE")


@app.callback()
def root() -> None:
    """List, show, queue, stop and retry trials."""


@app.command("list", epilog="Example: dodona trials list digits --filter 'rate < 0.01 and acc > 0.9' --sort 'acc desc'")
def list_trials(
    study: Name,
    state: Annotated[str | None, typer.Option(help=f"Only those in this state: {', '.join(STATES)}")] = None,
    filter: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(help="Only those for which this is true: rate < 0.01 and state == 'succeeded'"),
    ] = None,
    sort: Annotated[str | None, typer.Option(help="The column to sort by, as in loss or 'loss desc'")] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """List the trials of a study, by number unless another order is asked for."""
    if state is not None and state.upper() not in STATES:
        give_up(f"--state {state}: there is no such state; use {', '.join(STATES)}", WRONG_USE)
    with opened(study, url, token, project) as found:
        in_state = state and f"state == '{state}'"
        wanted = f"{in_state} and ({filter})" if in_state and filter else in_state or filter
        records = found.trials(filter=wanted, order_by=sort)
        if as_json:
            print_json(records)
            return
        numbers = ["trial", "step", *found.metrics]
        print_table([trial_cells(found, record) for record in records], trial_heads(found), numbers)


@app.command(epilog="Example: dodona trials show digits 17")
def show(
    study: Name,
    trial: Number,
    url: Url = None,
    token: Token = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Show a trial: its parameters, its measurements and how it ended."""
    with opened(study, url, token, project) as found:
        record = found.trial(trial)
        if as_json:
            print_json(record)
            return
        print_facts(
            {
                "trial": f"{record.number} of {found.display_name}",
                "page": f"{found.url}/trials/{record.number}",
                "state": record.state,
                "parameters": values(record),
                "result": ", ".join(f"{name}={number(value)}" for name, value in record.metrics.items()),
                "failed": record.infeasible_reason or "",
                "stopped": record.stopping_reason or "",
                "worker": record.worker or "",
                "attempt": str(record.attempt),
                "time": span(record.end - record.start) if record.start and record.end else "",
                "checkpoint": record.checkpoint or "",
                "tags": ", ".join(record.tags),
                "note": record.note,
            }
        )
        names = list(dict.fromkeys(name for one in record.measurements for name in one.metrics))
        if names:
            typer.echo()
            rows = [
                {"step": str(one.step)} | {name: number(value) for name, value in one.metrics.items()}
                for one in record.measurements
            ]
            print_table(rows, ["step", *names], right=["step", *names])


@app.command(epilog="Example: dodona trials explain digits 17")
def explain(
    study: Name,
    trial: Number,
    url: Url = None,
    token: Token = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a trial was suggested, what was expected of it, and its result."""
    with opened(study, url, token, project) as found:
        why = found.explain(trial)
        if as_json:
            print_json(why)
            return
        typer.echo(why.summary)
        if why.differences:
            typer.echo()
            best = f"trial {why.best_trial}"
            rows = [
                {
                    "parameter": one.parameter,
                    "value": text_of(one.value),
                    best: text_of(one.best),
                    "promise kept": "" if one.kept is None else f"{one.kept:.0%}",
                }
                for one in why.differences
            ]
            print_table(rows, list(rows[0]), right=["promise kept"])


@app.command(epilog="Example: dodona trials queue digits rate=0.001 units=128")
def queue(
    study: Name,
    parameters: Annotated[list[str], typer.Argument(help="Values as NAME=VALUE; the algorithm chooses the others")],
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Queue a trial with values of your own; the next worker that asks gets it."""
    with opened(study, url, token, project) as found:
        record = found.add_trial(_values_of(found, parameters))
        typer.echo(f"trial {record.number} of {found.display_name}: {record.state}: {values(record)}")


@app.command(epilog="Example: dodona trials stop digits 17")
def stop(study: Name, trial: Number, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Ask the worker of a trial to end it early."""
    with opened(study, url, token, project) as found:
        found.stop_trial(trial)
        typer.echo(f"trial {trial} of {found.display_name}: {found.trial(trial).state}")


@app.command(epilog="Example: dodona trials retry digits 17")
def retry(study: Name, trial: Number, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Queue a trial with the parameters of another one, such as one that failed."""
    with opened(study, url, token, project) as found:
        again = found.add_trial(_tunable(found, found.trial(trial)))
        typer.echo(f"trial {again.number} of {found.display_name}: {again.state}: {values(again)}")


@app.command(epilog="Example: dodona trials delete digits 17 --yes")
def delete(
    study: Name, trial: Number, yes: Yes = False, url: Url = None, token: Token = None, project: Project = None
) -> None:
    """Delete a trial with its measurements and files."""
    with opened(study, url, token, project) as found:
        record = found.trial(trial)
        confirm(f"Delete trial {record.number} ({record.state}) of {found.display_name}?", yes)
        found.delete_trial(record.number)
        typer.echo(f"trial {record.number} of {found.display_name}: deleted")


@app.command(epilog="Example: dodona trials watch digits 17")
def watch(
    study: Name,
    trial: Number,
    seconds: Annotated[float, typer.Option(help="The time between two looks, in seconds", min=0.2)] = REFRESH_SECONDS,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Follow a trial until it ends: a line for each measurement, and how it ended."""
    with opened(study, url, token, project) as found:
        watch_trial(found, trial, seconds)


@app.command(epilog="Example: dodona trials tag digits 17 good --remove draft")
def tag(
    study: Name,
    trial: Number,
    tags: Annotated[list[str] | None, typer.Argument(help="Tags to add")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to remove; may be repeated")] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Add and remove tags of a trial, and print its tags."""
    with opened(study, url, token, project) as found:
        change_tags(found, tags, remove, found.trial(trial).tags, trial)


@app.command(epilog='Example: dodona trials note digits 17 "the loss jumps at epoch 9"')
def note(
    study: Name,
    trial: Number,
    text: Annotated[str, typer.Argument(help="The note; an empty one removes it")],
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Set the note of a trial."""
    with opened(study, url, token, project) as found:
        found.set_note(text, trial)
        typer.echo(f"trial {trial} of {found.display_name}: {text or 'no note'}")


def _values_of(study: Study, given: list[str]) -> dict[str, Value]:
    texts: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is not a NAME=VALUE")
        texts[name] = value
    return read_values(study, texts)


def _tunable(study: Study, record: TrialRecord) -> dict[str, Value]:
    """Return a trial's values without those that are not the space's, such as Hyperband's own."""
    known = all_parameters(study.space)
    return {name: value for name, value in record.parameters.items() if name in known}
