"""A trial as a row of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import TrialName
from dodona_server.domain.trials.trial import Lease, Measurement, Trial, TrialState
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.clock import database_now
from dodona_server.storage.named import named
from dodona_server.storage.tables.core import trials

_NOT_SHOWN = ("study_key", "objective")
COLUMNS = [
    *(column for column in trials.c if column.key not in _NOT_SHOWN),
    (trials.c.lease_expiry - database_now()).label("lease_left"),
]
TRIALS = sa.select(*COLUMNS)
# The columns for tables of many trials: all but the metadata.
BRIEF = sa.select(*(column for column in COLUMNS if column.key != "metadata"))
# Characters of metadata that pages read.
SHORT_METADATA = 4096
_SHORT = sa.case((sa.func.length(trials.c.metadata) <= SHORT_METADATA, trials.c.metadata), else_="{}")
# The columns for pages, which show the start of the metadata.
NOTED = BRIEF.add_columns(_SHORT.label("metadata"))
# The columns of unlimited length: those read with a trial, and those in a table of many.
TEXTS = (trials.c.parameters, trials.c.final_measurement, trials.c.infeasible_reason, trials.c.checkpoint)
ALL_TEXTS = (*TEXTS, trials.c.metadata)
IN_STUDY = trials.c.study_key == bindparam("of_study")
THIS = (IN_STUDY, trials.c.number == bindparam("trial_number"))


def trial_key(study_key: int, number: int) -> dict[str, Any]:
    """Return the parameters of `THIS`."""
    return {"of_study": study_key, "trial_number": number}


def by_name(name: TrialName) -> dict[str, Any]:
    """Return the parameters of `named.OF_NAMED_STUDY`, and the trial's number."""
    return {**named(name.study), "trial_number": name.number}


def read_trial(row: Mapping[Any, Any], measured: Iterable[Measurement] | None = None) -> Trial:
    """Return the trial in a row of `COLUMNS` or of `BRIEF`."""
    return Trial(
        number=row["number"],
        state=TrialState(row["state"]),
        parameters=codec.load_parameters(row["parameters"]),
        client_id=row["client_id"],
        attempt=row["attempt"],
        create_time=row["create_time"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        final_measurement=codec.load_final(row["final_measurement"]),
        infeasible_reason=row["infeasible_reason"],
        metadata=codec.load_metadata(row.get("metadata", "{}")),
        measurements=None if measured is None else list(measured),
        lease=_lease(row),
        lost_attempts=row["lost_attempts"],
        lost_client_id=row["lost_client_id"],
        checkpoint=row["checkpoint"],
        stopped=row["partial_objective"] is not None or row["state"] == TrialState.STOPPING.value,
    )


def _lease(row: Mapping[Any, Any]) -> Lease | None:
    if row["lease_expiry"] is None:
        return None
    return Lease(row["lease_seconds"], row["lease_expiry"], row["lease_left"])
