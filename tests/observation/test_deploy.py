"""The dashboard and the alerts parse, and name metrics and labels that the server has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import promql_parser
import pytest
import yaml

from dodona_server.api import metrics as route
from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.trials.trial import TrialState
from dodona_server.observation import metrics
from dodona_server.service.gauges import Figures

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dodona.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]


def known():
    """The labels of all metrics by the names of their samples."""
    found = {"up": {"job", "instance"}}
    for metric in vars(metrics).values():
        if isinstance(metric, (metrics.Counter, metrics.Histogram)):
            for family in metric.describe():
                suffixes = ("_total",) if family.type == "counter" else ("_bucket", "_count", "_sum")
                for suffix in suffixes:
                    found[family.name + suffix] = {*metric._labelnames, "le", "job", "instance"}
    figures = Figures(dict.fromkeys(StudyState, 0), dict.fromkeys(TrialState, 0), 0)
    for family in route._families(figures):
        for sample in family.samples:
            found[sample.name] = {*sample.labels, "job", "instance"}
    return found


KNOWN = known()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_parse_and_name_what_exists(expression):
    text = expression.replace("$__rate_interval", "5m")
    promql_parser.parse(text)
    names = set(re.findall(r"\b(?:dodona|http_server|up)[a-z_]*", text.replace('job="dodona"', "")))
    assert names
    assert names <= set(KNOWN), names - set(KNOWN)
    labels = set(re.findall(r"([a-z_]+)(?:=~|!=|=)\"", text))
    for by in re.findall(r"by \(([^)]*)\)", text):
        labels |= {label.strip() for label in by.split(",")}
    assert labels <= set.union(*(KNOWN[name] for name in names))


def test_each_alert_says_what_it_means_and_what_to_do():
    for rule in RULES:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_the_panels_show_every_metric():
    text = "\n".join(EXPRESSIONS)
    assert all(re.sub(r"_(bucket|sum|count|total)$", "", name) in text for name in KNOWN)
