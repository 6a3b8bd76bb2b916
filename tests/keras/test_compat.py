"""The private parts of other libraries that the Keras tuner uses stand in one module."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path

import keras_tuner
from keras_tuner.engine import base_tuner

import dodona.keras
from dodona.keras import _compat

CLASSES = (keras_tuner.Oracle, base_tuner.BaseTuner, keras_tuner.Tuner)
FOLDER = Path(dodona.keras.__file__).parent


def private_parts() -> set[str]:
    """Return the underscore methods of KerasTuner's classes, and the attributes that their constructors set."""
    names = {name for one in CLASSES for name in vars(one)}
    for one in CLASSES:
        assigned = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(one.__init__))))
        names |= {node.attr for node in assigned if isinstance(node, ast.Attribute)}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_every_private_part_of_keras_tuner_is_in_compat_or_is_a_listed_override() -> None:
    private = private_parts()
    assert {"_display", "_build_and_fit_model", "_get_checkpoint_fname"} <= private, "the test finds them"
    used = set()
    for path in FOLDER.rglob("*.py"):
        if path.name == "_compat.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "name", None)
            if name in private:
                used.add(name)
    listed = {name for name in private if f"`{name}`" in (_compat.__doc__ or "")}
    assert used == listed


def test_only_compat_imports_private_modules_of_other_libraries() -> None:
    for path in FOLDER.rglob("*.py"):
        source = path.read_text()
        if path.name != "_compat.py":
            assert "keras_tuner.src" not in source, path
            assert "tensorflow.python" not in source, path
            assert "noqa: SLF001" not in source, path
