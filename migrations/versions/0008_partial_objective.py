"""A ranking of the trials that were stopped early, apart from the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_STOPPED = """
    UPDATE trials SET partial_objective = objective, objective = NULL
    WHERE objective IS NOT NULL AND (study_key, number) IN (
        SELECT study_key, trial_number FROM events WHERE kind = 'TRIAL_STOPPING'
    )
"""


def upgrade() -> None:
    op.add_column("trials", sa.Column("partial_objective", sa.Double(), nullable=True))
    op.execute(_STOPPED)
    op.create_index(
        "ix_trials_partial_objective",
        "trials",
        ["study_key", "partial_objective", "number"],
        unique=False,
        sqlite_where=sa.text("partial_objective IS NOT NULL"),
        postgresql_where=sa.text("partial_objective IS NOT NULL"),
    )
