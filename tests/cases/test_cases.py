"""Scripts that each show a fault once found by real use or attack; each exits 0 as long as it stays mended."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import patience
from tests.support.processes import environment

SCRIPTS = Path(__file__).parent / "scripts"
NAMES = sorted(script.name for script in SCRIPTS.glob("*.py") if script.name != "serving.py")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_fault_is_mended(name, request, tmp_path, monkeypatch):
    script = SCRIPTS / name
    if "import keras" in script.read_text():
        in_this_process(script, request.getfixturevalue("server_url"), monkeypatch)
        return
    # Some look into the server's process and start one of their own.
    own_server = "from serving import" in script.read_text()
    variables = {} if own_server else {"DODONA_URL": request.getfixturevalue("server_url")}
    run = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment(TF_CPP_MIN_LOG_LEVEL="3", **variables),
        capture_output=True,
        text=True,
        timeout=patience(280),
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"


def in_this_process(script, url, monkeypatch):
    """Runs a script without importing TensorFlow once more, which takes longer than the script."""
    monkeypatch.setenv("DODONA_URL", url)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert not ended.value.code
