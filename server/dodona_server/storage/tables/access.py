"""Tables of tokens, people, sessions in browsers, and the audit log."""

from __future__ import annotations

import sqlalchemy as sa

from dodona_server.storage.tables.core import metadata

# One row. Each change of the other tables counts `version` up, and each server looks for that.
access = sa.Table(
    "access",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    # The key of all digests, where no file beside the database and no setting holds it.
    sa.Column("secret", sa.String),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("token_id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    # One project, or "*" for all.
    sa.Column("project", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    # A keyed hash of the secret part, and which key it was made with.
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("key_id", sa.String, nullable=False),
    sa.Column("create_time", sa.Double, nullable=False),
    sa.Column("creator", sa.String, nullable=False),
    # Null for one that is valid until it is revoked.
    sa.Column("expire_time", sa.Double),
    # Kept coarsely; null before the first use.
    sa.Column("use_time", sa.Double),
)

people = sa.Table(
    "people",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    # Empty for a person whom another service signs in.
    sa.Column("password", sa.String, nullable=False),
    sa.Column("create_time", sa.Double, nullable=False),
    sa.Column("creator", sa.String, nullable=False),
)

members = sa.Table(
    "members",
    metadata,
    sa.Column("person", sa.String, sa.ForeignKey("people.name"), nullable=False),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.PrimaryKeyConstraint("person", "project"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("session_id", sa.String, primary_key=True),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("key_id", sa.String, nullable=False),
    # Who signed in: "person:NAME", "token:ID" or "setting:HASH"; the session ends with it.
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("create_time", sa.Double, nullable=False),
    sa.Column("expire_time", sa.Double, nullable=False),
    sa.Column("use_time", sa.Double, nullable=False),
    # When to ask another service again about its owner, and what with, sealed with the server's secret; else null.
    sa.Column("check_time", sa.Double),
    sa.Column("sealed", sa.String),
)
sa.Index("ix_sessions_expire_time", sessions.c.expire_time)
sa.Index("ix_sessions_check_time", sessions.c.check_time)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("key", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    # The address that the request came from; empty for a command on the server's machine.
    sa.Column("address", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    # Empty if it is about no single project.
    sa.Column("project", sa.String, nullable=False),
    sa.Column("target", sa.String, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
)
sa.Index("ix_audit_time", audit.c.time)
sa.Index("ix_audit_project", audit.c.project, audit.c.key)
