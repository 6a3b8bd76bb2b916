"""Study configurations of Vertex AI and of the older AI Platform, which tensorflow-cloud uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodona_schemas.caip import MlAlgorithm, MlStudyConfig
from dodona_schemas.caip_vertex import to_spec
from dodona_schemas.vertex import StudySpec

_STOPPING = {"automatedStoppingConfig", "automated_stopping_config"}


def read_study_config(config: Mapping[str, Any] | StudySpec) -> StudySpec:
    """Return the study's spec.

    Args:
        config: Vertex's StudySpec or AI Platform's StudyConfig, with names in camelCase or snake_case.

    Raises:
        ValueError: a field is not valid.
    """
    if isinstance(config, StudySpec) or not _is_old(config):
        return StudySpec.model_validate(config).model_copy(deep=True)
    return to_spec(MlStudyConfig.model_validate(config))


def _is_old(config: Mapping[str, Any]) -> bool:
    named = [*(config.get("metrics") or ()), *(config.get("parameters") or ())]
    return (
        bool(_STOPPING & config.keys())
        or config.get("algorithm") == MlAlgorithm.GAUSSIAN_PROCESS_BANDIT.name
        or any(isinstance(one, Mapping) and one.keys() & {"metric", "parameter"} for one in named)
    )
