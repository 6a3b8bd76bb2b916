"""One table of request ids, with a reference to the result; who caused an event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Ids of created trials are kept as long as their study, others for a day.
_CREATED = """
    INSERT INTO requests (study_key, location, request_id, call, result, forget_time)
    SELECT trials.study_key, '', trials.request_id,
           'create a trial in projects/' || studies.project || '/locations/' || studies.location || '/studies/'
           || studies.study_id, 'trials/' || CAST(trials.number AS TEXT), NULL
    FROM trials JOIN studies ON studies.key = trials.study_key
    WHERE trials.request_id IS NOT NULL
"""
_SUGGESTED = """
    INSERT INTO requests (study_key, location, request_id, call, result, forget_time)
    SELECT operations.study_key, '', operations.request_id,
           'suggest projects/' || studies.project || '/locations/' || studies.location || '/studies/'
           || studies.study_id, 'operations/' || operations.operation_id, operations.create_time + 86400
    FROM operations JOIN studies ON studies.key = operations.study_key
    WHERE operations.request_id IS NOT NULL
    ON CONFLICT DO NOTHING
"""
# Those of calls to a study that exists belong to it. The deletion of a study is one of its location.
_OTHERS = """
    INSERT INTO requests (study_key, location, request_id, call, result, forget_time)
    SELECT COALESCE(studies.key, 0),
           CASE WHEN studies.key IS NULL THEN old_requests.project || '/' || old_requests.location ELSE '' END,
           old_requests.request_id, old_requests.call, '', old_requests.create_time + 86400
    FROM old_requests LEFT JOIN studies
        ON studies.project = old_requests.project AND studies.location = old_requests.location
        AND studies.study_id = {study_id}
        AND old_requests.call <> 'delete projects/' || old_requests.project || '/locations/' || old_requests.location
            || '/studies/' || studies.study_id
    WHERE TRUE
    ON CONFLICT DO NOTHING
"""
# The part of a call between "/studies/" and the next "/"; empty if it names no study.
_STUDY_ID = {
    "postgresql": "split_part(split_part(old_requests.call, '/studies/', 2), '/', 1)",
    "sqlite": """
        CASE WHEN instr(old_requests.call, '/studies/') > 0 THEN substr(
            substr(old_requests.call, instr(old_requests.call, '/studies/') + 9), 1,
            instr(substr(old_requests.call, instr(old_requests.call, '/studies/') + 9) || '/', '/') - 1
        ) ELSE '' END
    """,
}


def upgrade() -> None:
    op.add_column("events", sa.Column("actor", sa.String(), nullable=False, server_default=""))
    op.execute("CREATE TABLE old_requests AS SELECT * FROM requests")
    op.drop_table("requests")
    op.create_table(
        "requests",
        sa.Column("study_key", sa.BigInteger(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("forget_time", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("study_key", "location", "request_id", name=op.f("pk_requests")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_requests_forget_time",
        "requests",
        ["forget_time"],
        unique=False,
        sqlite_where=sa.text("forget_time IS NOT NULL"),
        postgresql_where=sa.text("forget_time IS NOT NULL"),
    )
    op.execute(_CREATED)
    op.execute(_SUGGESTED)
    op.execute(_OTHERS.format(study_id=_STUDY_ID[op.get_bind().dialect.name]))
    op.drop_table("old_requests")
    for table in ("trials", "operations"):
        op.drop_index(f"uq_{table}_request_id", table_name=table)
        op.drop_column(table, "request_id")
