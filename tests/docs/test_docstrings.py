"""Docstrings of functions begin with a verb, as CONTRIBUTING.md asks."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROPERTIES = {"property", "cached_property", "functools.cached_property"}
NO_VERBS = {"A", "An", "How", "Returns", "Takes", "The", "What", "Whether", "Which", "Who", "Why"}


def test_docstrings_of_functions_begin_with_a_verb():
    checked, found = 0, []
    for path in [path for folder in ("client", "proto_schemas", "server") for path in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            text = ast.get_docstring(node)
            if text and PROPERTIES.isdisjoint(map(ast.unparse, node.decorator_list)):
                checked += 1
                if text.split()[0] in NO_VERBS:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {text.splitlines()[0]}")
    assert checked > 2000
    assert found == []
