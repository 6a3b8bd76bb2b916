"""Tables. Times are seconds since the epoch; structured values are JSON text, written by `codec`."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

studies = sa.Table(
    "studies",
    metadata,
    sa.Column("key", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("location", sa.String, nullable=False),
    sa.Column("study_id", sa.String, nullable=False),
    sa.Column("display_name", sa.String, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("inactive_reason", sa.Text, nullable=False),
    sa.Column("create_time", sa.Double, nullable=False),
    # A counter, not COUNT: a number is never used twice, even after a trial was deleted.
    sa.Column("next_trial_number", sa.BigInteger, nullable=False),
    sa.Column("trial_count", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    # Clients' own data, a map of strings.
    sa.Column("metadata", sa.Text, nullable=False),
    # How many suggestions the algorithm has made, and how often it failed since the last one.
    sa.Column("position", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("algorithm_failures", sa.BigInteger, nullable=False, server_default="0"),
    # The measures for budgets; kept up to date for studies whose budget needs them.
    sa.Column("finished_trials", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("failed_trials", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("best_objective", sa.Double),
    sa.Column("best_time", sa.Double),
    sa.Column("trials_since_best", sa.BigInteger, nullable=False, server_default="0"),
    # When a time budget may be used up; null if there is none.
    sa.Column("check_time", sa.Double),
    # Whether a rule of its spec stops trials, so that reports to other studies need not read the spec.
    sa.Column("stops_trials", sa.Boolean, nullable=False, server_default=sa.false()),
    # When it was archived; null if it is not.
    sa.Column("archive_time", sa.Double),
    # How many workers people want; null leaves it to those who start workers.
    sa.Column("wanted_workers", sa.BigInteger),
    # The display name and the spec before people changed them: scripts that create the study again still name these.
    sa.Column("created_name", sa.String),
    sa.Column("created_spec", sa.Text),
    sa.UniqueConstraint("project", "location", "study_id"),
    sa.UniqueConstraint("project", "location", "display_name"),
)

# The project of deleted studies that are not cleared yet. No project can have this name.
REMOVED = ""
# The project of deleted studies that can be restored; `deleted_studies` has their names.
HELD = ":"
shown = sa.and_(studies.c.project != REMOVED, studies.c.project != HELD)
timed = studies.c.check_time.is_not(None)
sa.Index("ix_studies_check_time", studies.c.check_time, sqlite_where=timed, postgresql_where=timed)

deleted_studies = sa.Table(
    "deleted_studies",
    metadata,
    sa.Column("study_key", sa.BigInteger, sa.ForeignKey("studies.key"), primary_key=True),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("location", sa.String, nullable=False),
    sa.Column("study_id", sa.String, nullable=False),
    sa.Column("display_name", sa.String, nullable=False),
    sa.Column("delete_time", sa.Double, nullable=False),
    # From when on the study cannot be restored.
    sa.Column("purge_time", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)
sa.Index("ix_deleted_studies_purge_time", deleted_studies.c.purge_time)
sa.Index("ix_deleted_studies_delete_time", deleted_studies.c.delete_time)

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("study_key", sa.BigInteger, sa.ForeignKey("studies.key"), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("client_id", sa.String, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("create_time", sa.Double, nullable=False),
    sa.Column("start_time", sa.Double),
    sa.Column("end_time", sa.Double),
    sa.Column("objective", sa.Double),
    sa.Column("final_measurement", sa.Text),
    sa.Column("infeasible_reason", sa.Text, nullable=False),
    sa.Column("metadata", sa.Text, nullable=False),
    # A lease expires by the database's clock; without one a trial stays with its client forever.
    sa.Column("lease_seconds", sa.Double),
    sa.Column("lease_expiry", sa.Double),
    # How many attempts ended with a lost worker, and its client id, because it may turn out to be alive.
    sa.Column("lost_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lost_client_id", sa.String, nullable=False, server_default=""),
    sa.Column("checkpoint", sa.Text, nullable=False, server_default=""),
    # The objective of a trial that was stopped early; such a trial has no `objective`.
    sa.Column("partial_objective", sa.Double),
    sa.PrimaryKeyConstraint("study_key", "number"),
    sqlite_with_rowid=False,
)

# Running and queued trials: a handful of rows, however many trials are finished.
unfinished = trials.c.end_time.is_(None)
sa.Index(
    "ix_trials_unfinished",
    trials.c.study_key,
    trials.c.state,
    trials.c.client_id,
    trials.c.number,
    # Always null; with it the index covers SQLite's query, and without statistics SQLite uses it only then.
    trials.c.end_time,
    sqlite_where=unfinished,
    postgresql_where=unfinished,
)

leased = trials.c.lease_expiry.is_not(None)
sa.Index("ix_trials_lease_expiry", trials.c.lease_expiry, sqlite_where=leased, postgresql_where=leased)

# The ranking; the objective of a trial that did not succeed, or was stopped early, is null.
ranked = trials.c.objective.is_not(None)
sa.Index(
    "ix_trials_objective",
    trials.c.study_key,
    trials.c.objective,
    trials.c.number,
    sqlite_where=ranked,
    postgresql_where=ranked,
)
# The ranking of the trials that were stopped early.
ranked_partially = trials.c.partial_objective.is_not(None)
sa.Index(
    "ix_trials_partial_objective",
    trials.c.study_key,
    trials.c.partial_objective,
    trials.c.number,
    sqlite_where=ranked_partially,
    postgresql_where=ranked_partially,
)

# Trials that failed, which may be few among many.
infeasible = trials.c.state == sa.literal_column("'INFEASIBLE'")
sa.Index(
    "ix_trials_infeasible",
    trials.c.study_key,
    trials.c.number,
    # Always the same; with it the index covers SQLite's query.
    trials.c.state,
    sqlite_where=infeasible,
    postgresql_where=infeasible,
)

measurements = sa.Table(
    "measurements",
    metadata,
    sa.Column("study_key", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("step", sa.BigInteger, nullable=False),
    # Distinguishes measurements without steps: 0 if there are steps, otherwise milliseconds.
    sa.Column("tick", sa.BigInteger, nullable=False),
    sa.Column("elapsed_seconds", sa.Double, nullable=False),
    sa.Column("metrics", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("study_key", "number", "attempt", "step", "tick"),
    sa.ForeignKeyConstraint(["study_key", "number"], ["trials.study_key", "trials.number"]),
    sqlite_with_rowid=False,
)

# Trials' curves, for studies with a rule that stops trials. The positions of a trial only grow.
curves = sa.Table(
    "curves",
    metadata,
    sa.Column("study_key", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    # A step, or seconds.
    sa.Column("position", sa.Double, nullable=False),
    # The objective so far, negated if it is minimized: the best, the mean, and how many measurements there were.
    sa.Column("best", sa.Double, nullable=False),
    sa.Column("mean", sa.Double, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    # Whether it is the trial's first row.
    sa.Column("is_first", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint("study_key", "number", "position"),
    sa.ForeignKeyConstraint(["study_key", "number"], ["trials.study_key", "trials.number"]),
    sqlite_with_rowid=False,
)
is_first = curves.c.is_first == sa.true()
# The trials with a curve.
sa.Index(
    "ix_curves_is_first",
    curves.c.study_key,
    curves.c.number,
    # Always true; with it the index covers SQLite's query.
    curves.c.is_first,
    sqlite_where=is_first,
    postgresql_where=is_first,
)
sa.Index("ix_curves_best", curves.c.study_key, curves.c.best)

# The clients that have asked a study for trials.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("study_key", sa.BigInteger, sa.ForeignKey("studies.key"), nullable=False),
    sa.Column("client_id", sa.String, nullable=False),
    sa.Column("first_time", sa.Double, nullable=False),
    # When it last asked for a trial; its reports and heartbeats renew the leases of its trials.
    sa.Column("seen_time", sa.Double, nullable=False),
    sa.Column("agent", sa.String, nullable=False, server_default=""),
    # Whether it is asked to stop, and whether it has learned that.
    sa.Column("stop", sa.String, nullable=False, server_default=""),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),
    # Its trials that have ended, and the total duration of its attempts.
    sa.Column("finished", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("busy_seconds", sa.Double, nullable=False, server_default="0"),
    # 0 if it has none, or has not told.
    sa.Column("gpus", sa.Double, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("study_key", "client_id"),
    sqlite_with_rowid=False,
)

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("operation_id", sa.String, primary_key=True),
    sa.Column("study_key", sa.BigInteger, sa.ForeignKey("studies.key"), nullable=False),
    sa.Column("client_id", sa.String, nullable=False),
    sa.Column("trial_numbers", sa.Text, nullable=False),
    sa.Column("study_state", sa.String, nullable=False),
    sa.Column("create_time", sa.Double, nullable=False),
    sa.Column("suggestion_count", sa.Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
sa.Index("ix_operations_study_key", operations.c.study_key, operations.c.operation_id)

events = sa.Table(
    "events",
    metadata,
    sa.Column("key", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
    sa.Column("study_key", sa.BigInteger, sa.ForeignKey("studies.key"), nullable=False),
    # Set when the event is first read, because concurrent transactions do not end in the order of their keys.
    sa.Column("number", sa.BigInteger),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("trial_number", sa.BigInteger),
    sa.Column("detail", sa.Text, nullable=False),
    # Who caused it, as text; empty in events of older servers.
    sa.Column("actor", sa.String, nullable=False, server_default=""),
)
numbered = events.c.number.is_not(None)
unnumbered = events.c.number.is_(None)
# Covers all events, so that deleting a study finds its own; null numbers are distinct.
sa.Index("uq_events_number", events.c.study_key, events.c.number, unique=True)

# Done requests, by the ids that clients gave them.
requests = sa.Table(
    "requests",
    metadata,
    # An id is unique in the study, or for calls that outlive it in the location: 0, or empty for a study.
    sa.Column("study_key", sa.BigInteger, nullable=False),
    sa.Column("location", sa.String, nullable=False),
    sa.Column("request_id", sa.String, nullable=False),
    # The call: an id stands for one call of one resource.
    sa.Column("call", sa.Text, nullable=False),
    # What the call made, as "operations/..." or "trials/..."; empty if the answer is the resource of the call.
    sa.Column("result", sa.String, nullable=False),
    # When the id may be forgotten; null if it is kept as long as its study.
    sa.Column("forget_time", sa.Double),
    sa.PrimaryKeyConstraint("study_key", "location", "request_id"),
    sqlite_with_rowid=False,
)
forgotten = requests.c.forget_time.is_not(None)
sa.Index("ix_requests_forget_time", requests.c.forget_time, sqlite_where=forgotten, postgresql_where=forgotten)

# Files that belong to trials; a row for each blob that exists or may exist. There is no reference to the trial, because
# a blob is deleted after it.
artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("key", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
    sa.Column("study_key", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("blob", sa.String, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String, nullable=False),
    sa.Column("create_time", sa.Double, nullable=False),
    # When the blob may be deleted: it was replaced or deleted, or its upload never ended. Null for an artifact.
    sa.Column("discard_time", sa.Double),
)
kept = artifacts.c.discard_time.is_(None)
sa.Index(
    "uq_artifacts_name",
    artifacts.c.study_key,
    artifacts.c.number,
    artifacts.c.name,
    unique=True,
    sqlite_where=kept,
    postgresql_where=kept,
)
discarded = artifacts.c.discard_time.is_not(None)
sa.Index("ix_artifacts_discard_time", artifacts.c.discard_time, sqlite_where=discarded, postgresql_where=discarded)
