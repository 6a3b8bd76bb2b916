"""`dodona webhooks`: where the events of a project's studies are sent; it needs the role admin."""

from __future__ import annotations

from typing import Annotated

import typer

from dodona import Client
from dodona.commands._calls import REFUSED, AsJson, Project, Token, Url, Yes, confirm, connected, give_up
from dodona.commands._print import age, print_json, print_table
from dodona_schemas import webhooks as wire

webhooks = typer.Typer(help="Make, list, test and delete webhooks.", no_args_is_help=True, rich_markup_mode=None)

Id = Annotated[str, typer.Argument(help="The webhook's id, as `webhooks list` shows it")]


@webhooks.callback()
def root() -> None:
    """Make, list, test and delete webhooks."""


@webhooks.command(epilog="Example: dodona webhooks create https://example.org/dodona --kind STUDY_COMPLETED")
def create(
    address: Annotated[str, typer.Argument(help="Where the events are sent, such as https://example.org/dodona")],
    kind: Annotated[list[str] | None, typer.Option(help="A kind of event; may be given again [default: all]")] = None,
    slack: Annotated[bool, typer.Option("--slack", help="Send texts in Slack's form instead of JSON")] = False,
    url: Url = None,
    token: Token = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Create a webhook and print its secret, which is shown once."""
    with connected(url, token, project) as client:
        made = client.webhooks.create(address, kind or [], slack=slack)
        if as_json:
            print_json(made)
            return
        typer.echo(f"{_id(made)}: the secret of its signatures is {made.secret}")


@webhooks.command("list", epilog="Example: dodona webhooks list")
def list_webhooks(url: Url = None, token: Token = None, project: Project = None, as_json: AsJson = False) -> None:
    """List the webhooks of the project, with what came of the latest delivery."""
    with connected(url, token, project) as client:
        found = client.webhooks.list()
        if as_json:
            print_json(found)
            return
        rows = [
            {
                "webhook": _id(one),
                "url": one.url,
                "form": one.form.lower(),
                "kinds": ", ".join(one.kinds) or "all",
                "last answer": _answer(one.deliveries[0]) if one.deliveries else "",
            }
            for one in found
        ]
        print_table(rows, ["webhook", "url", "form", "kinds", "last answer"])


@webhooks.command(epilog="Example: dodona webhooks delete 3f2a --yes")
def delete(webhook: Id, yes: Yes = False, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Delete a webhook; it gets no more events."""
    with connected(url, token, project) as client:
        confirm(f"Delete the webhook {webhook}?", yes)
        client.webhooks.delete(_found(client, webhook))
        typer.echo(f"{webhook}: deleted")


@webhooks.command("test", epilog="Example: dodona webhooks test 3f2a")
def send_test(webhook: Id, url: Url = None, token: Token = None, project: Project = None) -> None:
    """Send a test to a webhook; exit with 1 if its receiver does not accept it."""
    with connected(url, token, project) as client:
        tried = client.webhooks.send_test(_found(client, webhook))
        if not 200 <= tried.code < 300:
            give_up(f"{webhook}: {_answer(tried)}", REFUSED)
        typer.echo(f"{webhook}: {_answer(tried)}")


@webhooks.command(epilog="Example: dodona webhooks deliveries 3f2a")
def deliveries(
    webhook: Id, url: Url = None, token: Token = None, project: Project = None, as_json: AsJson = False
) -> None:
    """List the latest tries of a webhook, the last one first."""
    with connected(url, token, project) as client:
        known = _found(client, webhook)
        (found,) = [one for one in client.webhooks.list() if _id(one) == known]
        if as_json:
            print_json(found.deliveries)
            return
        rows = [
            {
                "study": one.study.rpartition("/")[2] or "a test",
                "event": str(one.number),
                "kind": one.kind,
                "age": age(one.time),
                "answer": _answer(one),
            }
            for one in found.deliveries
        ]
        print_table(rows, ["study", "event", "kind", "age", "answer"], right=["event", "age"])


def _found(client: Client, webhook: str) -> str:
    """Return the id of the webhook; the beginning of the id is enough if no other one begins so."""
    found = [_id(one) for one in client.webhooks.list() if webhook and _id(one).startswith(webhook)]
    if len(found) != 1:
        give_up(f"{len(found)} webhooks have an id that begins with {webhook!r}: `dodona webhooks list`", REFUSED)
    return found[0]


def _id(webhook: wire.Webhook) -> str:
    return webhook.name.rpartition("/")[2]


def _answer(delivery: wire.Delivery) -> str:
    return str(delivery.code) if not delivery.problem else f"failed: {delivery.problem}"
