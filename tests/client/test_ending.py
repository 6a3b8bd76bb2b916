"""How a script ends that meets an error which a person can mend."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import dodona
from dodona import Client, Float
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment

pytestmark = pytest.mark.processes

CREATE = """
import dodona
client = dodona.Client(retry=dodona.Retry(first_patience_seconds=0.1))
study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")
"""


@dataclass
class Ended:
    """How a script has ended: what it said on stderr, line by line, without the log of the client."""

    code: int
    words: list[str]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ended]:
    """Runs `train.py` in its folder."""

    def run(script: str, **variables: str) -> Ended:
        (tmp_path / "train.py").write_text(script)
        command = [sys.executable, "train.py"]
        places = {"env": environment(**variables), "cwd": tmp_path}
        ended = subprocess.run(command, **places, capture_output=True, text=True, timeout=patience(120))
        logged = ("the server at ", "nothing to run: ")
        return Ended(ended.returncode, [line for line in ended.stderr.splitlines() if not line.startswith(logged)])

    return run


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, DODONA_TOKEN="the-long-token-of-the-server").start()
    yield server
    server.stop()


def test_an_address_without_a_server(run: Callable[..., Ended]) -> None:
    ended = run(CREATE, DODONA_URL="http://127.0.0.1:9")
    assert (ended.code, len(ended.words)) == (1, 1)
    assert ended.words[0].startswith("dodona.ServerUnreachable: no server answered at http://127.0.0.1:9 ")


def test_a_token_that_is_not_the_servers(run: Callable[..., Ended], guarded: ServerProcess) -> None:
    ended = run(CREATE, DODONA_URL=guarded.url, DODONA_TOKEN="another-token")
    assert (ended.code, len(ended.words)) == (1, 1)
    assert ended.words[0].startswith("dodona.Unauthenticated: the token is not this server's: set DODONA_TOKEN")


def test_another_spec(run: Callable[..., Ended], server_url: str) -> None:
    Client(server_url).create_study("s", {"x": Float(0, 2)}, goal="minimize")
    ended = run(CREATE, DODONA_URL=server_url)
    place, reason = ended.words
    assert ended.code == 1
    assert place == 'train.py, line 4: study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")'
    assert reason.startswith("dodona.AlreadyExists: ")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('client.create_study("s", {"x": dodona.Float(0, 1)}, goal="best")', "the goal of 'objective' is 'best'"),
        ('client.create_study("s", goal="minimize", max_trials="many")', "max_trials"),
        ('client.create_study("s", spec=3)', "spec"),
        ("dodona.Float(2, 1)", "min 2 is above max 1"),
        ('dodona.Client("nowhere")', "'nowhere' is not the address of a server"),
    ],
)
def test_arguments_that_make_no_sense(run: Callable[..., Ended], server_url: str, line: str, reason: str) -> None:
    # What is wrong stands in a function, which another one calls.
    script = f"import dodona\nclient = dodona.Client()\ndef study():\n    return {line}\nstudy()\n"
    ended = run(script, DODONA_URL=server_url)
    assert (ended.code, ended.words[:-1]) == (1, [f"train.py, line 4: return {line}"])
    assert ended.words[-1].startswith("ValueError: ")
    assert reason in ended.words[-1]


def test_within_the_users_own_objective(run: Callable[..., Ended], server_url: str) -> None:
    script = CREATE + "def objective(trial):\n    trial.report('much')\nstudy.optimize(objective)\n"
    ended = run(script, DODONA_URL=server_url)
    assert (ended.code, ended.words[:-1]) == (1, ["train.py, line 6: trial.report('much')"])
    assert "'much'" in ended.words[-1]


def test_in_a_script_of_keras(run: Callable[..., Ended], server_url: str) -> None:
    script = (
        "import dodona.keras\n"
        "class Own(dodona.keras.BaseTuner):\n"
        "    def run_trial(self, trial):\n"
        "        return {'other': trial.hyperparameters.Float('x', 0, 1)}\n"
        "Own(objective='loss', study_id='s', max_trials=1).search()\n"
    )
    ended = run(script, TF_CPP_MIN_LOG_LEVEL="3", DODONA_URL=server_url)
    assert ended.code == 1
    # TensorFlow has written a few lines of its own before.
    assert not any("Traceback" in word or " File " in word for word in ended.words)
    assert ended.words[-2] == "train.py, line 5: Own(objective='loss', study_id='s', max_trials=1).search()"
    assert ended.words[-1].startswith("dodona.keras._mapping.results.MissingObjective: ")


@pytest.mark.parametrize(
    "script",
    [
        CREATE + "raise ValueError('mine')\n",
        CREATE + "def objective(trial):\n    raise ValueError('mine')\nstudy.optimize(objective)\n",
        "import dodona, json\njson.loads('{')\n",
        "import dodona\ndodona.Client().create_study(other='s')\n",
        "import dodona\nraise KeyboardInterrupt\n",
    ],
)
def test_all_other_errors_keep_their_traceback(run: Callable[..., Ended], server_url: str, script: str) -> None:
    ended = run(script, DODONA_URL=server_url)
    assert ended.code != 0
    assert "Traceback (most recent call last):" in ended.words


def test_the_whole_traceback_for_who_wants_it(run: Callable[..., Ended], server_url: str) -> None:
    wrong = "import dodona\ndodona.Float(2, 1)\n"
    assert run(wrong, DODONA_TRACEBACK="1").words[0] == "Traceback (most recent call last):"
    assert len(run(wrong, DODONA_TRACEBACK="0").words) == 2
    caught = "import dodona, traceback\ntry:\n    dodona.Float(2, 1)\nexcept ValueError:\n    traceback.print_exc()\n"
    ended = run(caught)
    assert (ended.code, ended.words[0]) == (0, "Traceback (most recent call last):")
    assert any("_space.py" in line for line in ended.words)


def test_a_program_keeps_its_own_hook(run: Callable[..., Ended]) -> None:
    hook = "import sys\nsys.excepthook = lambda kind, error, frames: print('theirs:', error, file=sys.stderr)\n"
    for script in (hook + "import dodona\n", "import dodona\n" + hook):
        ended = run(script + "dodona.Float(2, 1)\n")
        assert (ended.code, len(ended.words)) == (1, 1)
        assert ended.words[0].startswith("theirs: Float(min=2, max=1, ")
    chained = "import dodona, sys\nbefore = sys.excepthook\n"
    chained += "def hook(*error):\n    print('seen', file=sys.stderr)\n    before(*error)\nsys.excepthook = hook\n"
    assert len(run(chained + "dodona.Float(2, 1)\n").words) == 3


def test_what_a_name_must_not_do_to_a_terminal(run: Callable[..., Ended]) -> None:
    raised = 'import dodona\nraise dodona.ServerError(500, "INTERNAL", "\\x1b[2J one\\ntwo \\u202e three")\n'
    assert run(raised).words[-1] == "dodona.ServerError: \\x1b[2J one two \\u202e three"


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "this server needs its token: set DODONA_TOKEN"),
        ("another-token", "the token is not this server's: set DODONA_TOKEN"),
    ],
)
def test_a_missing_token_and_a_wrong_one(guarded: ServerProcess, token: str | None, message: str) -> None:
    with pytest.raises(dodona.Unauthenticated, match=message):
        Client(guarded.url, token=token).get_study("s")


def test_all_errors_go_by_the_name_under_which_they_are_imported() -> None:
    assert str(dodona.NotFound) == "<class 'dodona.NotFound'>"
    assert {getattr(dodona, one.__name__) for one in dodona.ApiError.__subclasses__()} == set(
        dodona.ApiError.__subclasses__()
    )
