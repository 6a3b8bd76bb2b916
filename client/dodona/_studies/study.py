"""Studies: a search over one space, shared by any number of workers."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import quote, urlencode

from dodona._artifacts import Artifact, Artifacts, artifact_of
from dodona._codec import TUNER_PREFIX, decode, encode, names_in, space_of, specs_of
from dodona._errors import Aborted, StudyCompleted, named_problems
from dodona._notes import Notes
from dodona._space import Parameter, Space, Value
from dodona._studies.asking import Asking
from dodona._studies.explanation import Explanation, explanation_of
from dodona._studies.plotting import Figures
from dodona._studies.prior_studies import PriorStudy, prior_study_of
from dodona._studies.steering import Steering
from dodona._studies.table import columns_of
from dodona._trials.record import Metrics, TrialRecord, measurement_of, record_of
from dodona._trials.session import Session
from dodona._trials.trial import Trial
from dodona._values import MAX_INT32, whole
from dodona._workers import Workers
from dodona_schemas import vertex
from dodona_schemas.artifacts import ListArtifactsResponse
from dodona_schemas.vertex import GoalType, StudyState, TrialState

if TYPE_CHECKING:
    from pandas import DataFrame

    from dodona_figures import Study as FiguredStudy

logger = logging.getLogger("dodona")

Goal: TypeAlias = Literal["minimize", "maximize"]


class Study(Figures, Steering, Notes, Workers, Asking):
    """A study on the server; created by `Client`.

    The attributes show the study as last fetched; `refresh` fetches it again. May be used by many threads at once, and
    sent to other processes (pickle, joblib). There it connects to the same server with its own worker id.
    """

    def __init__(self, session: Session, wire: vertex.Study) -> None:
        self._session = session
        self._transport = session.transport
        self._followed = {}
        self._learn(wire)

    def __reduce__(self) -> tuple[Any, ...]:
        # The other process opens its own client of the same server; active trials stay here.
        return self._session.open_study, (self._wire,)

    def __repr__(self) -> str:
        return f"<Study {self.display_name!r} {self.state}>"

    def _learn(self, wire: vertex.Study) -> None:
        self._wire = wire
        self._space = space_of(wire.study_spec.parameters)
        self._parameter_names = names_in(self._space)

    @property
    def name(self) -> str:
        """Full name of the resource: "projects/p/locations/l/studies/s"."""
        return self._wire.name or ""

    @property
    def id(self) -> str:
        """Last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def display_name(self) -> str:
        """Display name of the study."""
        return self._wire.display_name

    @property
    def state(self) -> str:
        """ACTIVE; INACTIVE while it is paused; COMPLETED when no trial is left to hand out."""
        return (self._wire.state or StudyState.STATE_UNSPECIFIED).name

    @property
    def create_time(self) -> datetime | None:
        """Time when the study was created, by the server's clock; a recreated study of the same name has another."""
        return self._wire.create_time

    @property
    def wire(self) -> vertex.Study:
        """Study as last fetched, in the protocol's form."""
        return self._wire

    @property
    def spec(self) -> vertex.StudySpec:
        """Spec of the study, in the protocol's form."""
        return self._wire.study_spec

    @property
    def metadata(self) -> dict[str, str]:
        """Further entries that are stored with the study."""
        return dict(self._wire.metadata)

    @property
    def space(self) -> dict[str, Parameter]:
        """Search space."""
        return dict(self._space)

    @property
    def metrics(self) -> dict[str, Goal]:
        """Goal of each metric, the objective first."""
        return {
            metric.metric_id: "minimize" if metric.goal is GoalType.MINIMIZE else "maximize"
            for metric in self.spec.metrics
        }

    @property
    def prior_studies(self) -> list[PriorStudy]:
        """Earlier studies that it learns from and how much each counts, fetched now."""
        if not self.spec.prior_studies:
            return []
        self.refresh()
        return [prior_study_of(wire) for wire in self._wire.prior_studies or ()]

    def refresh(self) -> None:
        """Fetch the study again.

        Raises:
            DodonaError: ServerUnreachable, or an ApiError such as NotFound, as for every method that calls the server.
        """
        self._learn(self._transport.call("GET", self._path, None, vertex.Study))

    def optimize(self, objective: Callable[[Trial], Metrics | None], n_trials: int | None = None) -> None:
        """Run trials until the study is completed.

        Args:
            objective: runs a trial and returns its result; None if it reported or completed the trial itself.
                An exception marks the trial infeasible and ends the loop.
            n_trials: how many to run at most; None for no limit but the study's own.

        Raises:
            FailedPrecondition: the study is paused.
            NothingReported: the objective neither returned nor reported a result.
        """
        for done in count() if n_trials is None else range(n_trials):
            try:
                trial = self.ask()
            except StudyCompleted as error:
                if not done:
                    logger.warning("nothing to run: %s", error)
                return
            try:
                with trial:
                    result = objective(trial)
                    if result is not None:
                        trial.complete(result)
            except Aborted as error:
                logger.warning("trial %d was lost, continuing with the next: %s", trial.number, error)

    def add_trial(self, parameters: Mapping[str, Value], metrics: Metrics | None = None) -> TrialRecord:
        """Add a trial with your own values; it is handed out next, or is finished already if it has metrics.

        Args:
            parameters: the values. A missing one gets the parameter's default; without a default, the algorithm chooses
                it when the trial is handed out.
            metrics: the result, if the trial was run elsewhere.

        Raises:
            ValueError: a value is outside its parameter, or its parameter is unknown or not active.
            InvalidArgument: a trial with metrics lacks a parameter, or a child has a value but its parent has none.
            FailedPrecondition: the study has reached its number of trials.
        """
        body = vertex.CreateTrialRequest(parameters=encode(self._space, parameters), request_id=uuid.uuid4().hex)
        if metrics is not None:
            body.state = TrialState.SUCCEEDED
            body.final_measurement = measurement_of(metrics, list(self.metrics))
        return self.create_trial(body)

    def create_trial(self, trial: vertex.CreateTrialRequest) -> TrialRecord:
        """Add a trial in the protocol's form; the same request id again returns the same trial.

        Raises:
            InvalidArgument: a value is outside its parameter, or a parameter or metric is missing.
            FailedPrecondition: the study has reached its number of trials.
        """
        return self._records([self._transport.call("POST", f"{self._path}/trials", trial, vertex.Trial)])[0]

    def add_parameters(self, space: Space | Iterable[vertex.ParameterSpec]) -> None:
        """Add new parameters to the search space, and new children to its parameters.

        Args:
            space: the parameters; it may contain existing ones.

        Raises:
            ValueError: `space` holds something that is not a parameter.
            InvalidArgument: a parameter exists with another range or kind.
        """
        specs = specs_of(space) if isinstance(space, Mapping) else list(space)
        with named_problems():
            body = vertex.AddParametersRequest(parameters=specs, request_id=uuid.uuid4().hex)
        self._learn(self._transport.call("POST", f"{self._path}:addParameters", body, vertex.Study))

    def trial(self, number: int) -> TrialRecord:
        """Return the trial of that number, with its measurements.

        Raises:
            NotFound: there is none.
        """
        return self._records([self._transport.call("GET", self._trial_path(number), None, vertex.Trial)])[0]

    def explain(self, number: int) -> Explanation:
        """Return why the trial of that number was suggested, what was expected of it, and its result.

        Raises:
            NotFound: there is none.
        """
        path = f"{self._trial_path(number)}:explain"
        return explanation_of(self._space, self._transport.call("GET", path, None, vertex.ExplainTrialResponse))

    def trials(self, filter: str | None = None, order_by: str | None = None) -> list[TrialRecord]:  # noqa: A002 - the field's word
        """Return the study's trials, by number unless another order is asked for.

        Args:
            filter: only the trials for which this expression of their columns is true, such as
                `rate < 0.01 and state == "succeeded"`; None for all.
            order_by: the column to sort by, such as "loss" or "loss desc"; None for their numbers.

        Raises:
            InvalidArgument: the expression cannot be understood; the message names the place.
        """
        asked = {"filter": filter, "orderBy": order_by}
        query = urlencode({name: value for name, value in asked.items() if value})
        path = f"{self._path}/trials" + (f"?{query}" if query else "")
        pages = self._transport.pages(path, vertex.ListTrialsResponse)
        return self._records([wire for page in pages for wire in page.trials])

    def trials_page(
        self,
        size: int,
        page: str = "",
        filter: str | None = None,  # noqa: A002 - the field's word
        order_by: str | None = None,
        *,
        measured: bool = False,
    ) -> tuple[list[TrialRecord], str]:
        """Return a page of the study's trials, and the name of the next page; "" after the last one.

        Args:
            size: how many trials a page has at most, from 1 to 1000.
            page: the name of the page; "" for the first.
            filter: see `trials`.
            order_by: see `trials`.
            measured: whether the records have their measurements; without them the call is faster.

        Raises:
            InvalidArgument: the expression cannot be understood, or the page is of another list.
        """
        asked = {"filter": filter, "orderBy": order_by, "pageToken": page, "view": None if measured else "BASIC"}
        query = urlencode({name: value for name, value in asked.items() if value})
        path = f"{self._path}/trials?pageSize={whole(size, 'size', 1, 1000)}&{query}"
        answer = self._transport.call("GET", path, None, vertex.ListTrialsResponse)
        return self._records(answer.trials), answer.next_page_token

    def artifacts(self, number: int, attempt: int | None = None, patience_seconds: float | None = None) -> Artifacts:
        """Return the files that the server keeps with a trial, whichever worker runs it.

        Args:
            number: the trial's number.
            attempt: see `Artifacts`.
            patience_seconds: see `Artifacts`.
        """
        return Artifacts(self._transport, f"{self._path}/trials/{number}", attempt, patience_seconds)

    def all_artifacts(self) -> list[Artifact]:
        """Return the server's records of the files of all trials, by trial and name."""
        pages = self._transport.pages(f"{self._path}/artifacts", ListArtifactsResponse)
        return [artifact_of(wire) for page in pages for wire in page.artifacts]

    def best_trials(self, n: int = 1) -> list[TrialRecord]:
        """Return up to `n` succeeded trials, best first; with several metrics the first one ranks them.

        Trials that were stopped early are left out, unless no other trial has succeeded.

        Raises:
            ValueError: `n` is not a positive integer.
        """
        n = whole(n, "n", 1, MAX_INT32)
        found: list[vertex.Trial] = []
        token = ""
        # A page ends at 1000 trials, or earlier if it is large.
        while len(found) < n:
            path = f"{self._path}/trials?orderBy=objective&pageSize={n - len(found)}"
            path += f"&pageToken={quote(token)}" if token else ""
            page = self._transport.call("GET", path, None, vertex.ListTrialsResponse)
            found += page.trials
            token = page.next_page_token
            if not token:
                break
        return self._records(found)

    @property
    def best_trial(self) -> TrialRecord | None:
        """Best trial, fetched now; None if no trial has succeeded yet."""
        return next(iter(self.best_trials(1)), None)

    def optimal_trials(self) -> list[TrialRecord]:
        """Return the succeeded trials that no other trial beats in every metric: the Pareto front.

        Trials that were stopped early are left out, unless no other trial has succeeded.
        """
        path = f"{self._path}/trials:listOptimalTrials"
        return self._records(self._transport.call("POST", path, None, vertex.ListOptimalTrialsResponse).optimal_trials)

    def to_dataframe(self) -> DataFrame:
        """Return all trials as a pandas.DataFrame, one row each.

        The columns are number, state, stopped, params_<name>, metrics_<name>, worker, attempt, start, end and duration.
        A parameter that was not active in a trial, or a metric that it lacks, is missing there.

        Raises:
            ImportError: pandas is not installed.
        """
        from pandas import DataFrame

        return DataFrame(columns_of(self.trials(), self._parameter_names, list(self.metrics)))

    def _figured(self) -> FiguredStudy:
        from dodona._figures.conversion import study_of

        trials = self.trials()
        goals = self.metrics.items()
        constrained = {metric.metric_id for metric in self.spec.metrics if metric.safety_config is not None}
        metrics = [(name, goal, name in constrained) for name, goal in goals]
        return study_of(self.display_name, self.space, metrics, trials, self.create_time)

    @property
    def _path(self) -> str:
        return f"studies/{self.id}"

    def _records(self, wires: Sequence[vertex.Trial]) -> list[TrialRecord]:
        return [record_of(wire, values) for wire, values in zip(wires, self._decoded(wires), strict=True)]

    def _decoded(self, wires: Sequence[vertex.Trial]) -> list[dict[str, Value]]:
        """Return the values of each trial in Python's types."""
        given = {parameter.parameter_id for wire in wires for parameter in wire.parameters}
        names = {name for name in given if not name.startswith(TUNER_PREFIX)}
        if not names.issubset(self._parameter_names):
            # Another worker has added parameters.
            self.refresh()
        return [decode(self._space, wire.parameters) for wire in wires]
