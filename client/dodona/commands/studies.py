"""`dodona studies`: list, show, create, steer and watch the studies of a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from dodona import Study
from dodona._errors import ApiError
from dodona._studies.prior_studies import requested
from dodona.commands import _deleted as deleted_studies
from dodona.commands import _settings as settings
from dodona.commands._calls import (
    REFUSED,
    WRONG_USE,
    AsJson,
    Name,
    Project,
    Token,
    Url,
    Yes,
    confirm,
    connected,
    give_up,
    opened,
)
from dodona.commands._print import (
    age,
    number,
    outlook_facts,
    print_facts,
    print_json,
    print_table,
    space_rows,
    state_of,
    trial_cells,
    trial_heads,
)
from dodona.commands._values import change_tags
from dodona.commands._watch import REFRESH_SECONDS, watch_study
from dodona_schemas import vertex
from dodona_schemas.problems import problem_in

app = typer.Typer(help="List, show, create, steer and watch studies.", no_args_is_help=True, rich_markup_mode=None)

Count = Annotated[int, typer.Option("--count", "-n", help="How many", min=1)]


@app.callback()
def root() -> None:
    """List, show, create, steer and watch studies."""


@app.command("list", epilog="Example: dodona studies list --url http://tuner:8080")
def list_studies(
    tag: Annotated[str | None, typer.Option(help="Only those with this tag")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="List the archived ones instead")] = False,
    url: Url = None,
    token: Token = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """List the studies, the latest first, without the archived ones."""
    with connected(url, token, project) as client:
        listed = [one for one in client.studies() if one.archived is archived]
        studies = [one for one in listed if tag is None or tag in one.tags][::-1]
        if as_json:
            print_json([study.wire for study in studies])
            return
        rows = [
            {
                "study": study.id,
                "name": "" if study.display_name == study.id else study.display_name,
                "state": study.state,
                "objective": _objective(study),
                "best": number(_best(study)),
                "created": age(study.create_time),
                "tags": ", ".join(study.tags),
            }
            for study in studies
        ]
        heads = ["study", "name", "state", "objective", "best", "created", "tags"]
        print_table(rows, heads, right=["best", "created"])


@app.command(epilog="Example: dodona studies show digits")
def show(study: Name, url: Url = None, token: Token = None, project: Project = None, as_json: AsJson = False) -> None:
    """Show a study: its state, budget, space and best trial."""
    with opened(study, url, token, project) as found:
        if as_json:
            print_json(found.wire)
            return
        spec = found.spec
        best = found.best_trial if len(found.metrics) == 1 else None
        stopping = spec.study_stopping_config
        print_facts(
            {
                "study": found.display_name,
                "page": found.url,
                "state": state_of(found),
                "objectives": ", ".join(f"{goal} {name}" for name, goal in found.metrics.items()),
                "algorithm": spec.algorithm.name if spec.algorithm else "",
                "most trials": str(stopping.max_num_trials or "") if stopping else "",
                **outlook_facts(found.outlook()),
                "workers": "" if found.wanted_workers is None else f"{found.wanted_workers} wanted",
                "learns from": ", ".join(map(str, found.prior_studies)),
                "created": age(found.create_time) + " ago",
                "archived": "yes" if found.archived else "",
                "tags": ", ".join(found.tags),
                "note": found.note,
                "best": str(best or ""),
            }
        )
        typer.echo()
        print_table(space_rows(found.space), ["parameter", "values"])


@app.command(epilog="Example: dodona studies create digits.json --name digits-again")
def create(
    file: Annotated[Path, typer.Argument(help="The study as JSON, such as `studies show --json` prints; - for stdin")],
    name: Annotated[str | None, typer.Option(help="Its name [default: the one in the file]")] = None,
    prior_studies: Annotated[
        str | None,
        typer.Option(help="Studies to learn from, with commas; auto for the most similar ones, off for none"),
    ] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Create a study from a file, and print the address of its page."""
    with connected(url, token, project) as client:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        try:
            wire = vertex.CreateStudyRequest.model_validate_json(text)
        except ValidationError as error:
            give_up(f"{file} is not a study: {problem_in(error)}", WRONG_USE)
        name = name or wire.display_name
        if not name:
            give_up(f"{file} has no displayName: name the study with --name", WRONG_USE)
        if prior_studies is not None:
            named = prior_studies in (vertex.AUTO, vertex.OFF)
            wire.study_spec.prior_studies = requested(prior_studies if named else prior_studies.split(","))
            wire.study_spec.transfer_learning_config = None
        study = client.create_study(name, spec=wire.study_spec, metadata=wire.metadata)
        typer.echo(f"{study.display_name}: {study.url}")


@app.command(epilog='Example: dodona studies pause digits --reason "the data set is being rebuilt"')
def pause(
    study: Name,
    reason: Annotated[str, typer.Option(help="Why, for those who look at the study")] = "",
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Pause a study: workers finish their trials and get no more until it is resumed."""
    with opened(study, url, token, project) as found:
        found.pause(reason)
        typer.echo(f"{found.display_name}: {state_of(found)}")


@app.command(epilog="Example: dodona studies resume digits --max-trials 200")
def resume(
    study: Name,
    max_trials: Annotated[
        int | None, typer.Option(help="Set how many trials the study may have [default: as before]")
    ] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Resume a paused or completed study."""
    with opened(study, url, token, project) as found:
        if max_trials is not None:
            found.set_max_trials(max_trials)
        if found.state != "ACTIVE":
            found.resume()
        typer.echo(f"{found.display_name}: {state_of(found)}")


settings.register(app)


@app.command(epilog='Example: dodona studies rename digits "digits, 10 classes"')
def rename(
    study: Name,
    name: Annotated[str, typer.Argument(help="The new display name")],
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Set the display name of a study; its id stays, and scripts still find it by its first name."""
    with opened(study, url, token, project) as found:
        before = found.display_name
        found.rename(name)
        typer.echo(f"{before}: now {found.display_name}")


@app.command(epilog="Example: dodona studies archive digits")
def archive(study: Name, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Archive a study: lists omit it; nothing else changes."""
    with opened(study, url, token, project) as found:
        found.archive()
        typer.echo(f"{found.display_name}: archived")


@app.command(epilog="Example: dodona studies unarchive digits")
def unarchive(study: Name, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Remove a study from the archive."""
    with opened(study, url, token, project) as found:
        found.unarchive()
        typer.echo(f"{found.display_name}: listed again")


@app.command(epilog="Example: dodona studies tag digits baseline paper --remove draft")
def tag(
    study: Name,
    tags: Annotated[list[str] | None, typer.Argument(help="Tags to add")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to remove; may be repeated")] = None,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Add and remove tags of a study, and print its tags."""
    with opened(study, url, token, project) as found:
        change_tags(found, tags, remove, found.tags)


@app.command(epilog='Example: dodona studies note digits "with the cleaned labels"')
def note(
    study: Name,
    text: Annotated[str, typer.Argument(help="The note; an empty one removes it")],
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Set the note of a study."""
    with opened(study, url, token, project) as found:
        found.set_note(text)
        typer.echo(f"{found.display_name}: {found.note or 'no note'}")


@app.command(epilog="Example: dodona studies complete digits")
def complete(study: Name, yes: Yes = False, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Complete a study: workers finish their trials, and no more are handed out."""
    with opened(study, url, token, project) as found:
        confirm(f"Complete {found.display_name}? Its workers will end.", yes)
        found.complete()
        typer.echo(f"{found.display_name}: {state_of(found)}")


@app.command(epilog="Example: dodona studies delete digits --yes")
def delete(study: Name, yes: Yes = False, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Delete a study with all its trials; for a time, `undelete` brings it back."""
    with opened(study, url, token, project) as found:
        confirm(f"Delete {found.display_name} with all its trials?", yes)
        found.delete()
        typer.echo(f"{found.display_name}: deleted")


deleted_studies.register(app)


@app.command(epilog="Example: dodona studies best digits --count 5")
def best(
    study: Name,
    count: Count = 1,
    url: Url = None,
    token: Token = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Show the best trials; with several objectives those that no other trial beats in all of them."""
    with opened(study, url, token, project) as found:
        records = found.best_trials(count) if len(found.metrics) == 1 else found.optimal_trials()
        if not records:
            give_up(f"no trial of {found.display_name} has succeeded yet", REFUSED)
        if as_json:
            print_json(records)
            return
        print_table([trial_cells(found, record) for record in records], trial_heads(found), [*found.metrics, "trial"])


@app.command(epilog="Example: dodona studies watch digits")
def watch(
    study: Name,
    seconds: Annotated[float, typer.Option(help="The time between two looks, in seconds", min=0.2)] = REFRESH_SECONDS,
    url: Url = None,
    token: Token = None,
    project: Project = None,
) -> None:
    """Follow a study until it is completed: what runs, what ended, and the best so far."""
    with opened(study, url, token, project) as found:
        watch_study(found, seconds)


def _objective(study: Study) -> str:
    return ", ".join(f"{goal[:3]} {name}" for name, goal in study.metrics.items())


def _best(study: Study) -> float | None:
    """Return the best value; None for several objectives or before the first result."""
    if len(study.metrics) != 1:
        return None
    try:
        best = study.best_trial
    except ApiError:
        # It was deleted meanwhile.
        return None
    return None if best is None else best.metrics.get(next(iter(study.metrics)))
