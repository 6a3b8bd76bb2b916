"""Workers; archived studies; what people have changed of a study."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A trial counts for the worker that ran it last.
_WORKERS = """
    INSERT INTO workers (study_key, client_id, first_time, seen_time, finished, failed, busy_seconds)
    SELECT study_key, client_id, min(start_time), max(coalesce(end_time, start_time)),
           sum(CASE WHEN state = 'SUCCEEDED' THEN 1 ELSE 0 END), sum(CASE WHEN state = 'INFEASIBLE' THEN 1 ELSE 0 END),
           sum(coalesce(end_time, start_time) - start_time)
    FROM trials WHERE client_id <> '' AND start_time IS NOT NULL
    GROUP BY study_key, client_id
"""


def upgrade() -> None:
    op.add_column("studies", sa.Column("archive_time", sa.Double(), nullable=True))
    op.add_column("studies", sa.Column("created_name", sa.String(), nullable=True))
    op.add_column("studies", sa.Column("created_spec", sa.Text(), nullable=True))
    op.create_table(
        "workers",
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("first_time", sa.Double(), nullable=False),
        sa.Column("seen_time", sa.Double(), nullable=False),
        sa.Column("agent", sa.String(), server_default="", nullable=False),
        sa.Column("stop", sa.String(), server_default="", nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("finished", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("busy_seconds", sa.Double(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_workers_study_key")),
        sa.PrimaryKeyConstraint("study_key", "client_id", name=op.f("pk_workers")),
        sqlite_with_rowid=False,
    )
    op.execute(_WORKERS)
