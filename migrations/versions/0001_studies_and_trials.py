"""Studies, trials, measurements, operations and events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "studies",
        sa.Column(
            "key",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("study_id", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("inactive_reason", sa.Text(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("next_trial_number", sa.BigInteger(), nullable=False),
        sa.Column("trial_count", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_studies")),
        sa.UniqueConstraint(
            "project", "location", "display_name", name=op.f("uq_studies_project_location_display_name")
        ),
        sa.UniqueConstraint("project", "location", "study_id", name=op.f("uq_studies_project_location_study_id")),
    )
    op.create_table(
        "operations",
        sa.Column("operation_id", sa.String(), nullable=False),
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("trial_numbers", sa.Text(), nullable=False),
        sa.Column("study_state", sa.String(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_operations_study_key")),
        sa.PrimaryKeyConstraint("operation_id", name=op.f("pk_operations")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_operations_study_key", "operations", ["study_key", "operation_id"], unique=False)
    op.create_index(
        "uq_operations_request_id",
        "operations",
        ["study_key", "request_id"],
        unique=True,
        sqlite_where=sa.text("request_id IS NOT NULL"),
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_table(
        "trials",
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("start_time", sa.Double(), nullable=True),
        sa.Column("end_time", sa.Double(), nullable=True),
        sa.Column("objective", sa.Double(), nullable=True),
        sa.Column("final_measurement", sa.Text(), nullable=True),
        sa.Column("infeasible_reason", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_trials_study_key")),
        sa.PrimaryKeyConstraint("study_key", "number", name=op.f("pk_trials")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_trials_objective",
        "trials",
        ["study_key", "objective", "number"],
        unique=False,
        sqlite_where=sa.text("objective IS NOT NULL"),
        postgresql_where=sa.text("objective IS NOT NULL"),
    )
    op.create_index(
        "ix_trials_unfinished",
        "trials",
        ["study_key", "state", "client_id", "number", "end_time"],
        unique=False,
        sqlite_where=sa.text("end_time IS NULL"),
        postgresql_where=sa.text("end_time IS NULL"),
    )
    op.create_index(
        "uq_trials_request_id",
        "trials",
        ["study_key", "request_id"],
        unique=True,
        sqlite_where=sa.text("request_id IS NOT NULL"),
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_table(
        "measurements",
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=False),
        sa.Column("elapsed_seconds", sa.Double(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_key", "number"],
            ["trials.study_key", "trials.number"],
            name=op.f("fk_measurements_study_key_number"),
        ),
        sa.PrimaryKeyConstraint("study_key", "number", "attempt", "step", "tick", name=op.f("pk_measurements")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column(
            "key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("trial_number", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_events_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_events")),
    )
    op.create_index(
        "uq_events_number",
        "events",
        ["study_key", "number"],
        unique=True,
        sqlite_where=sa.text("number IS NOT NULL"),
        postgresql_where=sa.text("number IS NOT NULL"),
    )
    op.create_index(
        "ix_events_unnumbered",
        "events",
        ["study_key"],
        unique=False,
        sqlite_where=sa.text("number IS NULL"),
        postgresql_where=sa.text("number IS NULL"),
    )
