"""The Helm chart: rendered and linted by Helm's own library, without a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import yaml

from tests.packaging.environments import ROOT

CHART = ROOT / "deploy" / "helm" / "dodona"
# Examples of values, one file each.
VALUES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CHART / "ci").glob("*.yaml"))}
RELEASE, NAMESPACE = "tuning", "ml"
# There is no wheel for Linux on ARM.
HAS_HELM = find_spec("helm_python") is not None
WARNING = 2


@dataclass(frozen=True)
class Rendered:
    """What Helm would install: objects by kind, and the notes."""

    objects: dict[str, dict[str, Any]]
    notes: str

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the specs of all pods, by the kind of their owner."""
        return {kind: self.objects[kind]["spec"]["template"]["spec"] for kind in POD_OWNERS if kind in self.objects}


POD_OWNERS = ("Deployment", "Job")


def render(values: dict[str, Any], is_upgrade: bool = False) -> Rendered:
    """Return what the chart makes of the values; the schema is checked first, as by `helm install`."""
    import helm_python

    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name=RELEASE, namespace=NAMESPACE, is_upgrade=is_upgrade)
    notes = files.pop("dodona/templates/NOTES.txt")
    found = [one for text in files.values() for one in yaml.safe_load_all(text) if one]
    objects = {one["kind"]: one for one in found}
    assert len(objects) == len(found), "several objects of one kind"
    return Rendered(objects, notes)


def merged(*all_values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with later ones over earlier ones, as by several `--values`."""
    result: dict[str, Any] = {}
    for values in all_values:
        for key, value in values.items():
            result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


def findings() -> Iterator[str]:
    """Yield what `helm lint --strict` says about the chart, with each of the examples."""
    import helm_python

    for name, values in VALUES.items():
        report = helm_python.lint(CHART, values, strict=True)
        worst = [f"{one['path']}: {one['error']}" for one in report["messages"] if one["severity"] >= WARNING]
        yield from (f"{name}: {said}" for said in [*worst, *report["errors"]])


def main() -> int:
    """Print the findings; return 1 if there are any."""
    if not HAS_HELM:
        print("helm-python-sdk has no wheel for this machine: the chart is not linted", file=sys.stderr)
        return 0
    found = list(findings())
    print("\n".join(found) or f"the chart is fine with {', '.join(VALUES)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
