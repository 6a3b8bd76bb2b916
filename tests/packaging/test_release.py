"""`make release`, in parts, and the workflow that publishes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml

from tests.packaging.environments import ROOT, normalized, run
from tests.support.patience import patience

SCRIPT = ROOT / ".ci" / "release.py"
FILES = ("pyproject.toml", "CHANGELOG.md", "deploy/helm/dodona/Chart.yaml")


def loaded():
    """The script as a module."""
    spec = spec_from_file_location("release", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = loaded()


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files that have the version, 1.2.0 with a date."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / FILES[0]).write_text('[project]\nname = "dodona"\nversion = "1.2.0"\n')
    (tmp_path / FILES[1]).write_text("# Changelog\n\n## [1.2.0] - 2030-01-31\n\n## [1.1.0] - 2029-12-31\n")
    (tmp_path / FILES[2]).write_text("apiVersion: v2\nversion: 1.2.0\nappVersion: 1.2.0\n")
    return tmp_path


def check(folder: Path, *options: str) -> tuple[int, str]:
    """Return the exit code and what is printed."""
    command = [sys.executable, str(SCRIPT), "--check", str(folder), *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("options", [(), ("--tag", "v1.2.0")])
def test_equal_versions_can_be_released(checkout, options):
    assert check(checkout, *options) == (0, "1.2.0\n")


def test_this_checkout_can_be_built():
    assert check(ROOT)[0] == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "options", "said"),
    [
        (0, "1.2.0", "1.3.0", (), "CHANGELOG.md begins with 1.2.0, but pyproject.toml has the version 1.3.0"),
        (1, "[1.2.0]", "[1.3.0]", (), "CHANGELOG.md begins with 1.3.0, but pyproject.toml has the version 1.2.0"),
        (1, "## [", "## ", (), "CHANGELOG.md has no heading such as '## [1.2.0] - 2030-01-31'"),
        (2, "appVersion: 1.2.0", "appVersion: 1.1.0", (), "has the appVersion 1.1.0, but pyproject.toml has 1.2.0"),
        (2, "\nversion: 1.2.0", "", (), "has the version None, but pyproject.toml has 1.2.0"),
        (1, "2030-01-31", "unreleased", ("--tag", "v1.2.0"), "CHANGELOG.md has no date for 1.2.0, but 'unreleased'"),
        (1, " - 2030-01-31", "", ("--tag", "v1.2.0"), "CHANGELOG.md has no date for 1.2.0, but ''"),
        (1, "x", "x", ("--tag", "1.2.0"), "the tag is 1.2.0, but pyproject.toml has the version 1.2.0"),
        (1, "x", "x", ("--tag", "v1.3.0"), "the tag has to be v1.2.0"),
    ],
)
def test_other_versions_are_refused(checkout, file, old, new, options, said):
    path = checkout / FILES[file]
    path.write_text(path.read_text().replace(old, new))
    code, printed = check(checkout, *options)
    assert code == 1
    assert printed.startswith("release: ")
    assert said in printed


def test_a_version_without_a_date_can_be_built_but_not_tagged(checkout):
    path = checkout / "CHANGELOG.md"
    path.write_text(path.read_text().replace("2030-01-31", "unreleased"))
    assert check(checkout) == (0, "1.2.0\n")
    assert check(checkout, "--tag", "v1.2.0")[0] == 1


def test_the_sdist_contains_what_the_wheel_is_built_from(tmp_path, wheel):
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "dodona-0.0.9.tar.gz").write_text("of the last release")
    sdist, built = release.build(tmp_path / "dist")
    assert built.name == wheel.name
    assert {path.name for path in (tmp_path / "dist").iterdir()} == {sdist.name, built.name}
    assert names(built) == names(wheel)
    with tarfile.open(sdist) as archive:
        folder = sdist.name.removesuffix(".tar.gz")
        assert {f"{folder}/{name}" for name in ("CHANGELOG.md", "LICENSE", "PKG-INFO")} <= set(archive.getnames())


def names(wheel: Path) -> set[str]:
    """The files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_what_does_not_build_is_told(tmp_path, monkeypatch):
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(release, "ROOT", tmp_path)
    with pytest.raises(release.NotReady, match="failed"):
        release.build(tmp_path / "dist")


def test_the_server_is_tried_out(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "START_SECONDS", patience(60))
    programs = Path(sys.executable).parent
    version = release.check_versions(ROOT)
    release.try_out(programs, version, tmp_path)
    with pytest.raises(release.NotReady, match=f"prints 'dodona {version}', not 'dodona 9.9.9'"):
        release.try_out(programs, "9.9.9", tmp_path)


def test_a_server_that_does_not_start_is_told(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dodona").write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo dodona 1.0 && exit\necho broken\nexit 3\n'
    )
    (programs / "dodona").chmod(0o755)
    with pytest.raises(release.NotReady, match="the server does not start: broken"):
        release.try_out(programs, "1.0", tmp_path)


def test_the_sbom_lists_what_is_installed_and_no_path_of_this_machine(tmp_path):
    run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "environment")])
    programs = tmp_path / "environment" / "bin"
    (site,) = (tmp_path / "environment" / "lib").glob("*/site-packages")
    for name, version in (("dodona", "9.9.9"), ("example", "1.0")):
        described = site / f"{name}-{version}.dist-info"
        described.mkdir()
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    release.write_sbom(programs, tmp_path / "sbom.json")
    text = (tmp_path / "sbom.json").read_text()
    read = json.loads(text)
    assert read["bomFormat"] == "CycloneDX"
    assert read["metadata"]["component"]["name"] == "dodona"
    assert {normalized(one["name"]) for one in read["components"]} >= {"example"}
    assert str(tmp_path) not in text


def test_only_the_job_that_publishes_can_ask_pypi():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})] == ["publish"]
    publish = jobs["publish"]
    assert publish["environment"] == "pypi"
    assert publish["permissions"] == {"id-token": "write"}
    assert set(publish["needs"]) == {"test", "build"}
    (upload,) = (step for step in publish["steps"] if step.get("uses", "").startswith("pypa/gh-action-pypi-publish@"))
    assert upload["with"]["attestations"] is True
    assert "password" not in upload["with"]
    assert 'make release TAG="$GITHUB_REF_NAME"' in [step.get("run") for step in jobs["build"]["steps"]]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert (ROOT / ".github" / "workflows" / "ci.yml").is_file()


def test_actionlint_finds_a_wrong_permission(tmp_path):
    (tmp_path / "workflow.yml").write_text(
        (ROOT / ".github" / "workflows" / "release.yml").read_text().replace("id-token: write", "id-tokens: write")
    )
    actionlint = str(Path(sys.executable).parent / "actionlint")
    ended = subprocess.run([actionlint, str(tmp_path / "workflow.yml")], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert 'unknown permission scope "id-tokens"' in ended.stdout
