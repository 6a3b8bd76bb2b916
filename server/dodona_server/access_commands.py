"""`dodona tokens` and `dodona users`: on the database where its settings are at hand, or over the API of a server.

With `--url`, or DODONA_URL, a command is a call of that server with an administrator's token. Without, it changes the
database of `--database-url`, or DODONA_DATABASE_URL, itself: a person who can read the database's password or file
needs no token. Servers of the database notice within a second.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar
from urllib.parse import quote

import typer

from dodona_schemas import access as wire
from dodona_schemas.base import WireModel
from dodona_schemas.status import ErrorResponse
from dodona_server.api.access.messages import token_message, user_message
from dodona_server.command_line import DatabaseUrl, give_up, or_give_up, settings_of
from dodona_server.domain.access.roles import ALL, Principal, Role
from dodona_server.domain.errors import DodonaError
from dodona_server.service.access import passwords, people
from dodona_server.service.access import tokens as of_tokens
from dodona_server.service.access.keys import Keys
from dodona_server.settings import Settings
from dodona_server.storage.access import accounts, audit
from dodona_server.storage.access.secret import server_secret
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.schema import administration as schema
from dodona_server.storage.schema.opening import engine_for

T = TypeVar("T")
Answer = TypeVar("Answer", bound=WireModel)

tokens = typer.Typer(
    help="Make, list, rotate and revoke tokens.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
users = typer.Typer(
    help="Add users, and give them roles.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

Url = Annotated[str | None, typer.Option(help="The server to ask, instead of its database", envvar="DODONA_URL")]
Bearer = Annotated[str | None, typer.Option(help="An administrator's token for --url", envvar="DODONA_TOKEN")]
ProjectName = Annotated[str | None, typer.Option("--project", help="Where the role holds [default: everywhere]")]
RoleName = Annotated[str, typer.Option("--role", help=f"One of {', '.join(Role)}")]
TokenId = Annotated[str, typer.Argument(help="The token's id, or the whole token")]
UserName = Annotated[str, typer.Argument(help="The name that the user signs in with")]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


@tokens.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What the token is for, for people")],
    role: RoleName,
    project: ProjectName = None,
    expires: Annotated[str | None, typer.Option(help="How long it is valid, such as 90d [default: for ever]")] = None,
    url: Url = None,
    token: Bearer = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create a token and print it; it is shown once and stored nowhere."""
    lifetime = None if expires is None else _seconds(expires)
    if url:
        body = wire.CreateTokenRequest(display_name=name, project=project or "", role=role, lifetime=lifetime)
        made = _call(url, token, "POST", "tokens", body, wire.Token)
    else:
        made = _change(
            database_url,
            "create_token",
            lambda transaction, keys: token_message(
                *of_tokens.create_token(
                    transaction, keys, _here(), name, project=project or ALL, role=role, seconds=lifetime
                )
            ),
        )
    _print_secret(made)


@tokens.command("list")
def list_tokens(url: Url = None, token: Bearer = None, database_url: DatabaseUrl = None) -> None:
    """List the tokens, without their secrets."""
    if url:
        listed = _call(url, token, "GET", "tokens", None, wire.ListTokensResponse).tokens
    else:
        listed = _change(
            database_url,
            "",
            lambda transaction, _: [token_message(one) for one in of_tokens.list_tokens(transaction, _here())],
        )
    _print_table(
        ["id", "name", "project", "role", "expires", "last used", "made by"],
        [
            [
                one.name.removeprefix("tokens/"),
                one.display_name,
                one.project or "all",
                one.role,
                _day(one.expire_time),
                _day(one.use_time),
                one.creator,
            ]
            for one in listed
        ],
    )


@tokens.command("revoke")
def revoke_token(token_id: TokenId, url: Url = None, token: Bearer = None, database_url: DatabaseUrl = None) -> None:
    """Revoke a token; within a second no server accepts it."""
    one = _id_of(token_id)
    if url:
        _call(url, token, "DELETE", f"tokens/{one}", None, WireModel)
    else:
        _change(database_url, "revoke_token", lambda t, _: of_tokens.revoke_token(t, _here(), one), f"tokens/{one}")
    typer.echo(f"revoked {one}", err=True)


@tokens.command("rotate")
def rotate_token(
    token_id: TokenId,
    overlap: Annotated[str, typer.Option(help="How long the old token stays valid")] = "1d",
    url: Url = None,
    token: Bearer = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create another token like this one and print it; the old one stays valid for a while."""
    one, seconds = _id_of(token_id), _seconds(overlap)
    if url:
        body = wire.RotateTokenRequest(overlap=seconds)
        made = _call(url, token, "POST", f"tokens/{one}:rotate", body, wire.Token)
    else:
        made = _change(
            database_url,
            "rotate_token",
            lambda transaction, keys: token_message(*of_tokens.rotate_token(transaction, keys, _here(), one, seconds)),
            f"tokens/{one}",
        )
    _print_secret(made)


@users.command("create")
def create_user(
    user: UserName,
    role: RoleName,
    project: ProjectName = None,
    password: Annotated[bool, typer.Option(help="Whether the user signs in with a password, asked for here")] = True,
    url: Url = None,
    token: Bearer = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Add a user; the password is read from the terminal, or from stdin."""
    secret = _read_password() if password else ""
    if url:
        given = [wire.Membership(project=project or "", role=role)]
        body = wire.CreateUserRequest(user=user, password=secret, memberships=given)
        _call(url, token, "POST", "users", body, wire.User)
    else:
        stored = _hashed(secret) if secret else ""
        _change(
            database_url,
            "create_user",
            lambda t, _: people.create_person(t, _here(), user, password=stored, roles={project or ALL: role}),
            f"users/{user}",
        )
    typer.echo(f"added {user}", err=True)


@users.command("list")
def list_users(url: Url = None, token: Bearer = None, database_url: DatabaseUrl = None) -> None:
    """List the users and their roles."""
    if url:
        listed = _call(url, token, "GET", "users", None, wire.ListUsersResponse).users
    else:
        listed = _change(
            database_url,
            "",
            lambda transaction, _: [user_message(one) for one in people.list_people(transaction, _here())],
        )
    rows = [[one.name.removeprefix("users/"), _roles(one), one.creator] for one in listed]
    _print_table(["user", "roles", "added by"], rows)


@users.command("role")
def set_role(
    user: UserName,
    role: Annotated[str, typer.Argument(help=f"One of {', '.join(Role)}; none takes the role away")],
    project: ProjectName = None,
    url: Url = None,
    token: Bearer = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Set a user's role in a project, or remove it."""
    given = "" if role == "none" else role
    if url:
        body = wire.SetRoleRequest(project=project or "", role=given)
        _call(url, token, "POST", f"users/{quote(user, safe='')}:setRole", body, wire.User)
    else:
        _change(
            database_url,
            "set_role",
            lambda t, _: people.set_role(t, _here(), user, project=project or ALL, role=given),
            f"users/{user}",
        )


@users.command("password")
def set_password(user: UserName, url: Url = None, token: Bearer = None, database_url: DatabaseUrl = None) -> None:
    """Change a user's password; the user's sessions end."""
    secret = _read_password()
    if url:
        body = wire.SetPasswordRequest(password=secret)
        _call(url, token, "POST", f"users/{quote(user, safe='')}:setPassword", body, WireModel)
    else:
        stored = _hashed(secret)
        _change(database_url, "set_password", lambda t, _: people.set_password(t, user, stored), f"users/{user}")


@users.command("delete")
def delete_user(user: UserName, url: Url = None, token: Bearer = None, database_url: DatabaseUrl = None) -> None:
    """Delete a user; the user's sessions end."""
    if url:
        _call(url, token, "DELETE", f"users/{quote(user, safe='')}", None, WireModel)
    else:
        _change(database_url, "delete_user", lambda t, _: people.delete_person(t, user), f"users/{user}")


def first_operator(settings: Settings) -> str | None:
    """Return a new token that may do everything, if the database has none that ever could; otherwise None."""

    def make(transaction: Transaction, keys: Keys) -> str | None:
        # Of several servers that start at once, the others wait for the first one here, and find its token.
        accounts.count_up(transaction)
        if of_tokens.has_operator(transaction):
            return None
        made = of_tokens.create_token(transaction, keys, _here(), "first start", role=Role.OPERATOR)
        audit.insert(transaction, _entry("create_token", ""))
        return str(made[1])

    return _transact(settings, "", make, "")


def _change(url: str | None, action: str, use_case: Callable[[Transaction, Keys], T], target: str = "") -> T:
    """Return what a change of the database returns; end the command if it is refused."""
    settings = settings_of(database_url=url)
    found, wanted = or_give_up(lambda: schema.current(settings.database_url)), schema.head()
    if found != wanted:
        give_up(f"the schema is {found or 'empty'}, this version needs {wanted}: dodona db upgrade")
    return _transact(settings, action, use_case, target)


def _transact(settings: Settings, action: str, use_case: Callable[[Transaction, Keys], T], target: str) -> T:
    engine = or_give_up(lambda: engine_for(settings.database_url))
    given = settings.secret.get_secret_value() if settings.secret else None
    try:
        with engine.begin() as transaction:
            keys = Keys(or_give_up(lambda: server_secret(transaction, given)))
            done = use_case(transaction, keys)
            if action:
                audit.insert(transaction, _entry(action, target))
            return done
    except DodonaError as error:
        give_up(error.message)
    finally:
        engine.dispose()


def note_command(database_url: str, action: str, target: str) -> None:
    """Add an entry about a command that has changed a database to its audit log."""
    engine = or_give_up(lambda: engine_for(database_url))
    try:
        with engine.begin() as transaction:
            audit.insert(transaction, _entry(action, target))
    finally:
        engine.dispose()


def _entry(action: str, target: str) -> audit.Entry:
    return audit.Entry(time.time(), _here().name, "", action, "", target, "done")


def _call(url: str, token: str | None, method: str, path: str, body: WireModel | None, answer: type[Answer]) -> Answer:
    """Return a server's answer; end the command if it refuses."""
    # Imported here: servers import this module, and do not need it.
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answered = httpx.request(
            method,
            f"{url.rstrip('/')}/v1/{path}",
            content=None if body is None else body.to_json(),
            headers={**headers, "Content-Type": "application/json"},
        )
    except (httpx.TransportError, httpx.InvalidURL) as error:
        give_up(f"no server answered at {url}: {error}", 3)
    if answered.is_success:
        return answer.model_validate_json(answered.content)
    try:
        give_up(ErrorResponse.model_validate_json(answered.content).error.message, 1)
    except ValueError:
        give_up(f"{url} answered {answered.status_code}; it may not be a Dodona server", 1)


def _here() -> Principal:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        name = str(os.getuid())
    return Principal(f"{name} on the server's machine", ((ALL, Role.OPERATOR),))


def _id_of(text: str) -> str:
    match = re.fullmatch(r"(?:dod_|tokens/)?([0-9a-f]{12})(?:_[0-9a-f]{40})?", text)
    if match is None:
        give_up("that is neither a token nor the id of one; `dodona tokens list` shows the ids")
    return match[1]


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        give_up(f"{text!r} is not a duration; write one like 90d, 12h, 30m or 45s")
    return float(match[1]) * _SECONDS[match[2]]


def _read_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    secret: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return secret


def _hashed(password: str) -> str:
    try:
        return passwords.hashed(password)
    except DodonaError as error:
        give_up(error.message)


def _print_secret(made: wire.Token) -> None:
    where = f"in the project {made.project}" if made.project else "in all projects"
    until = f"until {_day(made.expire_time)}" if made.expire_time else "until it is revoked"
    typer.echo(f"{made.role} {where}, {until}; store it now, it is not shown again:", err=True)
    typer.echo(made.secret)


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _roles(user: wire.User) -> str:
    return ", ".join(f"{one.role} in {one.project or 'all projects'}" for one in user.memberships)


def _day(when: datetime | None) -> str:
    return "never" if when is None else when.strftime("%Y-%m-%d %H:%M")
