"""Suggestions computed in advance are no longer stored: a server recomputes them faster than it would read them."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("suggestions")
