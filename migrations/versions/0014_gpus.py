"""How many GPUs a worker has, for budgets of compute time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("gpus", sa.Double(), nullable=False, server_default="0"))
