"""Metrics for Prometheus."""

from __future__ import annotations

import functools
import platform
from importlib.metadata import version

from fastapi import Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.route import Routes
from dodona_server.aside import aside
from dodona_server.observation.metrics import exposed
from dodona_server.parts import Measured
from dodona_server.service.gauges import Figures

routes = Routes(Dialect.OWN, route_class=APIRoute)


@routes.serve
async def metrics(measured: Measured) -> Response:
    """Return all metrics of the server in Prometheus's text format."""
    families = _families(await measured.figures())
    return Response(await aside(functools.partial(exposed, families)), media_type=CONTENT_TYPE_LATEST)


def _families(figures: Figures) -> list[GaugeMetricFamily | InfoMetricFamily]:
    build = InfoMetricFamily("dodona_build", "The version of the server.")
    build.add_metric([], {"version": version("dodona"), "python": platform.python_version()})
    trials = GaugeMetricFamily("dodona_trials_current", "Trials by state.", labels=["state"])
    for state, count in figures.trials.items():
        trials.add_metric([state.value], count)
    studies = GaugeMetricFamily("dodona_studies_current", "Studies by state.", labels=["state"])
    for study_state, count in figures.studies.items():
        studies.add_metric([study_state.value], count)
    deleted = GaugeMetricFamily("dodona_deleted_studies_current", "Studies that can be restored.")
    deleted.add_metric([], figures.deleted)
    return [build, trials, studies, deleted]
