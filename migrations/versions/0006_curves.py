"""Curves, for rules that stop trials early; whether a study has such a rule."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # False for all studies of older servers, which stopped no trial: their curves begin in the middle.
    op.add_column("studies", sa.Column("stops_trials", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "curves",
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Double(), nullable=False),
        sa.Column("best", sa.Double(), nullable=False),
        sa.Column("mean", sa.Double(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_key", "number"], ["trials.study_key", "trials.number"], name=op.f("fk_curves_study_key_number")
        ),
        sa.PrimaryKeyConstraint("study_key", "number", "position", name=op.f("pk_curves")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_curves_is_first",
        "curves",
        ["study_key", "number", "is_first"],
        unique=False,
        sqlite_where=sa.text("is_first = 1"),
        postgresql_where=sa.text("is_first = true"),
    )
    op.create_index("ix_curves_best", "curves", ["study_key", "best"], unique=False)
