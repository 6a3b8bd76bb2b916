"""Leases, request ids of all calls, budgets, suggestions computed in advance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("position", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("algorithm_failures", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("finished_trials", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("failed_trials", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("best_objective", sa.Double(), nullable=True),
        sa.Column("best_time", sa.Double(), nullable=True),
        sa.Column("trials_since_best", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("check_time", sa.Double(), nullable=True),
    ):
        op.add_column("studies", column)
    op.create_index(
        "ix_studies_check_time",
        "studies",
        ["check_time"],
        unique=False,
        sqlite_where=sa.text("check_time IS NOT NULL"),
        postgresql_where=sa.text("check_time IS NOT NULL"),
    )
    for column in (
        sa.Column("lease_seconds", sa.Double(), nullable=True),
        sa.Column("lease_expiry", sa.Double(), nullable=True),
        sa.Column("lost_attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("lost_client_id", sa.String(), nullable=False, server_default=""),
        sa.Column("checkpoint", sa.Text(), nullable=False, server_default=""),
    ):
        op.add_column("trials", column)
    # An attempt is now counted when the trial is assigned, not when it is created.
    op.execute("UPDATE trials SET attempt = 0 WHERE state = 'REQUESTED'")
    op.create_index(
        "ix_trials_lease_expiry",
        "trials",
        ["lease_expiry"],
        unique=False,
        sqlite_where=sa.text("lease_expiry IS NOT NULL"),
        postgresql_where=sa.text("lease_expiry IS NOT NULL"),
    )
    # One index of all events replaces two partial ones.
    op.drop_index("ix_events_unnumbered", table_name="events")
    op.drop_index("uq_events_number", table_name="events")
    op.create_index("uq_events_number", "events", ["study_key", "number"], unique=True)
    op.add_column("operations", sa.Column("suggestion_count", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "requests",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("project", "location", "request_id", name=op.f("pk_requests")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_requests_create_time", "requests", ["create_time"], unique=False)
    op.create_table(
        "suggestions",
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_suggestions_study_key")),
        sa.PrimaryKeyConstraint("study_key", "place", name=op.f("pk_suggestions")),
        sqlite_with_rowid=False,
    )
