"""Carries a Dockerfile out without a container engine, in a folder that stands for the image's file system."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.packaging.environments import run

# An absolute path of the image, at the start of a word.
_IMAGE_PATH = re.compile(r"(?<![\w.:/-])/(?=\w)")


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


def needed(instructions: list[Instruction], target: str | None) -> list[Instruction]:
    """Return the instructions of the target and of the stages that it is built from."""
    stages: dict[str, list[Instruction]] = {}
    name = ""
    for instruction in instructions:
        if instruction.name == "FROM":
            name = instruction.words()[-1]
        stages.setdefault(name, []).append(instruction)
    wanted = {target or name}
    for name in reversed(stages):
        if name in wanted:
            wanted |= {stages[name][0].words()[0], *(one.flags.get("from", "") for one in stages[name])}
    return [instruction for name in stages if name in wanted for instruction in stages[name]]


@dataclass
class Stage:
    """What has been built since a FROM."""

    base: str
    name: str = ""
    workdir: str = "/"
    user: str = "root"
    arguments: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    exposed: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    healthcheck: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


class Image:
    """A stage of a Dockerfile, the last one by default; its file system begins at `root`.

    The base image's Python is the one that runs this. Every stage is built at `root`, since a virtual environment
    holds its own path, and then moved out of the way of the next.

    Args:
        dockerfile: its text.
        context: the folder that COPY takes from.
        folder: an empty one to build in.
        target: the name of the stage.
        arguments: the values of `docker build --build-arg`.
    """

    def __init__(
        self, dockerfile: str, context: Path, folder: Path, target: str | None = None, **arguments: str
    ) -> None:
        self._context = context
        self._folder = folder
        self._arguments = arguments
        self.root = folder / "root"
        self.stages: list[Stage] = []
        self._name = ""
        for instruction in needed(read(dockerfile), target):
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
        stage = Stage(base)
        if (self._folder / base).is_dir():
            shutil.copytree(self._folder / base, self.root, symlinks=True)
            stage = copy.deepcopy(next(one for one in self.stages if one.name == base))
        else:
            self.root.mkdir()
        stage.name = self._name
        self.stages.append(stage)

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

    def _arg(self, instruction: Instruction) -> None:
        name, _, default = instruction.rest.partition("=")
        self.stages[-1].arguments[name] = self._arguments.get(name, default)

    def _run(self, instruction: Instruction) -> None:
        python = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": ""}
        variables = {**os.environ, **python, **self.stages[-1].arguments}
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
