"""Carries a Dockerfile out without a container engine, in a folder that stands for the image's file system."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.packaging.environments import run

# An absolute path of the image: at the start of a word, and the file that an SQLite URL names.
_IMAGE_PATH = re.compile(r"(?<![\w.:/-])/(?=\w)|(?<=sqlite:///)/(?=\w)")


@dataclass(frozen=True)
class Instruction:
    """One instruction: `NAME --flag=value rest`."""

    name: str
    flags: dict[str, str]
    rest: str

    def words(self) -> list[str]:
        """The rest as a list, written in JSON or not."""
        if self.rest.startswith("["):
            listed: list[str] = json.loads(self.rest)
            return listed
        return self.rest.split()


def read(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile."""
    lines = "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    found = []
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        name, rest = line.split(maxsplit=1)
        flags = {}
        while match := re.match(r"--([\w-]+)=(\S+)\s+", rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        found.append(Instruction(name, flags, rest))
    return found


@dataclass
class Stage:
    """What has been built since a FROM."""

    base: str
    workdir: str = "/"
    user: str = "root"
    variables: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    exposed: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    healthcheck: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


class Image:
    """The last stage of a Dockerfile; its file system begins at `root`.

    The base image's Python is the one that runs this. Every stage is built at `root`, since a virtual environment
    holds its own path, and then moved out of the way of the next.

    Args:
        dockerfile: its text.
        context: the folder that COPY takes from.
        folder: an empty one to build in.
    """

    def __init__(self, dockerfile: str, context: Path, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self.root = folder / "root"
        self.stages: list[Stage] = []
        self._name = ""
        for instruction in read(dockerfile):
            getattr(self, f"_{instruction.name.lower()}")(instruction)
        self.stage = self.stages[-1]

    def path(self, inside: str) -> Path:
        """Where a path of the image lies; a relative one starts at the working directory."""
        return self.root / os.path.join(self.stages[-1].workdir, inside).lstrip("/")

    def environment(self) -> dict[str, str]:
        """The variables of the image, with its paths where they lie; PATH has nothing of this machine's Python."""
        path = self.stages[-1].variables.get("PATH", "$PATH").replace("$PATH", os.defpath.strip(":"))
        return {name: self._placed(value) for name, value in {**self.stages[-1].variables, "PATH": path}.items()}

    def _placed(self, text: str) -> str:
        return _IMAGE_PATH.sub(f"{self.root}/", text)

    def _from(self, instruction: Instruction) -> None:
        if self.stages:
            self.root.rename(self._folder / self._name)
        base, *name = instruction.words()
        self._name = name[-1] if name else str(len(self.stages))
        self.root.mkdir()
        self.stages.append(Stage(base))

    def _workdir(self, instruction: Instruction) -> None:
        self.stages[-1].workdir = instruction.rest
        self.path("").mkdir(parents=True, exist_ok=True)

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = instruction.words()
        start = self._folder / instruction.flags["from"] if "from" in instruction.flags else self._context
        for source in sources:
            origin = start / source.lstrip("/")
            destination = self.path(target) / origin.name if target.endswith("/") else self.path(target)
            destination.parent.mkdir(parents=True, exist_ok=True)
            if origin.is_dir():
                shutil.copytree(origin, destination, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(origin, destination)
        self.stages[-1].owners[target] = instruction.flags.get("chown", "root")

    def _run(self, instruction: Instruction) -> None:
        variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        run(["sh", "-c", self._placed(instruction.rest)], cwd=self.path(""), env=variables)

    def _env(self, instruction: Instruction) -> None:
        self.stages[-1].variables |= dict(word.split("=", 1) for word in instruction.words())

    def _user(self, instruction: Instruction) -> None:
        self.stages[-1].user = instruction.rest

    def _volume(self, instruction: Instruction) -> None:
        self.stages[-1].volumes += instruction.words()

    def _expose(self, instruction: Instruction) -> None:
        self.stages[-1].exposed += instruction.words()

    def _healthcheck(self, instruction: Instruction) -> None:
        assert instruction.rest.startswith("CMD ")
        self.stages[-1].healthcheck = json.loads(instruction.rest.removeprefix("CMD "))

    def _cmd(self, instruction: Instruction) -> None:
        self.stages[-1].command = instruction.words()
