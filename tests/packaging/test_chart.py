"""The objects that the Helm chart renders."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.packaging import chart
from tests.packaging.chart import CHART, VALUES, render
from tests.packaging.environments import ROOT

helm_python = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this machine")

CUSTOM = {path.stem: json.loads(path.read_text()) for path in Path(__file__).with_name("crds").glob("*.json")}
SERVERS = {
    "app.kubernetes.io/name": "dodona",
    "app.kubernetes.io/instance": chart.RELEASE,
    "app.kubernetes.io/component": "server",
}
every_example = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)


@every_example
@pytest.mark.parametrize("version", ["1.25", kubernetes_validate.latest_version()])
def test_kubernetes_accepts_all_objects(values, version):
    for kind, one in render(values).objects.items():
        if kind in CUSTOM:
            jsonschema.validate(one, CUSTOM[kind])
        else:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize(("kind", "example"), [("HTTPRoute", "httproute"), ("ServiceMonitor", "ingress")])
def test_the_schemas_of_custom_objects_refuse_what_their_operators_refuse(kind, example):
    one = render(VALUES[example]).objects[kind]
    jsonschema.validate(one, CUSTOM[kind])
    one["spec"]["surprise"] = True
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate(one, CUSTOM[kind])


def test_the_values_choose_the_objects():
    always = {"Deployment", "Service", "PodDisruptionBudget"}
    kinds = {name: set(render(values).objects) - always for name, values in VALUES.items()}
    assert kinds == {
        "postgresql": {"Job", "ServiceAccount"},
        "sqlite": {"PersistentVolumeClaim", "ServiceAccount"},
        "ingress": {
            "Job",
            "ServiceAccount",
            "HorizontalPodAutoscaler",
            "Ingress",
            "NetworkPolicy",
            "ServiceMonitor",
        },
        "httproute": {"Job", "HTTPRoute"},
    }


@every_example
def test_objects_name_each_other(values):
    objects = render(values).objects
    name = objects["Deployment"]["metadata"]["name"]
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        objects["Service"]["spec"]["selector"],
        *(
            objects[kind]["spec"][key]["matchLabels"]
            for kind, key in (
                ("Deployment", "selector"),
                ("PodDisruptionBudget", "selector"),
                ("NetworkPolicy", "podSelector"),
            )
            if kind in objects
        ),
    ]
    assert all(selector == SERVERS for selector in selectors)
    assert SERVERS.items() <= labels.items()
    if "ServiceMonitor" in objects:
        assert objects["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items() <= (
            objects["Service"]["metadata"]["labels"].items()
        )
    if "HorizontalPodAutoscaler" in objects:
        assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in objects["Deployment"]["spec"]
    (port,) = objects["Service"]["spec"]["ports"]
    if "Ingress" in objects:
        (path,) = objects["Ingress"]["spec"]["rules"][0]["http"]["paths"]
        assert path["backend"]["service"] == {"name": name, "port": {"name": port["name"]}}
        assert path["path"] == values["settings"]["rootPath"]
    if "HTTPRoute" in objects:
        assert objects["HTTPRoute"]["spec"]["rules"][0]["backendRefs"] == [{"name": name, "port": port["port"]}]
    if "ServiceAccount" in objects:
        assert (
            objects["ServiceAccount"]["metadata"]["name"]
            == (objects["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"])
        )


@every_example
def test_pods_can_change_nothing_but_their_volumes(values):
    user = re.findall(r"^USER (\d+):(\d+)", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[-1]
    for pod in render(values).pods().values():
        security = pod["securityContext"]
        assert security["runAsNonRoot"]
        assert (security["runAsUser"], security["runAsGroup"]) == tuple(map(int, user))
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"])
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        for mount in mounts.values():
            assert mount.get("readOnly") or mount["mountPath"] in ("/tmp", "/data", "/artifacts")


@every_example
def test_each_secret_is_a_file_of_a_secret_that_exists(values):
    rendered = render(values)
    assert "Secret" not in rendered.objects
    for pod in rendered.pods().values():
        (container,) = pod["containers"]
        named = {one["name"]: one["value"] for one in container["env"] if one["name"].endswith("_FILE")}
        volume = next((one for one in pod["volumes"] if one["name"] == "secrets"), {"projected": {"sources": []}})
        files = {item["path"] for one in volume["projected"]["sources"] for item in one["secret"]["items"]}
        assert set(named.values()) == {f"/secrets/{file}" for file in files}
        assert {f"DODONA_{file.upper()}_FILE" for file in files} == set(named)
    (container,) = rendered.pods()["Deployment"]["containers"]
    wanted = {
        setting
        for group, setting in (
            ("database", "DATABASE_URL"),
            ("token", "TOKEN"),
            ("secret", "SECRET"),
            ("oidc", "OIDC_CLIENT_SECRET"),
        )
        if values.get(group, {}).get("existingSecret")
    }
    assert {one["name"] for one in container["env"] if one["name"].endswith("_FILE")} == {
        f"DODONA_{setting}_FILE" for setting in wanted
    }


@every_example
@pytest.mark.parametrize("is_upgrade", [False, True])
def test_the_schema_is_upgraded_before_the_servers_are(values, is_upgrade):
    rendered = render(values, is_upgrade=is_upgrade)
    deployment = rendered.objects["Deployment"]["spec"]
    if values["database"].get("kind") == "sqlite":
        assert "Job" not in rendered.objects
        assert deployment["strategy"] == {"type": "Recreate"}
        return
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    job = rendered.objects["Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # Requests never reach it, and it needs nothing that is installed after it.
    assert not SERVERS.items() <= job["spec"]["template"]["metadata"]["labels"].items()
    created = rendered.objects.get("ServiceAccount", {"metadata": {"name": None}})["metadata"]["name"]
    pod, server = rendered.pods()["Job"], rendered.pods()["Deployment"]
    assert pod["serviceAccountName"] != created
    assert pod["containers"][0]["image"] == server["containers"][0]["image"]


def test_the_chart_the_image_and_the_package_have_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    described = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (described["version"], described["appVersion"]) == (version, version)
    (container,) = render(VALUES["postgresql"]).pods()["Deployment"]["containers"]
    assert container["image"] == f"dodona:{version}"


def test_the_notes_name_the_addresses_and_the_token():
    notes = {name: render(values).notes for name, values in VALUES.items()}
    assert "https://tune.example.org/tuning\n" in notes["ingress"]
    assert "in the Secret dodona, under the key token\n" in notes["ingress"]
    assert "DODONA_URL=http://tuning.ml:8080\n" in notes["httproute"]
    assert "port-forward service/tuning-dodona 8080:8080\n" in notes["postgresql"]
    assert "grep dod_\n" in notes["postgresql"]
    assert [name for name in notes if "checkpoints are not kept" in notes[name]] == ["postgresql"]


def test_helm_lints_the_chart():
    assert list(chart.findings()) == []


def test_lint_finds_what_is_wrong(tmp_path, monkeypatch):
    shutil.copytree(CHART, tmp_path / "dodona")
    service = tmp_path / "dodona" / "templates" / "service.yaml"
    service.write_text(service.read_text().replace("spec:", "spec: ["))
    monkeypatch.setattr(chart, "CHART", tmp_path / "dodona")
    assert any("service.yaml" in said for said in chart.findings())
