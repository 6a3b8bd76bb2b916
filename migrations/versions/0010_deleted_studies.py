"""Deleted studies can be brought back for a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deleted_studies",
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("study_id", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("delete_time", sa.Double(), nullable=False),
        sa.Column("purge_time", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_deleted_studies_study_key")),
        sa.PrimaryKeyConstraint("study_key", name=op.f("pk_deleted_studies")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deleted_studies_purge_time", "deleted_studies", ["purge_time"], unique=False)
    op.create_index("ix_deleted_studies_delete_time", "deleted_studies", ["delete_time"], unique=False)
