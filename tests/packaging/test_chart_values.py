"""Values of the Helm chart: what they mean for the server, and which are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dodona_server.settings import Settings
from tests.packaging.chart import CHART, VALUES, merged, render
from tests.packaging.environments import ROOT

helm_python = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this machine")

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
# The chart sets these itself, or from other values.
OWN = {"host", "port", "database_url", "token", "secret", "artifacts", "tls_cert", "tls_key", "insecure"}
POSTGRESQL, SQLITE = VALUES["postgresql"], VALUES["sqlite"]


def groups(schema: dict[str, Any], defaults: Any, path: str = "") -> list[tuple[str, dict[str, Any], Any]]:
    """Return each object of the schema that names its properties, with its path and its default."""
    if "properties" not in schema:
        return []
    found = [(path, schema, defaults)]
    for name, one in schema["properties"].items():
        found += groups(one, (defaults or {}).get(name), f"{path}.{name}" if path else name)
    return found


def test_the_schema_is_a_schema():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_schema_describes_exactly_the_default_values():
    for path, schema, defaults in groups(SCHEMA, DEFAULTS):
        assert schema["additionalProperties"] is False, path
        assert all(one["description"] for one in schema["properties"].values()), path
        assert set(defaults) <= set(schema["properties"]), path
        if path != "settings":
            assert set(schema["properties"]) - {"global"} == set(defaults), path


def test_a_value_that_does_not_exist_is_refused_everywhere():
    for path, _, _ in groups(SCHEMA, DEFAULTS):
        values: dict[str, Any] = {"surprise": 1}
        for name in reversed(path.split(".") if path else []):
            values = {name: values}
        with pytest.raises(helm_python.HelmError, match="surprise"):
            render(merged(POSTGRESQL, values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": "two"}, "/replicas"),
        ({"replicas": -1}, "/replicas"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"database": {"kind": "mysql"}}, "/database/kind"),
        ({"database": {"existingSecret": "postgresql://dodona:secret@postgres/dodona"}}, "/database/existingSecret"),
        ({"token": {"key": ""}}, "/token/key"),
        ({"sqlite": {"size": "ten"}}, "/sqlite/size"),
        ({"artifacts": {"url": "bucket"}}, "/artifacts/url"),
        ({"settings": {"logFormat": "xml"}}, "/settings/logFormat"),
        ({"settings": {"maxArtifactBytes": 0.5}}, "/settings/maxArtifactBytes"),
        ({"settings": {"rootPath": "tuning"}}, "/settings/rootPath"),
        ({"extraEnv": [{"value": "x"}]}, "/extraEnv/0"),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, "/podDisruptionBudget/maxUnavailable"),
        ({"service": {"port": 70000}}, "/service/port"),
        ({"ingress": {"host": "https://tune.example.org"}}, "/ingress/host"),
        ({"httpRoute": {"parentRefs": [{"namespace": "gateways"}]}}, "/httpRoute/parentRefs/0"),
        ({"serviceMonitor": {"interval": "often"}}, "/serviceMonitor/interval"),
        ({"fullnameOverride": "Dodona"}, "/fullnameOverride"),
    ],
)
def test_a_bad_value_is_refused_with_its_path(values, said):
    with pytest.raises(helm_python.HelmError, match=f"at '{said}'"):
        render(merged(POSTGRESQL, values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "database.existingSecret is empty"),
        (merged(SQLITE, {"replicas": 2}), "replicas is 2, but only one server can use an SQLite database"),
        (merged(SQLITE, {"settings": {"workers": 4}}), "settings.workers is 4, but only one process"),
        (merged(SQLITE, {"autoscaling": {"enabled": True}}), "autoscaling.enabled is true, but only one server"),
        (merged(SQLITE, POSTGRESQL), "database.existingSecret is the URL of a PostgreSQL database"),
        (merged(POSTGRESQL, {"ingress": {"enabled": True}}), "trustedProxies is empty"),
        (merged(POSTGRESQL, {"httpRoute": {"enabled": True}}), "trustedProxies is empty"),
        (
            merged(POSTGRESQL, {"httpRoute": {"enabled": True}, "trustedProxies": ["*"]}),
            "httpRoute.parentRefs is empty",
        ),
        (merged(POSTGRESQL, {"ingress": {"tls": {"existingSecret": "tls"}}}), "ingress.host is empty"),
        (merged(POSTGRESQL, {"serviceMonitor": {"enabled": True}}), "serviceMonitor.existingSecret is empty"),
        (merged(POSTGRESQL, {"oidc": {"existingSecret": "dodona"}}), "oidc.issuer is empty"),
        (
            merged(POSTGRESQL, {"artifacts": {"url": "s3://b", "existingClaim": "c"}}),
            "artifacts: url and existingClaim",
        ),
        (
            merged(POSTGRESQL, {"autoscaling": {"enabled": True, "minReplicas": 9}}),
            "autoscaling.minReplicas 9 is above autoscaling.maxReplicas 8",
        ),
    ],
)
def test_values_that_cannot_work_together_are_refused(values, said):
    with pytest.raises(helm_python.HelmError, match=said):
        render(values)


def snake(name: str) -> str:
    """Return maxTrials as max_trials."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def test_each_setting_of_the_server_can_be_set():
    files = {name for name in Settings.model_fields if name.endswith("_file")}
    oidc = {name for name in Settings.model_fields if name.startswith("oidc_")}
    assert {snake(name) for name in SCHEMA["properties"]["settings"]["properties"]} == (
        set(Settings.model_fields) - files - oidc - OWN
    )
    assert {f"oidc_{snake(name)}" for name in SCHEMA["properties"]["oidc"]["properties"]} == (
        oidc - files - {"oidc_client_secret"} | {"oidc_existing_secret", "oidc_key"}
    )


@pytest.mark.parametrize("name", VALUES)
def test_the_server_reads_the_values_from_the_environment(name, monkeypatch, tmp_path):
    values = VALUES[name]
    for pod in render(values).pods().values():
        (container,) = pod["containers"]
        for one in container["env"]:
            value = one["value"]
            if value.startswith("/secrets/"):
                file = tmp_path / Path(value).name
                file.write_text("a secret that is long enough\n")
                value = str(file)
            monkeypatch.setenv(one["name"], value)
            if one["name"].startswith("DODONA_"):
                assert one["name"].removeprefix("DODONA_").lower() in Settings.model_fields
    read = Settings()
    assert (read.host, read.port) == ("0.0.0.0", 8080)
    for key, value in merged(DEFAULTS["settings"], values.get("settings", {})).items():
        assert getattr(read, snake(key)) == value, key
    if values["database"].get("existingSecret"):
        assert read.database_url == "a secret that is long enough"
    if "oidc" in values:
        assert (read.oidc_issuer, read.oidc_roles) == (values["oidc"]["issuer"], values["oidc"]["roles"])
        assert read.oidc_client_secret.get_secret_value() == "a secret that is long enough"


def test_the_examples_set_every_setting_of_the_server():
    assert set(VALUES["ingress"]["settings"]) == set(SCHEMA["properties"]["settings"]["properties"])


def test_the_values_of_the_documentation_can_be_installed():
    section = (ROOT / "docs" / "operations.md").read_text().partition("\n## Kubernetes\n")[2].partition("\n## ")[0]
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.+?)```", section, flags=re.DOTALL)]
    assert len(blocks) == 2
    for values in blocks:
        assert render(values).objects["Deployment"]
