"""Points computed ahead are no longer kept: a server computes them again in less time than they are worth."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("suggestions")
