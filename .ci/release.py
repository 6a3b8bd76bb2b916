"""The packages of a release: built into dist/, checked, and tried in an empty environment. `make release` runs this."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHART = "deploy/helm/dodona/Chart.yaml"
# The release's packages with what the container has; these are the dependencies that the SBOM lists.
EXTRAS = "server,postgres"
START_SECONDS = 60

USE_THE_SERVER = """
import dodona, sys
with dodona.Client(sys.argv[1]) as client:
    study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", max_trials=2)
    study.optimize(lambda trial: trial.parameters["x"])
    assert [trial.state for trial in study.trials()] == ["SUCCEEDED"] * 2
"""


class NotReady(Exception):
    """The release cannot be made; the message says what to change."""


def check_versions(root: Path, tag: str | None = None) -> str:
    """Return the version of the package, if the changelog and the chart have the same.

    Args:
        root: the folder of the checkout.
        tag: the tag of the release, such as v1.2.0; with it, the changelog needs a date.

    Raises:
        NotReady: they differ, or the changelog has no date.
    """
    version: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    heading = re.search(r"^## \[([^\]]+)\](?: - (.*))?$", (root / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    if heading is None:
        raise NotReady("CHANGELOG.md has no heading such as '## [1.2.0] - 2030-01-31'")
    if heading[1] != version:
        raise NotReady(f"CHANGELOG.md begins with {heading[1]}, but pyproject.toml has the version {version}")
    chart = dict(re.findall(r"^(version|appVersion): (\S+)$", (root / CHART).read_text(), flags=re.MULTILINE))
    for name in ("version", "appVersion"):
        if chart.get(name) != version:
            raise NotReady(f"{CHART} has the {name} {chart.get(name)}, but pyproject.toml has {version}")
    if tag is not None and tag != f"v{version}":
        raise NotReady(f"the tag is {tag}, but pyproject.toml has the version {version}: the tag has to be v{version}")
    if tag is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", heading[2] or ""):
        raise NotReady(
            f"CHANGELOG.md has no date for {version}, but '{heading[2] or ''}': write the day of the release"
        )
    return version


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Return what a command prints; its errors are shown.

    Raises:
        NotReady: it failed.
    """
    ended = subprocess.run(list(map(str, command)), cwd=cwd, env=environment(), stdout=subprocess.PIPE, text=True)
    if ended.returncode != 0:
        raise NotReady(f"{Path(command[0]).name} failed: {ended.stdout.strip()}")
    return ended.stdout


def environment() -> dict[str, str]:
    """Return the variables of this process without Dodona's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DODONA_")}


def build(folder: Path) -> tuple[Path, Path]:
    """Return the sdist, and the wheel that is built from it, in an emptied folder."""
    if folder.exists():
        shutil.rmtree(folder)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    return sdist, wheel


def install(wheel: Path, folder: Path) -> Path:
    """Return the folder of the programs of a new environment with nothing but the wheel and what it needs."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    programs = folder / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet")
    run(*pip, "--constraint", ROOT / "constraints.txt", f"{wheel}[{EXTRAS}]")
    return programs


def try_out(programs: Path, version: str, folder: Path) -> None:
    """Run the server of an environment in an empty folder, and a study on it.

    Raises:
        NotReady: the version is another, or the server does not start, work and stop.
    """
    said = run(programs / "dodona", "--version", cwd=folder).strip()
    if said != f"dodona {version}":
        raise NotReady(f"dodona --version prints '{said}', not 'dodona {version}'")
    log = folder / "server.log"
    with log.open("w") as output:
        command = [str(programs / "dodona"), "serve", "--port", "0"]
        server = subprocess.Popen(command, cwd=folder, env=environment(), stdout=output, stderr=output)
    try:
        run(programs / "python", "-c", USE_THE_SERVER, wait_for_address(server, log), cwd=folder)
        server.send_signal(signal.SIGTERM)
        if code := server.wait(START_SECONDS):
            raise NotReady(f"the server ended with {code}: {log.read_text()}")
    finally:
        server.kill()
        server.wait()


def wait_for_address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address of a server once it listens."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        said = log.read_text()
        if "startup complete" in said and (address := re.search(r"listening on (\S+)", said)):
            return address[1]
        time.sleep(0.1)
    raise NotReady(f"the server does not start: {log.read_text()}")


def write_sbom(programs: Path, file: Path) -> None:
    """Write what an environment has as CycloneDX JSON."""
    named = ("--pyproject", ROOT / "pyproject.toml", "--mc-type", "application")
    form = ("--output-format", "JSON", "--output-reproducible", "--short-PURLs", "--output-file", file)
    run(sys.executable, "-m", "cyclonedx_py", "environment", *named, *form, programs / "python")


def release(tag: str | None) -> None:
    """Build everything into dist/, and print what is there."""
    version = check_versions(ROOT, tag)
    dist = ROOT / "dist"
    sdist, wheel = build(dist)
    sbom = dist / f"dodona-{version}.cdx.json"
    with tempfile.TemporaryDirectory() as folder:
        programs = install(wheel, Path(folder) / "environment")
        empty = Path(folder) / "empty"
        empty.mkdir()
        try_out(programs, version, empty)
        write_sbom(programs, sbom)
    for file in (sdist, wheel, sbom):
        print(f"{file.relative_to(ROOT)}  {file.stat().st_size:,} bytes")


def main() -> int:
    """Make the release, or check that it can be made; return 1 with one line if not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", help="the tag of the release, such as v1.2.0")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="only check the versions of this checkout")
    arguments = parser.parse_args()
    try:
        if arguments.check:
            print(check_versions(arguments.check, arguments.tag))
        else:
            release(arguments.tag)
    except NotReady as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
