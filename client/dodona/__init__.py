"""Dodona's client: hyperparameter tuning by ask and tell, with any framework.

    import dodona

    space = {"x": dodona.Float(-5, 5), "kind": dodona.Categorical(["a", "b"])}
    study = dodona.Client().create_study("f", space, goal="minimize", max_trials=50)
    study.optimize(lambda trial: (trial.parameters["x"] - 1.5) ** 2)
    print(study.best_trial)

`dodona.keras` tunes Keras models; it is imported on its own, so that this package needs neither Keras nor pandas.
`dodona.plots` has the figures; it is imported when it is first used.
"""

import importlib as _importlib
import typing as _typing

from dodona._artifacts import Artifact, Artifacts
from dodona._client import Client
from dodona._errors import (
    Aborted,
    AlreadyExists,
    ApiError,
    DodonaError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    NothingReported,
    PermissionDenied,
    ResourceExhausted,
    ServerError,
    ServerUnreachable,
    StudyCompleted,
    Unauthenticated,
    WorkerStopped,
)
from dodona._http.transport import Retry
from dodona._space import Boolean, Categorical, Discrete, Float, Int, Prior, near
from dodona._studies.budget import Outlook
from dodona._studies.deleted import DeletedStudy
from dodona._studies.explanation import Explanation
from dodona._studies.prior_studies import PriorStudy
from dodona._studies.study import Study
from dodona._trials.record import Measurement, TrialRecord
from dodona._trials.trial import Trial
from dodona._trials.uncaught import install as _install_hook
from dodona._version import __version__
from dodona._workers import WorkerRecord

if _typing.TYPE_CHECKING:
    from dodona import plots

__all__ = [
    "Aborted",
    "AlreadyExists",
    "ApiError",
    "Artifact",
    "Artifacts",
    "Boolean",
    "Categorical",
    "Client",
    "DeletedStudy",
    "Discrete",
    "DodonaError",
    "Explanation",
    "FailedPrecondition",
    "Float",
    "Int",
    "InvalidArgument",
    "Measurement",
    "NotFound",
    "NothingReported",
    "Outlook",
    "PermissionDenied",
    "Prior",
    "PriorStudy",
    "ResourceExhausted",
    "Retry",
    "ServerError",
    "ServerUnreachable",
    "Study",
    "StudyCompleted",
    "Trial",
    "TrialRecord",
    "Unauthenticated",
    "WorkerRecord",
    "WorkerStopped",
    "__version__",
    "near",
    "plots",
]

_install_hook()


def __getattr__(name: str) -> _typing.Any:
    if name == "plots":
        return _importlib.import_module("dodona.plots")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
