"""Read a study's curves for the model that predicts their ends."""

from __future__ import annotations

import numpy as np

from dodona_server.curve_model.curves import Progress, Table, goes_on, rungs_of
from dodona_server.domain.trials.trial import TrialState
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.trials import curves
from dodona_server.storage.trials.curves import Span

_RUNNING = {TrialState.REQUESTED, TrialState.ACTIVE}


def read_table(transaction: Transaction, study_key: int) -> Table | None:
    """Return the latest curves at the positions at which they are compared; None if there are none.

    It reads no more than these positions, however many measurements a curve has.
    """
    spans = curves.spans(transaction, study_key)
    if not spans:
        return None
    progress = [_progress(span) for span in spans]
    longest = max(spans, key=lambda span: (span.last, -span.number))

    def following(position: float) -> float | None:
        return curves.following(transaction, study_key, longest.number, position)

    is_open = goes_on([span.last for span in spans], progress)
    rungs = rungs_of(longest.first, longest.last, following, is_open=is_open)
    bests = np.full((len(spans), len(rungs)), np.nan)
    rows = {span.number: row for row, span in enumerate(spans)}
    for column, rung in enumerate(rungs):
        for number, best in curves.bests_until(transaction, study_key, float(rung)):
            row = rows.get(number)
            if row is not None and (rung <= spans[row].last or progress[row] is Progress.ENDED):
                bests[row, column] = best
    return Table([span.number for span in spans], rungs, bests, progress)


def _progress(span: Span) -> Progress:
    if span.state in _RUNNING:
        return Progress.RUNNING
    # What an infeasible trial would have become is as unknown as what a stopped one would.
    return Progress.ENDED if span.has_result else Progress.STOPPED
