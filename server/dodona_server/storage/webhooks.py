"""Webhooks, how far each is in each study, and its latest tries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.studies.study import Study
from dodona_server.domain.webhook import Delivery, Webhook, WebhookForm
from dodona_server.storage.engine.clock import database_now
from dodona_server.storage.engine.statement import Row, Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies.studies import read_study
from dodona_server.storage.tables.core import events, numbered, studies, unnumbered
from dodona_server.storage.tables.webhooks import webhook_cursors, webhook_deliveries, webhooks

KEPT_DELIVERIES = 100
MAX_STUDIES = 100

_THIS = webhooks.c.webhook_id == bindparam("of_webhook")
_ALL = Statement(sa.select(webhooks).order_by(webhooks.c.create_time))
_OF_PROJECT = Statement(
    sa.select(webhooks).where(webhooks.c.project == bindparam("of_project")).order_by(webhooks.c.create_time)
)
_INSERT = Statement(webhooks.insert())
_CHANGE = Statement(
    webhooks.update()
    .where(_THIS, webhooks.c.project == bindparam("of_project"))
    .values(url=bindparam("new_url"), form=bindparam("new_form"), kinds=bindparam("new_kinds"))
)
_DELETE = Statement(webhooks.delete().where(_THIS, webhooks.c.project == bindparam("of_project")))
_CURSORS_OF = Statement(webhook_cursors.delete().where(webhook_cursors.c.webhook_id == bindparam("of_webhook")))
_DELIVERIES_OF = Statement(
    webhook_deliveries.delete().where(webhook_deliveries.c.webhook_id == bindparam("of_webhook"))
)
_CLAIM = Statement(
    webhooks.update()
    .where(_THIS, sa.or_(webhooks.c.claimant == bindparam("me"), webhooks.c.claim_expiry <= database_now()))
    .values(claimant=bindparam("me"), claim_expiry=database_now() + bindparam("seconds", type_=sa.Double))
    .returning(*webhooks.c)
)
_OF_CURSOR = (
    webhook_cursors.c.webhook_id == bindparam("of_webhook"),
    webhook_cursors.c.study_key == bindparam("of_study"),
)
_THAT_STUDY = events.c.study_key == studies.c.key
_NEWEST = sa.select(sa.func.max(events.c.number)).where(_THAT_STUDY, numbered).scalar_subquery()
_BEHIND = Statement(
    sa.select(
        *studies.c,
        webhook_cursors.c.number.label("seen"),
        webhook_cursors.c.tries,
    )
    .select_from(
        studies.outerjoin(
            webhook_cursors,
            sa.and_(
                webhook_cursors.c.study_key == studies.c.key,
                webhook_cursors.c.webhook_id == bindparam("of_webhook"),
            ),
        )
    )
    .where(
        studies.c.project == bindparam("of_project"),
        sa.or_(
            webhook_cursors.c.number.is_(None),
            sa.and_(
                webhook_cursors.c.next_time <= bindparam("now"),
                sa.or_(webhook_cursors.c.number < _NEWEST, sa.exists(sa.select(1).where(_THAT_STUDY, unnumbered))),
            ),
        ),
    )
    .limit(MAX_STUDIES)
)
_BEFORE = Statement(
    sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0)).where(
        events.c.study_key == bindparam("of_study"), numbered, events.c.time < bindparam("since")
    )
)
_ADD_CURSOR = Statement(webhook_cursors.insert())
_MOVE = Statement(
    webhook_cursors.update()
    .where(*_OF_CURSOR)
    .values(number=bindparam("new_number"), tries=bindparam("new_tries"), next_time=bindparam("new_time"))
)
_RECORD = Statement(webhook_deliveries.insert().inline())
_OF_WEBHOOK = webhook_deliveries.c.webhook_id == bindparam("of_webhook")
_LATEST = Statement(
    sa.select(webhook_deliveries).where(_OF_WEBHOOK).order_by(webhook_deliveries.c.key.desc()).limit(KEPT_DELIVERIES)
)
_OLD = sa.select(webhook_deliveries.c.key).where(_OF_WEBHOOK).order_by(webhook_deliveries.c.key.desc())
_FORGET = Statement(
    webhook_deliveries.delete().where(
        _OF_WEBHOOK, webhook_deliveries.c.key <= _OLD.limit(1).offset(KEPT_DELIVERIES).scalar_subquery()
    )
)


@dataclass(frozen=True, slots=True)
class Behind:
    """A study with events that a webhook has not sent: the number of the last one sent (None: none), failed tries."""

    study: Study
    seen: int | None
    tries: int


def every(transaction: Transaction) -> list[Webhook]:
    """Return all webhooks."""
    return [_webhook(row) for row in _ALL.rows(transaction)]


def of_project(transaction: Transaction, project: str) -> list[Webhook]:
    """Return the webhooks of a project."""
    return [_webhook(row) for row in _OF_PROJECT.rows(transaction, {"of_project": project})]


def insert(transaction: Transaction, webhook: Webhook) -> None:
    """Add a webhook."""
    values = {
        "webhook_id": webhook.webhook_id,
        "project": webhook.project,
        "url": webhook.url,
        "form": webhook.form.value,
        "kinds": json.dumps(sorted(webhook.kinds)),
        "secret": webhook.secret,
        "create_time": webhook.create_time,
        "claimant": "",
        "claim_expiry": 0.0,
    }
    _INSERT.run(transaction, values)


def change(transaction: Transaction, webhook: Webhook) -> None:
    """Store the URL, the form and the kinds of a webhook."""
    values = {"new_url": webhook.url, "new_form": webhook.form.value, "new_kinds": json.dumps(sorted(webhook.kinds))}
    _CHANGE.run(transaction, {"of_webhook": webhook.webhook_id, "of_project": webhook.project, **values})


def delete(transaction: Transaction, webhook: Webhook) -> None:
    """Delete a webhook."""
    for statement in (_CURSORS_OF, _DELIVERIES_OF):
        statement.run(transaction, {"of_webhook": webhook.webhook_id})
    _DELETE.run(transaction, {"of_webhook": webhook.webhook_id, "of_project": webhook.project})


def claim(transaction: Transaction, webhook_id: str, claimant: str, seconds: float) -> Webhook | None:
    """Return the webhook if this server sends its events for the next seconds, by the database's clock."""
    row = _CLAIM.row(transaction, {"of_webhook": webhook_id, "me": claimant, "seconds": seconds})
    return None if row is None else _webhook(row)


def behind(transaction: Transaction, webhook: Webhook, now: float) -> list[Behind]:
    """Return some of the studies with events that may have to be sent by `now`."""
    values = {"of_webhook": webhook.webhook_id, "of_project": webhook.project, "now": now}
    return [Behind(read_study(row), row["seen"], row["tries"] or 0) for row in _BEHIND.rows(transaction, values)]


def begin(transaction: Transaction, webhook: Webhook, study_key: int) -> int:
    """Begin with a study's events after the webhook was created, and return the number of the last one before."""
    number: int = _BEFORE.value(transaction, {"of_study": study_key, "since": webhook.create_time})
    values = {"webhook_id": webhook.webhook_id, "study_key": study_key, "number": number, "tries": 0, "next_time": 0.0}
    _ADD_CURSOR.run(transaction, values)
    return number


def move(transaction: Transaction, webhook_id: str, study_key: int, number: int, tries: int, next_time: float) -> None:
    """Record how far a webhook is in a study, how often the next event has failed, and when to try it again."""
    cursor = {"of_webhook": webhook_id, "of_study": study_key}
    _MOVE.run(transaction, {**cursor, "new_number": number, "new_tries": tries, "new_time": next_time})


def record(transaction: Transaction, webhook_id: str, tries: Sequence[Delivery]) -> None:
    """Record tries, and forget old ones."""
    rows = [
        {
            "webhook_id": webhook_id,
            "study": one.study,
            "number": one.number,
            "kind": one.kind,
            "time": one.time,
            "code": one.code,
            "problem": one.problem,
        }
        for one in tries
    ]
    _RECORD.run_each(transaction, rows)
    _FORGET.run(transaction, {"of_webhook": webhook_id})


def deliveries(transaction: Transaction, webhook_id: str) -> list[Delivery]:
    """Return the latest tries of a webhook, the last one first."""
    rows = _LATEST.rows(transaction, {"of_webhook": webhook_id})
    return [
        Delivery(row["study"], row["number"], row["kind"], row["time"], row["code"], row["problem"]) for row in rows
    ]


def _webhook(row: Row) -> Webhook:
    return Webhook(
        row["webhook_id"],
        row["project"],
        row["url"],
        WebhookForm(row["form"]),
        frozenset(json.loads(row["kinds"])),
        row["secret"],
        row["create_time"],
    )
