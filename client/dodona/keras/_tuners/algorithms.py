"""KerasTuner's tuners with their own names and arguments; each is an algorithm of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras_tuner
from keras_tuner import HyperModel, HyperParameters, Objective

from dodona.keras._oracle.arguments import BAYESIAN_DEFAULTS, GRID_OPTIONS, warn_of_bayesian
from dodona.keras._tuners.base import BaseTuner
from dodona.keras._tuners.tuner import Tuner
from dodona.keras._tuners.with_oracle import AlgorithmTuner

Build: TypeAlias = HyperModel | Callable[[HyperParameters], Any] | None
Objectives: TypeAlias = str | Objective | list[str | Objective] | None


class CloudTuner(Tuner):
    """tensorflow-cloud's CloudTuner: tunes a Keras model together with the study's other workers.

    Args:
        hypermodel: a function that takes HyperParameters and returns a model, or a keras_tuner.HyperModel. Its
            hyperparameters need not be declared in advance.
        project_id: the project that the study belongs to.
        region: the location within the project.
        objective: see KerasTuner, such as "val_accuracy" or keras_tuner.Objective("val_f1", "max").
        hyperparameters: the search space, or a part of it, declared in advance.
        study_config: a dict with the whole study (Vertex AI's StudySpec or AI Platform's StudyConfig), instead of
            `objective` and `hyperparameters`.
        max_trials: how many trials the study may have, of all workers together; None for no limit.
        study_id: the study's name, which all its workers share; None for `project_name`.
        url: the server's address; None for the value of DODONA_URL.
        token: the server's secret; None for the value of DODONA_TOKEN.
        **kwargs: further arguments of `Tuner`: max_model_size, optimizer, loss, metrics, distribution_strategy,
            directory, project_name, logger, tuner_id, overwrite, executions_per_trial, trials_per_process; and of
            `CloudOracle`: algorithm, algorithm_options, early_stopping, prior_studies, seed, allow_new_entries,
            tune_new_entries, max_retries_per_trial, max_consecutive_failed_trials.

    Raises:
        ValueError: see `Tuner`.

    """

    def __init__(
        self,
        hypermodel: Build = None,
        project_id: str = "default",
        region: str = "local",
        objective: Objectives = None,
        hyperparameters: HyperParameters | None = None,
        study_config: Mapping[str, Any] | None = None,
        max_trials: int | None = None,
        study_id: str | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            None,
            hypermodel,
            project_id=project_id,
            region=region,
            objective=objective,
            hyperparameters=hyperparameters,
            study_config=study_config,
            max_trials=max_trials,
            study_id=study_id,
            url=url,
            token=token,
            **kwargs,
        )


class RandomSearch(AlgorithmTuner):
    """keras_tuner.RandomSearch: draws each trial independently.

    Args:
        *args: the arguments of keras_tuner.RandomSearch: hypermodel, objective, max_trials=10, seed, hyperparameters,
            tune_new_entries, allow_new_entries, max_retries_per_trial, max_consecutive_failed_trials.
        **kwargs: the same by name, and those of `Tuner`: study_id, url, token, directory, project_name and so on.

    """

    _keras_tuner_class = keras_tuner.RandomSearch
    _algorithm = "RANDOM_SEARCH"


class GridSearch(AlgorithmTuner):
    """keras_tuner.GridSearch: tries every combination once; a Float without a step has eleven values with both ends.

    Args:
        *args: see `RandomSearch`, but max_trials=None: the whole grid.
        **kwargs: see `RandomSearch`.

    """

    _keras_tuner_class = keras_tuner.GridSearch
    _algorithm = "GRID_SEARCH"

    def _tuner_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return arguments | {"algorithm_options": GRID_OPTIONS}


class BayesianOptimization(AlgorithmTuner):
    """keras_tuner.BayesianOptimization, by Dodona's own GP_BANDIT.

    Args:
        *args: the arguments of keras_tuner.BayesianOptimization: hypermodel, objective, max_trials=10,
            num_initial_points, alpha, beta, seed, hyperparameters and so on. `num_initial_points`, `alpha` and `beta`
            have no effect: GP_BANDIT chooses its first points, learns the noise and weighs exploration itself. Values
            other than KerasTuner's defaults cause a warning.
        **kwargs: see `RandomSearch`.

    """

    _keras_tuner_class = keras_tuner.BayesianOptimization
    _algorithm = "GP_BANDIT"

    def _tuner_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        warn_of_bayesian({name: arguments.pop(name) for name in BAYESIAN_DEFAULTS})
        return arguments


class SklearnTuner(BaseTuner, keras_tuner.SklearnTuner):  # type: ignore[misc]  # keras_tuner has no types
    """keras_tuner.SklearnTuner: cross-validates a model of scikit-learn.

    Args:
        oracle: see `BaseTuner`; the default objective is "score", to be maximized.
        hypermodel: a function or a HyperModel that builds the model.
        scoring: see KerasTuner; None for the model's own score.
        metrics: further functions of sklearn.metrics, which are recorded.
        cv: how the data are split; None for five shuffled folds.
        **kwargs: see `BaseTuner`: objective, max_trials, study_id, url, token, directory and so on.

    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle | str | None = None,
        hypermodel: Build = None,
        scoring: Callable[..., float] | None = None,
        metrics: Callable[..., float] | Sequence[Callable[..., float]] | None = None,
        cv: Any = None,
        **kwargs: Any,
    ) -> None:
        if (oracle is None or isinstance(oracle, str)) and not kwargs.get("study_config"):
            kwargs.setdefault("objective", Objective("score", "max"))
        super().__init__(oracle, hypermodel, scoring=scoring, metrics=metrics, cv=cv, **kwargs)
