"""Points that algorithms have computed ahead: they wait here until somebody asks for a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.space import Value
from dodona_server.storage import codec
from dodona_server.storage.statement import Statement
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import suggestions

_IN_STUDY = suggestions.c.study_key == bindparam("of_study")
_FIRST = Statement(
    sa.select(suggestions.c.place, suggestions.c.parameters)
    .where(_IN_STUDY)
    .order_by(suggestions.c.place)
    .limit(bindparam("limit"))
)
_INSERT = Statement(suggestions.insert())
_CLEAR = Statement(suggestions.delete().where(_IN_STUDY))
_CLEAR_TO = Statement(suggestions.delete().where(_IN_STUDY, suggestions.c.place <= bindparam("last")))


def replace(transaction: Transaction, study_key: int, computed: Sequence[Mapping[str, Value]]) -> None:
    """Puts `computed` in the place of what is there; the study must be held."""
    _CLEAR.run(transaction, {"of_study": study_key})
    rows = [
        {"study_key": study_key, "place": place, "parameters": codec.dump_parameters(parameters)}
        for place, parameters in enumerate(computed)
    ]
    _INSERT.run_each(transaction, rows)


def take(transaction: Transaction, study_key: int, limit: int) -> list[dict[str, Value]]:
    """Up to `limit` points, the first computed first, which are then gone; the study must be held."""
    rows = _FIRST.rows(transaction, {"of_study": study_key, "limit": limit})
    if rows:
        _CLEAR_TO.run(transaction, {"of_study": study_key, "last": rows[-1]["place"]})
    return [codec.load_parameters(row["parameters"]) for row in rows]


def waiting(transaction: Transaction, study_key: int) -> list[dict[str, Value]]:
    """All points that wait, in order."""
    rows = _FIRST.rows(transaction, {"of_study": study_key, "limit": 10_000})
    return [codec.load_parameters(row["parameters"]) for row in rows]
