"""What people install: the wheel, in an environment of its own and away from this checkout."""

from __future__ import annotations

import re
import tomllib
import zipfile

import pytest

from tests.packaging.environments import ROOT, Environment, normalized

# Where each folder of the checkout lies in the wheel.
FOLDERS = {
    "client/dodona": "dodona",
    "client/dodona_cli": "dodona_cli",
    "client/dodona_figures": "dodona_figures",
    "proto_schemas/dodona_schemas": "dodona_schemas",
    "server/dodona_server": "dodona_server",
    "migrations": "dodona_server/migrations",
}


@pytest.fixture(scope="module")
def base(wheel, tmp_path_factory):
    """The wheel alone."""
    environment = Environment(tmp_path_factory.mktemp("environments") / "base")
    environment.install(str(wheel))
    return environment


@pytest.fixture(scope="module")
def with_cli(wheel, tmp_path_factory):
    """The wheel with what `dodona run` needs."""
    environment = Environment(tmp_path_factory.mktemp("environments") / "cli")
    environment.install(f"{wheel}[cli]")
    return environment


def test_the_wheel_holds_the_packages_the_migrations_and_nothing_else(wheel):
    sources = {
        f"{target}/{path.relative_to(ROOT / source)}"
        for source, target in FOLDERS.items()
        for path in (ROOT / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == sources
    assert {
        "dodona/py.typed",
        "dodona_cli/py.typed",
        "dodona_figures/py.typed",
        "dodona_schemas/py.typed",
        "dodona_server/py.typed",
    } <= held
    for kind in (r"migrations/versions/.+\.py", r"web/templates/.+\.html", r"web/static/.+\.css"):
        assert any(re.fullmatch(f"dodona_server/{kind}", name) for name in held), kind


def test_the_base_install_is_the_thin_client(base):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {normalized(re.split(r"[\[<>=; ]", line)[0]) for lines in extras.values() for line in lines}
    installed = base.distributions()
    assert {"dodona", "httpx", "pydantic"} <= installed
    assert installed & named == {"dodona"}
    assert base.run("python", "-W", "error", "-c", "import dodona; dodona.Client(); dodona.Float(0, 1)").stderr == ""


@pytest.mark.parametrize(("command", "extra"), [("serve", "server"), ("run", "cli")])
def test_the_command_says_what_it_lacks(base, command, extra):
    said = base.run("dodona", command)
    assert said.returncode == 1
    lacks = rf"dodona {command} is not fully installed \(No module named '\w+'\): pip install 'dodona\[{extra}\]'\n"
    assert re.fullmatch(lacks, said.stderr)


def test_workers_need_no_server_on_their_machine(with_cli, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import dodona\nprint('ran', dodona.__file__)\n")
    ran = with_cli.run("dodona", "run", "--logs", str(tmp_path), str(script))
    assert ran.returncode == 0, ran.stderr
    (log,) = tmp_path.glob("*.log")
    assert "site-packages" in log.read_text()
    for arguments in (["serve", "--port", "0"], ["serve", "--help"], ["db", "upgrade"]):
        said = with_cli.run("dodona", *arguments)
        assert said.returncode == 1
        assert said.stderr.endswith("pip install 'dodona[server]'\n")
    listed = with_cli.run("dodona", "--help").stdout
    absent = re.findall(r"(\w+) +Not installed: pip install 'dodona\[server\]'", listed)
    assert absent == ["db", "serve", "tokens", "users"]
