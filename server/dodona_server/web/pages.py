"""A page that lists the studies and a page a study."""

from __future__ import annotations

from fastapi import APIRouter

from dodona_server.service.studies import StudyService
from dodona_server.service.trials import TrialService


def page_router(studies: StudyService, trials: TrialService) -> APIRouter:
    """The pages."""
    return APIRouter()
