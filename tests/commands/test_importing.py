"""`dodona import` before there is anything to bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.patience import patience

# Ends the command as soon as TensorFlow is asked for.
SCRIPT = """
import sys
sys.modules["keras_tuner"] = sys.modules["keras"] = sys.modules["tensorflow"] = None
sys.argv = ["dodona", "import", "keras-tuner", *sys.argv[1:]]
from dodona_cli import main
main()
"""


def refused(folder: Path) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, timeout=patience(60)
    )
    assert ended.returncode == 2, ended.stderr
    return ended.stderr


def test_the_folder_is_looked_for_before_tensorflow_is_loaded(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert refused(nowhere).strip() == f"dodona: {nowhere} is not a project of KerasTuner: it has no oracle.json"
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "oracle.json").touch()
    assert refused(tmp_path).strip().endswith(f"it has no oracle.json; do you mean {tmp_path / 'project'}?")
