"""Tables of webhooks and of what was sent to them."""

from __future__ import annotations

import sqlalchemy as sa

from dodona_server.storage.tables.core import metadata

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("webhook_id", sa.String, primary_key=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("url", sa.String, nullable=False),
    sa.Column("form", sa.String, nullable=False),
    # The kinds of events that it gets, a JSON list; empty for all.
    sa.Column("kinds", sa.Text, nullable=False),
    sa.Column("secret", sa.String, nullable=False),
    sa.Column("create_time", sa.Double, nullable=False),
    # The server that sends its events, and until when no other one does, by the database's clock.
    sa.Column("claimant", sa.String, nullable=False),
    sa.Column("claim_expiry", sa.Double, nullable=False),
)

# How far a webhook is in a study: the last event that was accepted, and the failed tries of the next one.
webhook_cursors = sa.Table(
    "webhook_cursors",
    metadata,
    sa.Column("webhook_id", sa.String, nullable=False),
    sa.Column("study_key", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_time", sa.Double, nullable=False),
    # The study first: a study that is deleted finds its own.
    sa.PrimaryKeyConstraint("study_key", "webhook_id"),
    sqlite_with_rowid=False,
)

# The latest tries, for people.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("key", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
    sa.Column("webhook_id", sa.String, nullable=False),
    sa.Column("study", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
    # The status of the answer; 0 if there was none.
    sa.Column("code", sa.Integer, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
)
sa.Index("ix_webhook_deliveries_webhook_id", webhook_deliveries.c.webhook_id, webhook_deliveries.c.key)
