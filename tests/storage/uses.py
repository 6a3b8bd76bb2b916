"""Uses of the store: what the calls of workers do, and what the lists and pages read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from dodona_server.domain.artifact import Artifact
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import TrialName
from dodona_server.domain.studies.study import Goal, Metric, Study, StudyState
from dodona_server.domain.studies.study_list import StudyFilter
from dodona_server.domain.trials.curve import CurvePoint, first_point
from dodona_server.domain.trials.listing import Among, Listing, Order
from dodona_server.domain.trials.trial import Lease, Measurement, RankingPosition, Trial, TrialState
from dodona_server.domain.worker import StopOrder
from dodona_server.storage import events, operations, requests, workers
from dodona_server.storage.artifacts import artifacts
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.studies import deleted_studies, removal, studies, study_list
from dodona_server.storage.trials import (
    available,
    curves,
    ended_curves,
    leases,
    listing,
    measurements,
    ranking,
    sampled,
    trials,
)
from tests.storage.crowded import LEASED, QUEUED, RUNNING, SPEC, THEN, TRIALS

MIDDLE = RankingPosition(0.5, 501)
RESULT = Measurement({"loss": 0.5}, 3, 1.5)
RUN = Trial(RUNNING, TrialState.ACTIVE, {"x": 0.5}, "worker-1", attempt=1, lease=Lease(60.0))
ENDED = dataclasses.replace(RUN, state=TrialState.SUCCEEDED, end_time=THEN, final_measurement=RESULT)
OPERATION = SuggestOperation("f" * 32, "worker-1", [1], StudyState.ACTIVE, THEN)
DONE = requests.Done("report", "")
POINT = CurvePoint(3.0, 0.5, 0.25, 3)
FILE = Artifact(RUNNING, "model.h5", "blob", 1, 9, "00", THEN)
Use = Callable[[Transaction, Study], Any]


def maximized(study: Study) -> Study:
    spec = dataclasses.replace(SPEC, metrics=(Metric("loss", Goal.MAXIMIZE),))
    return dataclasses.replace(study, spec=spec)


def expect(count: int, found: Sequence[object]) -> None:
    assert len(found) == count


# What the calls of workers do, and what the lists and pages read.
USES: dict[str, Use] = {
    "study": lambda t, s: studies.find(t, s.name, lock=True),
    "study, ahead": lambda t, s: studies.find_ahead(t, s.name)(),
    "study by display name": lambda t, s: studies.find_displayed(t, s.name.parent, s.display_name),
    "studies": lambda t, s: studies.page(t, s.name.parent, 500, 10),
    "list of studies": lambda t, s: study_list.page(t, StudyFilter(), 0, 50),
    "spec": lambda t, s: studies.find_spec(t, s.key),
    "studies due": lambda t, s: studies.due(t, THEN, 20),
    "any removed": lambda t, s: removal.any_removed(t),
    "deleted studies": lambda t, s: deleted_studies.of_location(t, s.name.parent),
    "deleted studies to purge": lambda t, s: deleted_studies.overdue(t, THEN, 20),
    "restore": lambda t, s: (
        deleted_studies.hold(t, s, THEN, THEN),
        deleted_studies.bring_back(t, deleted_studies.find(t, s.name.parent, s.key), s.name, s.display_name),
    ),
    "count trials": lambda t, s: studies.add_trials(t, s, 1, 1),
    "available": lambda t, s: available.find(t, s.name, "worker-1"),
    "own": lambda t, s: trials.unfinished_trials(t, s, TrialState.ACTIVE, "worker-1", 5),
    "queued": lambda t, s: trials.unfinished_trials(t, s, TrialState.REQUESTED, "", 5),
    "run elsewhere": lambda t, s: leases.run_elsewhere(t, s, "worker-1"),
    "heard": lambda t, s: leases.heard(t, s.key),
    "last event": lambda t, s: events.last_key(t),
    "projects of later events": lambda t, s: events.projects_after(t, events.last_key(t) - 5, 1000),
    "unfinished, for figures": lambda t, s: sampled.unfinished_numbers(t, s, 200),
    "leases run out": lambda t, s: leases.run_out(t, 100),
    "leases run out, looked at": lambda t, s: leases.run_out(t, 100, lock=False),
    "begin anew": lambda t, s: leases.begin_anew(t),
    "any unfinished": lambda t, s: trials.any_unfinished(t, s),
    "any queued": lambda t, s: trials.any_queued(t, s),
    "pending": lambda t, s: trials.pending(t, s),
    "trial": lambda t, s: trials.find(t, s, RUNNING, lock=True),
    "trial by name": lambda t, s: trials.find_named(t, TrialName(s.name, RUNNING)),
    "trials by number": lambda t, s: trials.find_numbered(t, s.key, [1, 500, 40_000]),
    "insert": lambda t, s: trials.insert(t, s, [dataclasses.replace(RUN, number=TRIALS + 99)], lease_seconds=60.0),
    "assign": lambda t, s: leases.assign(t, s.key, RUN),
    "extend lease": lambda t, s: leases.extend_lease(t, s.key, dataclasses.replace(RUN, number=LEASED)),
    "requeue": lambda t, s: leases.requeue(t, s.key, RUN),
    "reclaim": lambda t, s: leases.reclaim(t, s.key, dataclasses.replace(RUN, number=QUEUED)),
    "checkpoint": lambda t, s: trials.set_checkpoint(t, s.key, dataclasses.replace(RUN, checkpoint="there")),
    "stop": lambda t, s: trials.set_stopping(t, s.key, dataclasses.replace(RUN, state=TrialState.STOPPING)),
    "worker seen": lambda t, s: workers.seen(t, s.key, "worker-1", "", 1.0, StopOrder.NOW, THEN),
    "compute": lambda t, s: workers.compute_seconds(t, s, THEN),
    "worker counted": lambda t, s: workers.count(t, s.key, "worker-1", TrialState.SUCCEEDED, 1.0),
    "workers": lambda t, s: workers.listed(t, None, s, 0.0, 0, 20),
    "unfinished numbers": lambda t, s: trials.unfinished_numbers(t, s, TrialState.ACTIVE, "worker-1", 3),
    "running": lambda t, s: trials.running(t, s),
    "parameters": lambda t, s: trials.set_parameters(t, s.key, trials.find(t, s, QUEUED)),
    "metadata": lambda t, s: trials.set_metadata(t, s.key, RUNNING, {"a": "b"}),
    "finish": lambda t, s: trials.finish(t, s, ENDED),
    "delete": lambda t, s: trials.delete(t, s, 500),
    "measure": lambda t, s: measurements.measure(t, s.key, RUNNING, 1, RESULT),
    "measured": lambda t, s: measurements.measured(t, s.key, dataclasses.replace(RUN, number=500)),
    "last steps": lambda t, s: measurements.last_steps(t, s.key, [500, 40_000]),
    "thin": lambda t, s: measurements.thin(t, s.key, dataclasses.replace(RUN, number=500), 2),
    "curve": lambda t, s: curves.last(t, s.key, 500),
    "first of a curve": lambda t, s: curves.put(t, s.key, RUNNING, None, first_point(1.0, 0.5)),
    "again in a curve": lambda t, s: curves.put(t, s.key, 500, POINT, POINT.after(2.0, 0.5)),
    "best at": lambda t, s: curves.best_at(t, s.key, 500, 2.0),
    "bests at": lambda t, s: expect(curves.COMPARED, curves.bests_at(t, s.key, TRIALS, 3.0)),
    "bests where nobody was": lambda t, s: expect(0, curves.bests_at(t, s.key, RUNNING, 99.0)),
    "means at": lambda t, s: expect(231, curves.means_at(t, s.key, TRIALS, 3.0)),
    "means where nobody was": lambda t, s: expect(0, curves.means_at(t, s.key, RUNNING, 99.0)),
    "spans of curves": lambda t, s: expect(curves.COMPARED, curves.spans(t, s.key)),
    "following in a curve": lambda t, s: curves.following(t, s.key, 500, 2.0),
    "bests until": lambda t, s: expect(curves.COMPARED, curves.bests_until(t, s.key, 3.0)),
    "any better": lambda t, s: curves.any_better(t, s.key, 0.5),
    "curves of completed trials": lambda t, s: ended_curves.completed(t, s.key, Goal.MINIMIZE, 6),
    "values of completed trials": lambda t, s: ended_curves.values_at(t, s, [0.5, 1.0, 2.0, 3.0]),
    "curves of stopped trials": lambda t, s: expect(ended_curves.BEST_STOPPED, ended_curves.stopped(t, s)),
    "predicted": lambda t, s: trials.set_predicted(t, s, 3, RESULT),
    "page of the succeeded": lambda t, s: next(ranking.succeeded(t, s)),
    "best": lambda t, s: ranking.best(t, s),
    "best, maximized": lambda t, s: ranking.best(t, maximized(s)),
    "first page of the ranking": lambda t, s: ranking.ranking(t, s, None, 20),
    "page of the ranking": lambda t, s: ranking.ranking(t, s, MIDDLE, 20),
    "page of the ranking, maximized": lambda t, s: ranking.ranking(t, maximized(s), MIDDLE, 20),
    "first page": lambda t, s: trials.page(t, s, 0, 20),
    "page": lambda t, s: trials.page(t, s, 40_000, 20),
    "page, briefly": lambda t, s: trials.page_briefly(t, s, 40_000, 20),
    "numbered": lambda t, s: trials.numbered(t, s.key, [1, 500, 40_000]),
    "trial, briefly": lambda t, s: trials.find_brief(t, s, RUNNING),
    "first listed of the ranking": lambda t, s: ranking.listed(t, s, None, 20),
    "listed of the ranking": lambda t, s: ranking.listed(t, s, MIDDLE, 20),
    **{
        f"{order} trials, {among}": lambda t, s, order=order, among=among: listing.page(
            t, s, Listing(among, order, 25_000), 20
        )
        for order in (Order.NEWEST, Order.OLDEST)
        for among in Among
    },
    "best trials": lambda t, s: listing.page(t, s, Listing(order=Order.BEST), 20),
    "best trials, maximized": lambda t, s: listing.page(t, maximized(s), Listing(order=Order.BEST), 20),
    "worst trials after": lambda t, s: listing.page(t, s, Listing(order=Order.WORST, after=MIDDLE), 20),
    "results": lambda t, s: ranking.results(t, s, [1, 500, 40_000]),
    "running trials": lambda t, s: expect(20, listing.running(t, s, 20)),
    "shown trials": lambda t, s: listing.numbered(t, s, [1, 500, 40_000]),
    "failures": lambda t, s: expect(500, listing.failures(t, s, 500)),
    "last measurement": lambda t, s: measurements.last(t, s.key, 500),
    "sample of measurements": lambda t, s: measurements.sample(t, s.key, 500, 3, 60),
    "sizes of measurements": lambda t, s: measurements.fitting(t, s.key, [500, 40_000]),
    "finished": lambda t, s: trials.finished(t, s, 40_000, 20),
    "operation of a study": lambda t, s: operations.find_in_study(t, s.key, "nonesuch"),
    "operation": lambda t, s: operations.find(t, "p", "l", "x"),
    "operations": lambda t, s: operations.page(t, "p", "l", None, "", 20),
    "operations of a study": lambda t, s: operations.page(t, "p", "l", s.name.study_id, "", 20),
    "insert operation": lambda t, s: operations.insert(t, s.key, OPERATION),
    "delete operation": lambda t, s: operations.delete(t, "x"),
    "new request": lambda t, s: requests.insert(t, s.key, "another", DONE, THEN),
    "request done": lambda t, s: requests.find(t, s.key, "r500"),
    "request of a study by name": lambda t, s: requests.find_ahead(t, s.name, "r500")(),
    "request of a location": lambda t, s: requests.find(t, s.name.parent, "r500"),
    "request done again": lambda t, s: requests.set_result(t, s.key, "r500", "trials/5"),
    "count unfinished": lambda t, s: trials.count_unfinished(t, s),
    "parameters from": lambda t, s: trials.parameters_from(t, s, s.next_trial_number - 3, 10),
    "append event": lambda t, s: events.append(t, s.key, [Event(EventKind.TRIAL_ACTIVE, THEN, 1)]),
    "number events": lambda t, s: events.number(t, s),
    "events": lambda t, s: events.page(t, s.key, 40_000, 20),
    "newest events": lambda t, s: events.newest(t, [s.key]),
    "artifacts of a trial": lambda t, s: artifacts.of_trial(t, s.key, 500),
    "count artifacts": lambda t, s: artifacts.count(t, s.key, 500),
    "artifact": lambda t, s: artifacts.find(t, s.key, 500, "model.h5", lock=True),
    "artifacts of a study": lambda t, s: artifacts.page(t, s.key, (40_000, "model.h5"), 20),
    "reserve artifact": lambda t, s: artifacts.reserve(t, s.key, FILE, THEN),
    "keep artifact": lambda t, s: artifacts.keep(t, dataclasses.replace(FILE, key=10 * TRIALS)),
    "discard artifact": lambda t, s: artifacts.discard(t, dataclasses.replace(FILE, key=500), THEN),
    "discard artifacts of a trial": lambda t, s: artifacts.discard_of_trial(t, s.key, 500, THEN),
    "discard artifacts of a study": lambda t, s: artifacts.discard_of_study(t, s.key, 100),
    "discarded blobs": lambda t, s: artifacts.discarded_blobs(t, THEN, 100),
    "forget blobs": lambda t, s: artifacts.forget(t, [500]),
    "purge requests": lambda t, s: requests.purge(t, THEN + 1000, 100),
    "purge operations": lambda t, s: operations.purge(t, operations.oldest_id(THEN + 1000), 100),
    "clear removed": lambda t, s: removal.clear_removed(t, 100),
}
