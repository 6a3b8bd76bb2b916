"""An index of the infeasible trials, for lists of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_trials_infeasible",
        "trials",
        ["study_key", "number", "state"],
        unique=False,
        sqlite_where=sa.text("state = 'INFEASIBLE'"),
        postgresql_where=sa.text("state = 'INFEASIBLE'"),
    )
