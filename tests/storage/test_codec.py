"""Specs as earlier versions stored them."""

from __future__ import annotations

import json

import pytest

from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.storage.engine import codec

RULES = pytest.mark.parametrize(
    ("stored", "rule"),
    [
        (
            {"name": "decay_curve_stopping_spec", "options": {"use_elapsed_duration": True}},
            StoppingRule(StoppingMethod.DECAY_CURVE, use_elapsed_time=True),
        ),
        (
            {"name": "median_automated_stopping_spec", "options": {"use_elapsed_duration": False}},
            StoppingRule(StoppingMethod.MEDIAN),
        ),
        (
            {
                "name": "convex_automated_stopping_spec",
                "options": {
                    "max_step_count": 9,
                    "min_step_count": 2,
                    "min_measurement_count": 3,
                    "learning_rate_parameter_name": "lr",
                    "use_elapsed_duration": False,
                    "update_all_stopped_trials": True,
                },
            },
            StoppingRule(StoppingMethod.CONVEX, False, 9, 2, 3, "lr", True),
        ),
    ],
)


@RULES
def test_a_rule_stored_before_there_were_rules_of_dodonas_own_is_read(stored, rule):
    spec = StudySpec((Metric("m", Goal.MINIMIZE),), SearchSpace(), stopping_rule=rule)
    text = json.loads(codec.dump_spec(spec))
    for name in ("min_resource", "max_resource", "reduction_factor", "patience", "least_improvement"):
        del text["stopping_rule"][name]
    assert codec.load_spec(json.dumps(text, separators=(",", ":"))) == spec


@RULES
def test_a_stopping_rule_stored_by_its_name_in_vertex_is_read(stored, rule):
    spec = StudySpec((Metric("m", Goal.MINIMIZE),), SearchSpace(), stopping_rule=rule)
    text = codec.dump_spec(spec)
    assert codec.load_spec(text) == spec
    old = json.dumps({**json.loads(text), "stopping_rule": stored}, separators=(",", ":"))
    assert codec.load_spec(old) == spec
