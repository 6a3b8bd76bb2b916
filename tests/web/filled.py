"""A server with studies of all kinds, filled through its API."""

from __future__ import annotations

import base64
import math
import random
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.storage.engine import codec
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies

HERE = "/v1/projects/p/locations/l/studies"
EVIL = """<script>alert(1)</script><img src=x onerror=alert(2)>"'{{ 7777 * 191919 }}"""
# Names in many scripts, from right to left too, and a long one without a space.
SCRIPTS = "дослід 研究 تجربة ניסוי परीक्षण การทดลอง 🎯"
LONG = "w" * 200
ACCURACY = {"metricId": "val_accuracy", "goal": "MAXIMIZE"}
RATE = {
    "parameterId": "learning_rate",
    "doubleValueSpec": {"minValue": 0.0001, "maxValue": 0.1},
    "scaleType": "UNIT_LOG_SCALE",
}
LAYERS = {"parameterId": "layers", "integerValueSpec": {"minValue": 1, "maxValue": 4, "defaultValue": 2}}
UNITS = {"parameterId": "units", "discreteValueSpec": {"values": [16, 32, 64, 128]}}
DROPOUT = {"parameterId": "dropout", "doubleValueSpec": {"minValue": 0, "maxValue": 0.6}}
MOMENTUM = {"parameterId": "momentum", "doubleValueSpec": {"minValue": 0, "maxValue": 0.99}}
OPTIMIZER = {
    "parameterId": "optimizer",
    "categoricalValueSpec": {"values": ["adam", "rmsprop", "sgd"]},
    "conditionalParameterSpecs": [{"parentCategoricalValues": {"values": ["sgd"]}, "parameterSpec": MOMENTUM}],
}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BIG = 100_000
_BIG_TRIALS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO trials (study_key, number, state, parameters, client_id, attempt, create_time, start_time, end_time,
                    objective, final_measurement, infeasible_reason, metadata)
SELECT :key, i, CASE WHEN i % 5000 = 7 THEN 'INFEASIBLE' ELSE 'SUCCEEDED' END, :values, 'w', 1, 1e9, 1e9, 1e9 + 1,
       CASE WHEN i % 5000 <> 7 THEN ((i * 7919) % 100003) / 100003.0 END,
       CASE WHEN i % 5000 <> 7 THEN '[3, 1.5, {"loss": ' || (((i * 7919) % 100003) / 100003.0) || '}]' END,
       CASE WHEN i % 5000 = 7 THEN 'out of memory' ELSE '' END, '{}'
FROM n
"""


def add_big_study(file: Path) -> None:
    """Adds a study of 100 000 trials to a new database."""
    store = open_store(f"sqlite:///{file}")
    spec = StudySpec((Metric("loss", Goal.MINIMIZE),), SearchSpace((Parameter("x", Double(0.0, 1.0)),)))
    values = codec.dump_parameters({"x": 0.5})
    with store.engine.begin() as transaction:
        study = studies.insert(transaction, StudyName(Location("p", "l"), "big"), "big", spec, 7, 1e9)
        transaction.execute(sa.text(_BIG_TRIALS), {"key": study.key, "count": BIG, "values": values})
        studies.add_trials(transaction, study, BIG)
    store.close()


class Filled:
    """The server's API, and studies of all kinds.

    Args:
        url: of the server.
        token: that it needs.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60)
        self._random = random.Random(3)

    def close(self) -> None:
        self._client.close()

    def post(self, path: str, body: Any = None) -> Any:
        """What the API answers."""
        answer = self._client.post(HERE + path, json=body or {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        """A resource; None if there is none."""
        answer = self._client.get(HERE + path)
        return answer.json() if answer.status_code == 200 else None

    def create(self, study_id: str, name: str = "", **spec: Any) -> None:
        """Creates a study, of one metric if `spec` does not say."""
        spec = {
            "metrics": [ACCURACY],
            "algorithm": "RANDOM_SEARCH",
            "parameters": [RATE, LAYERS, UNITS, OPTIMIZER, DROPOUT],
            **spec,
        }
        self.post("", {"studyId": study_id, "displayName": name or study_id, "studySpec": spec})

    def start(self, study_id: str, worker: str = "worker-1") -> tuple[str, dict[str, Any]]:
        """Starts a trial: its path and its parameters."""
        body = {"clientId": worker, "suggestionCount": 1}
        (trial,) = self.post(f"/{study_id}/trials:suggest", body)["response"]["trials"]
        return f"/{study_id}/trials/{trial['id']}", {one["parameterId"]: one["value"] for one in trial["parameters"]}

    def finish(self, path: str, **metrics: float) -> None:
        """Completes a trial."""
        final = {"metrics": [{"metricId": name, "value": value} for name, value in metrics.items()]}
        self.post(f"{path}:complete", {"finalMeasurement": final})

    def train(self, study_id: str, worker: str, epochs: int = 8, *, ends: bool = True, fails: str = "") -> None:
        """Runs a trial as a worker would."""
        path, values = self.start(study_id, worker)
        noise = self._random.gauss
        best = 0.97 - 0.05 * (math.log10(values["learning_rate"]) + 2.2) ** 2 - 0.15 * abs(values["dropout"] - 0.2)
        best *= 0.55 if values["optimizer"] == "rmsprop" else 1
        for step in range(1, epochs + 1):
            value = best * (1 - math.exp(-step / 2.2)) + noise(0, 0.006)
            metrics = [{"metricId": "val_accuracy", "value": value}, {"metricId": "val_loss", "value": 1.05 - value}]
            measurement = {"stepCount": step, "elapsedDuration": f"{30 * step}s", "metrics": metrics}
            answer = self.post(f"{path}:addTrialMeasurement", {"measurement": measurement})
            if answer["state"] == "STOPPING":
                break
        if fails:
            self.post(f"{path}:complete", {"trialInfeasible": True, "infeasibleReason": fails})
        elif ends:
            self.post(f"{path}:complete")

    def fill(self) -> None:
        """Creates a study of each kind."""
        self.create("empty", studyStoppingConfig={"maxNumTrials": 50})
        self.digits()
        self.ranker()
        self.wide()
        self.scripts()
        self.create("evil", EVIL, metrics=[{"metricId": EVIL, "goal": "MINIMIZE"}], parameters=[_evil_parameter()])
        for value in (1.5, 2.5):
            path, _ = self.start("evil", EVIL)
            metric = {"metrics": [{"metricId": EVIL, "value": value}]}
            self.post(f"{path}:addTrialMeasurement", {"measurement": {"stepCount": 1, **metric}})
            self.post(f"{path}:complete", {"finalMeasurement": metric})
        path, _ = self.start("evil", EVIL)
        self.post(f"{path}:complete", {"trialInfeasible": True, "infeasibleReason": EVIL})

    def scripts(self) -> None:
        """A study whose names have many scripts and great lengths."""
        words = {"parameterId": SCRIPTS, "categoricalValueSpec": {"values": [SCRIPTS, LONG]}}
        number = {"parameterId": LONG, "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
        metrics = [{"metricId": SCRIPTS}, {"metricId": LONG}]
        self.create("scripts", f"{SCRIPTS} {LONG}"[:250], metrics=metrics, parameters=[words, number])
        for value in (1.5, 2.5, 0.5):
            path, _ = self.start("scripts", SCRIPTS)
            self.finish(path, **{SCRIPTS: value, LONG: -value})
        path, _ = self.start("scripts", SCRIPTS)
        self.post(f"{path}:complete", {"trialInfeasible": True, "infeasibleReason": f"{SCRIPTS} {LONG}"})
        self.start("scripts", LONG[:100])

    def digits(self, count: int = 24) -> None:
        """A running study with conditional parameters, failed and stopped trials."""
        budget = {"maxNumTrials": 100, "maxFailedTrials": 30}
        self.create(
            "digits", "Digits, dense network", studyStoppingConfig=budget, medianAutomatedStoppingSpec={}, seed="5"
        )
        memory = "ResourceExhaustedError: out of memory allocating a tensor of {} x 512"
        failing = {4: memory.format(4096), 9: memory.format(8192), 13: "ValueError: the input has shape (None, 8)"}
        for number in range(count):
            self.train("digits", f"worker-{number % 3}", fails=failing.get(number, ""))
        for number in range(3):
            self.train("digits", f"worker-{number}", 2 + number, ends=False)
        self.post("/digits/trials", {"parameters": [{"parameterId": "learning_rate", "value": 0.003}]})

    def wide(self, count: int = 12) -> None:
        """A study with ten parameters, notes, tags and files."""
        names = ("learning_rate", "weight_decay", "dropout_rate", "label_smoothing", "momentum", "warmup_share")
        parameters = [{"parameterId": name, "doubleValueSpec": {"minValue": 0, "maxValue": 1}} for name in names]
        parameters += [
            {"parameterId": name, "integerValueSpec": {"minValue": 1, "maxValue": 512}}
            for name in ("hidden_units", "batch_size", "attention_heads")
        ]
        parameters.append({"parameterId": "activation", "categoricalValueSpec": {"values": ["relu", "gelu", "swish"]}})
        self.create("wide", "Ten parameters", parameters=parameters, seed="5")
        for number in range(count):
            path, values = self.start("wide", f"gpu-host-{number % 2}.example.org")
            self.finish(path, val_accuracy=0.9 - abs(values["learning_rate"] - 0.3))
        note = {"dodona/note": "The labels were cleaned before this study.", "dodona/tags": "baseline,paper"}
        self.post("/wide:updateMetadata", {"metadata": note})
        self.post("/wide/trials/3:updateMetadata", {"metadata": {"dodona/note": "Looks odd.", "dodona/tags": "odd"}})
        for name, content in (("plot.png", PIXEL), ("log.txt", b"epoch 1: ok\n"), ("table.csv", b"step,loss\n1,0.5\n")):
            self._client.put(f"{HERE}/wide/trials/3/artifacts/{name}", content=content)

    def ranker(self, count: int = 40) -> None:
        """A study with two objectives."""
        metrics = [{"metricId": "ndcg", "goal": "MAXIMIZE"}, {"metricId": "latency_ms", "goal": "MINIMIZE"}]
        spec = {
            "metrics": metrics,
            "parameters": [RATE, UNITS, DROPOUT],
            "algorithm": "QUASI_RANDOM_SEARCH",
            "seed": "5",
        }
        self.create("ranker", "Ranker: quality and latency", **spec)
        for _ in range(count):
            path, values = self.start("ranker")
            quality = (
                1
                - abs(math.log10(values["learning_rate"]) + 2) / 10
                - 2 / values["units"]
                + self._random.gauss(0, 0.02)
            )
            latency = 5 + values["units"] * (1 - values["dropout"]) / 5 + abs(self._random.gauss(0, 3))
            self.finish(path, ndcg=quality, latency_ms=latency)


def _evil_parameter() -> dict[str, Any]:
    return {"parameterId": EVIL, "categoricalValueSpec": {"values": [EVIL, EVIL * 2, "a", "b"]}}
