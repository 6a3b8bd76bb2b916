"""Command that writes what the documentation has from the code.

    python -m dodona_server.document docs/openapi.json docs/protocol.md docs/security.md

The first file is the OpenAPI document; without arguments it goes to stdout. In any page, the command replaces the
table of the fields that are Dodona's own, and the table of calls and roles.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import cast

from dodona_schemas.base import OWN
from dodona_server.app import create_app
from dodona_server.domain.access.roles import ANYONE, RULES, Role, Rule
from dodona_server.storage.engine.store import Store

_HEAD = "| field | messages | meaning |\n| --- | --- | --- |\n"
_TABLE = re.compile(re.escape(_HEAD) + r"(\|.*\n)*")
_ROLES_HEAD = f"| call | {' | '.join(Role)} |\n" + "| --- " * (len(Role) + 1) + "|\n"
_ROLES = re.compile(re.escape(_ROLES_HEAD) + r"(\|.*\n)*")


def openapi_document() -> str:
    """Return the document as it is committed."""
    app = create_app(cast(Store, None))  # it describes the calls and answers none
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


def with_own_fields(page: str) -> str:
    """Return a page of the documentation with the current table of the fields that are Dodona's own."""
    messages: dict[tuple[str, str], set[str]] = {}
    for schema, message in json.loads(openapi_document())["components"]["schemas"].items():
        for name, field in message.get("properties", {}).items():
            if OWN in field:
                about = field["description"].partition(": ")[2].rstrip(".")
                messages.setdefault((name, about), set()).add(schema.partition("-")[0])
    rows = (f"| `{name}` | {', '.join(sorted(of))} | {about} |\n" for (name, about), of in sorted(messages.items()))
    return _TABLE.sub(lambda _: _HEAD + "".join(rows), page)


def with_roles(page: str) -> str:
    """Return a page of the documentation with the current table of calls and roles."""
    return _ROLES.sub(lambda _: _ROLES_HEAD + "".join(_row(name, rule) for name, rule in RULES.items()), page)


def _row(name: str, rule: Rule) -> str:
    mark = " †" if rule is ANYONE else " *" if rule.of_server else ""
    cells = ["yes" if rule is ANYONE or role in rule.roles else "" for role in Role]
    return f"| `{name}`{mark} | {' | '.join(cells)} |\n"


def written(page: str) -> str:
    """Return a page of the documentation with all tables up to date."""
    return with_roles(with_own_fields(page))


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        content = openapi_document() if file.suffix == ".json" else written(file.read_text(encoding="utf-8"))
        file.write_text(content, encoding="utf-8")
    if not sys.argv[1:]:
        sys.stdout.write(openapi_document())
