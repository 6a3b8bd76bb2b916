"""An oracle with its study and search space on a Dodona server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import keras_tuner
from keras_tuner import HyperParameters, Objective
from keras_tuner.engine.trial import Trial

import dodona
from dodona._studies.stopping import EarlyStopping
from dodona.keras._display.display import Display
from dodona.keras._errors import outages_end_the_search
from dodona.keras._process.worker import worker_id
from dodona.keras._study.requested_spec import max_trials_of, requested_spec
from dodona.keras._study.shared_study import SharedStudy
from dodona.keras._training.active_trial import ActiveTrial


def study_attribute(read: Callable[[AttachedOracle], Any]) -> property:
    """Return a property for an attribute of KerasTuner's oracle that the study has; only its constructor may set it."""

    def assign(oracle: AttachedOracle, _value: object) -> None:
        if oracle.constructed:
            raise AttributeError(f"{read.__name__} is the study's and cannot be assigned")

    return property(read, assign, doc=read.__doc__)


class AttachedOracle(keras_tuner.Oracle):  # type: ignore[misc]  # keras_tuner has no types
    """An oracle with the search space of a study on a Dodona server; `CloudOracle` adds the trials.

    Args:
        project_id: the project that the study belongs to.
        region: the location within the project.
        objective: see KerasTuner; None for that of `study_config` or of the existing study.
        hyperparameters: the search space, or a part of it, declared in advance.
        study_config: the study as a dict: Vertex AI's StudySpec, or AI Platform's StudyConfig.
        max_trials: how many trials the study may have, of all workers together; None for no limit.
        study_id: the study's name, which all its workers share; None for the project's name.
        url: the server's address; None for the value of DODONA_URL.
        token: the server's secret; None for the value of DODONA_TOKEN.
        worker: this worker's id, the same after a restart; None for the value of DODONA_WORKER, or a unique id.
        algorithm: the search algorithm, such as "random_search"; None for the server's default.
        algorithm_options: its options by name.
        early_stopping: the rule by which the server stops trials early: "auto", "median", "decay_curve", "convex",
            "asha" or "no_progress", or the rule in the protocol's form; None for none. See
            `dodona.Client.create_study`.
        prior_studies: the ids of earlier studies to learn from; "auto" to let the server find the most similar ones of
            the project; "off" or None for none.
        overwrite: whether to start the study over if no other worker can be using it.
        seed: the seed of all suggestions; None to let the server draw one.
        allow_new_entries: whether the hypermodel may use hyperparameters that were not declared.
        tune_new_entries: whether those are tuned; otherwise they keep their defaults.
        max_retries_per_trial: how often this worker runs a trial again that crashed or gave NaN.
        max_consecutive_failed_trials: after how many failures in a row this worker ends its search.

    Raises:
        ValueError: the arguments do not describe a study, or contradict each other.

    """

    constructed = False

    def __init__(
        self,
        project_id: str = "default",
        region: str = "local",
        objective: str | Objective | list[str | Objective] | None = None,
        hyperparameters: HyperParameters | None = None,
        study_config: Mapping[str, Any] | None = None,
        max_trials: int | None = None,
        study_id: str | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        worker: str | None = None,
        algorithm: str | None = None,
        algorithm_options: Mapping[str, bool | int | float | str] | None = None,
        early_stopping: EarlyStopping | None = None,
        prior_studies: str | Sequence[str] | None = None,
        overwrite: bool = False,
        seed: int | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
    ) -> None:
        requested = requested_spec(
            study_config,
            objective=objective,
            hyperparameters=hyperparameters,
            max_trials=max_trials,
            algorithm=algorithm,
            algorithm_options=algorithm_options,
            early_stopping=early_stopping,
            prior_studies=prior_studies,
            seed=seed,
        )
        client = dodona.Client(url, token, project_id, region, worker=worker_id(worker))
        self._shared = SharedStudy(client, study_id, requested, objective, hyperparameters, overwrite)
        declared = hyperparameters is not None or bool(requested.parameters)
        super().__init__(
            objective=self._shared.objective,
            hyperparameters=self._shared.space.hyperparameters if declared else None,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self._display = Display()
        # State of CloudOracle, created here so that only one constructor lists the arguments.
        self._active: dict[str, ActiveTrial] = {}
        self._failures_in_a_row = 0
        self._plans: set[int] = set()
        self._any_begun = False
        self.constructed = True

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return the oracle itself: KerasTuner copies the callbacks for each execution, and one may refer to it."""
        return self

    # --- the study

    @property
    def worker(self) -> str:
        """Id under which this process asks for trials."""
        return self._shared.client.worker

    @property
    def study_id(self) -> str:
        """Name of the study."""
        return self._shared.study_id

    @property
    def joined(self) -> bool:
        """Whether the study existed already."""
        return self._shared.joined

    @property
    def study(self) -> dodona.Study:
        """Study on the server; it is created if it does not exist."""
        with outages_end_the_search():
            return self._shared.get()

    def overwrite(self) -> None:
        """Start the study over if no other worker can be using it; call this before the study is used."""
        self._shared.overwrite = True

    @study_attribute
    def objective(self) -> Objective:
        """Return the study's objective."""
        return self._shared.objective

    @study_attribute
    def max_trials(self) -> int | None:
        """Return how many trials the study may have; None without a limit."""
        return max_trials_of(self._shared.spec)

    @study_attribute
    def seed(self) -> int | None:
        """Return the seed of all suggestions; None until the server has drawn one."""
        return self._shared.spec.seed

    @study_attribute
    def hyperparameters(self) -> HyperParameters:
        """Return the search space as this worker last saw it."""
        return self._shared.tuned

    def _set_project_dir(self, directory: str, project_name: str) -> None:
        super()._set_project_dir(directory, project_name)
        self._shared.set_project(str(directory), project_name)

    # --- the search space

    def get_space(self) -> HyperParameters:
        """Return the study's current search space, with the defaults of active hyperparameters."""
        with outages_end_the_search():
            self._shared.refresh()
        return self._shared.tuned

    def known_space(self) -> HyperParameters:
        """Return the same with the untuned hyperparameters that this worker has found (`tune_new_entries=False`)."""
        with outages_end_the_search():
            self._shared.refresh()
        return self._shared.space.hyperparameters.copy()

    def update_space(self, hyperparameters: HyperParameters) -> None:
        """Add the hyperparameters that the study lacks.

        Args:
            hyperparameters: the space that a hypermodel declares.

        Raises:
            RuntimeError: there are new hyperparameters, and `allow_new_entries` is False.
            ApiError: the server refused them.
        """
        new = self._shared.space.missing(hyperparameters)
        if new:
            # Another worker may have found the same ones meanwhile.
            with outages_end_the_search():
                self._shared.refresh()
            new = self._shared.space.missing(hyperparameters)
        if new and not self.allow_new_entries:
            raise RuntimeError(f"`allow_new_entries` is `False`, but found new entries {new}")
        if new and not self.tune_new_entries:
            self._shared.add_untuned(new)
        elif new:
            with outages_end_the_search():
                self._shared.add(new)

    @study_attribute
    def ongoing_trials(self) -> dict[str, Trial]:
        """Return the trials that run here, by worker id."""
        return {active.worker: active.trial for active in self._active.values()}

    # --- what the server makes unnecessary

    def set_state(self, state: dict[str, Any]) -> None:
        """Do nothing: the server has the state."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Refuse: the server makes the suggestions."""
        raise NotImplementedError("a CloudOracle makes no suggestions; its server does, by the study's algorithm")

    def save(self) -> None:
        """Do nothing: the server has the state."""

    def reload(self) -> None:
        """Do nothing: the server has the state."""
