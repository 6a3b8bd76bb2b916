"""Files that belong to trials."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False),
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("blob", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("create_time", sa.Double(), nullable=False),
        sa.Column("discard_time", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_artifacts")),
    )
    op.create_index(
        "uq_artifacts_name",
        "artifacts",
        ["study_key", "number", "name"],
        unique=True,
        sqlite_where=sa.text("discard_time IS NULL"),
        postgresql_where=sa.text("discard_time IS NULL"),
    )
    op.create_index(
        "ix_artifacts_discard_time",
        "artifacts",
        ["discard_time"],
        unique=False,
        sqlite_where=sa.text("discard_time IS NOT NULL"),
        postgresql_where=sa.text("discard_time IS NOT NULL"),
    )
