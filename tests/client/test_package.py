"""What `import dodona` gives, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import dodona


def test_all_is_sorted_and_complete() -> None:
    public = {name for name in vars(dodona) if not name.startswith("_")}
    assert list(dodona.__all__) == sorted(dodona.__all__)
    assert public <= {*dodona.__all__, "commands", "keras", "launch"}, "a public name is missing in __all__"
    assert all(hasattr(dodona, name) for name in dodona.__all__)


def test_version_is_that_of_the_distribution() -> None:
    assert dodona.__version__ == version("dodona")


@pytest.mark.processes
def test_import_stays_thin() -> None:
    heavy = {"keras", "tensorflow", "keras_tuner", "pandas", "plotly", "numpy", "sqlalchemy"}
    heavy |= {"dodona_figures", "dodona_server"}
    code = f"import sys, dodona; found = {heavy!r} & sys.modules.keys(); sys.exit(str(found) if found else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
