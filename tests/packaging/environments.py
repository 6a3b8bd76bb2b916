"""Wheels, and virtual environments to try them in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.processes import environment

ROOT = Path(__file__).parents[2]


def run(command: Sequence[str], **options: Any) -> None:
    """Runs a command that has to succeed; what it says is shown if it does not."""
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}"


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, built into `folder`."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    run(command)
    (wheel,) = folder.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment with nothing in it, in `folder`."""

    def __init__(self, folder: Path) -> None:
        run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        self.bin = folder / "bin"
        self._folder = folder

    def install(self, requirement: str) -> None:
        """Installs what `requirement` names, with uv where there is one."""
        python = str(self.bin / "python")
        if uv := shutil.which("uv"):
            command = [uv, "pip", "install", "--quiet", "--python", python, requirement]
        else:
            pip = [sys.executable, "-m", "pip", "--python", python]
            command = [*pip, "install", "--quiet", "--no-compile", requirement]
        run(command)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of this environment to its end, in an empty folder."""
        empty = self._folder / "empty"
        empty.mkdir(exist_ok=True)
        return subprocess.run(
            [str(self.bin / command), *arguments],
            cwd=empty,
            env=environment(),
            capture_output=True,
            text=True,
        )

    def distributions(self) -> set[str]:
        """The names of what is installed."""
        code = "import json, importlib.metadata as m; print(json.dumps([d.name for d in m.distributions()]))"
        return {normalized(name) for name in json.loads(self.run("python", "-c", code).stdout)}


def normalized(name: str) -> str:
    """A distribution's name in the one way to write it."""
    return name.lower().replace("_", "-")
