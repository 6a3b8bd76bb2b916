"""Google's SDK with the tokens of workers and editors: the loop works for both, the rest as their roles allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from google.api_core.exceptions import Forbidden, NotFound
from google.cloud.aiplatform_v1 import VizierServiceClient, types
from google.oauth2.credentials import Credentials

from tests.support.processes import ServerProcess

TOKEN = "the token of the settings"
HERE = "projects/p/locations/local"
SPEC = types.StudySpec(
    metrics=[{"metric_id": "loss", "goal": types.StudySpec.MetricSpec.GoalType.MINIMIZE}],
    parameters=[{"parameter_id": "x", "double_value_spec": {"min_value": 0, "max_value": 1}}],
)
LOSS = types.Measurement(metrics=[{"metric_id": "loss", "value": 0.5}], step_count=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("roles")
    process = ServerProcess(folder, DODONA_TOKEN=TOKEN).start()
    yield process
    process.stop()


def token(server: ServerProcess, role: str) -> str:
    body = {"displayName": role, "role": role, "project": "p"}
    made = httpx.post(f"{server.url}/v1/tokens", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
    secret: str = made.raise_for_status().json()["secret"]
    return secret


@pytest.mark.parametrize("way", ["bearer", "api key"])
@pytest.mark.parametrize("role", ["worker", "editor"])
def test_a_search_from_its_beginning_to_its_end(server: ServerProcess, role: str, way: str) -> None:
    secret = token(server, role)
    options = {"api_endpoint": server.url}
    if way == "bearer":
        client = VizierServiceClient(client_options=options, transport="rest", credentials=Credentials(secret))
    else:
        client = VizierServiceClient(client_options={**options, "api_key": secret}, transport="rest")
    study = client.create_study(parent=HERE, study={"display_name": f"{role} {way}", "study_spec": SPEC})
    assert client.get_study(name=study.name) == study
    assert client.lookup_study({"parent": HERE, "display_name": study.display_name}) == study
    request = {"parent": study.name, "suggestion_count": 2, "client_id": "w"}
    first, second = client.suggest_trials(request).result().trials
    client.add_trial_measurement({"trial_name": first.name, "measurement": LOSS})
    assert not client.check_trial_early_stopping_state({"trial_name": first.name}).result().should_stop
    client.stop_trial({"name": second.name})
    client.complete_trial({"name": first.name})
    client.complete_trial({"name": second.name, "trial_infeasible": True, "infeasible_reason": "stopped"})
    assert len(list(client.list_trials(parent=study.name))) == 2
    assert len(client.list_optimal_trials({"parent": study.name}).optimal_trials) == 1
    edits = [
        lambda: client.create_trial(parent=study.name, trial=types.Trial()),
        lambda: client.delete_trial(name=second.name),
        lambda: list(client.list_studies(parent=HERE)),
    ]
    for edit in edits:
        if role == "editor":
            edit()
        else:
            with pytest.raises(Forbidden, match="these roles may: "):
                edit()
    with pytest.raises(Forbidden, match="these roles may: admin, operator"):
        client.delete_study(name=study.name)
    with pytest.raises(NotFound, match="or this token is not for it"):
        client.get_study(name=study.name.replace("projects/p/", "projects/q/"))
