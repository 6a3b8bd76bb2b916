"""PostgreSQL's pipeline: writes are sent together with the next statement whose answer is needed.

The seam: only `postgres` opens a pipeline, and only `statement.send` uses one that is open. Anything else sends through
SQLAlchemy, after `pause`.

psycopg's own pipeline uses the socket at each statement, which was most of the cost of a call of the trial loop. This
one uses libpq directly, through `psycopg.pq`, and prepares each statement once for each connection.
"""

from __future__ import annotations

import itertools
import select
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.types.string import TextLoader

Row = tuple[Any, ...]
# Readers for PostgreSQL's types by type number: bool, the integers, text, the floats, varchar. psycopg reads all other
# types.
_READ: dict[int, Callable[[bytes], Any]] = {
    16: b"t".__eq__,
    20: int,
    21: int,
    23: int,
    25: bytes.decode,
    700: float,
    701: float,
    1043: bytes.decode,
}
_STATEMENT, _SYNC = object(), object()
_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)


@dataclass(eq=False, slots=True)
class Ahead:
    """A statement that was sent, whose rows are read later.

    Args:
        text: the statement.
        answer: once it has been received.
    """

    text: str
    answer: pq.abc.PGresult | None = None


class Pipeline:
    """Pipeline of a connection.

    Args:
        connection: psycopg's connection, which others use only while the pipeline is closed or paused.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._names = (b"dodona%d" % number for number in itertools.count())
        self._prepared: dict[str, bytes] = {}
        # How to read the columns of a statement's answer, by its text. This is fixed while the statement is prepared.
        self._columns: dict[str, list[tuple[int, Callable[[bytes], Any]]]] = {}
        self._unsent = False
        # Whether BEGIN was sent. Without it, everything up to the next synchronization is one transaction.
        self._begun = False
        # For each answer that is still to come: the text that it prepares, or what else it answers.
        self._awaited: deque[str | Ahead | object] = deque()
        self.is_open = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a transaction: commit it at the end, roll it back if something is raised.

        Raises:
            psycopg.Error: a statement failed, or the database did; nothing is changed, unless the connection was lost
                during the commit.
        """
        self.is_open = True
        try:
            yield
            if self._begun:
                self.send("COMMIT", (), answers=False)
            self._finish()
        except BaseException:
            if self._pg.status == pq.ConnStatus.OK:
                self._undo()
            raise
        finally:
            self.is_open = self._begun = False

    def pause(self) -> None:
        """Wait until all sent statements are done, so that others can use the connection before the next one.

        Raises:
            psycopg.Error: a statement failed.
        """
        if not self._begun:
            self._begin()
        self._finish()

    def _begin(self) -> None:
        """Let the transaction, with what was already sent in it, last until COMMIT or ROLLBACK."""
        self.send("BEGIN", (), answers=False)
        self._begun = True

    def _finish(self) -> None:
        """Synchronize, which commits unless BEGIN was sent, and leave libpq's pipeline."""
        if self._pg.pipeline_status == pq.PipelineStatus.OFF:
            return
        self._sync()
        self._answers()
        self._pg.exit_pipeline_mode()

    def send(self, text: str, values: Sequence[Any], *, answers: bool) -> Sequence[Row]:
        """Return the rows that a statement answers with.

        Args:
            text: the statement, with its parameters as $1, $2 and so on.
            values: the values of the parameters.
            answers: whether to wait for the rows; otherwise a failure shows at a later statement.

        Raises:
            psycopg.Error: this statement failed, or one before it.
        """
        self._queue(text, values, _STATEMENT)
        if not answers:
            return ()
        self._pg.send_flush_request()
        return self._rows(text, self._answers())

    def ahead(self, text: str, values: Sequence[Any]) -> Ahead:
        """Send a statement together with the next one whose answer is needed, and return what `rows_of` takes."""
        self._queue(text, values, sent := Ahead(text))
        return sent

    def rows_of(self, sent: Ahead) -> Sequence[Row]:
        """Return the rows of a statement that was sent ahead.

        Raises:
            psycopg.Error: this statement failed, or another one.
        """
        if sent.answer is None:
            self._pg.send_flush_request()
            self._answers()
        return self._rows(sent.text, sent.answer)

    def _queue(self, text: str, values: Sequence[Any], awaited: Ahead | object) -> None:
        if self._pg.pipeline_status == pq.PipelineStatus.OFF:
            self._pg.enter_pipeline_mode()
        name = self._prepared.get(text)
        if name is None:
            self._prepared[text] = name = next(self._names)
            self._pg.send_prepare(name, text.encode())
            self._awaited.append(text)
        self._pg.send_query_prepared(name, [_written(value) for value in values])
        self._awaited.append(awaited)

    def _rows(self, text: str, answer: pq.abc.PGresult | None) -> Sequence[Row]:
        if answer is None or not answer.ntuples:
            return []
        columns = self._columns.get(text)
        if columns is None:
            columns = [(column, self._reader(answer.ftype(column))) for column in range(answer.nfields)]
            self._columns[text] = columns
        value = answer.get_value
        return [
            tuple([None if (data := value(row, column)) is None else read(data) for column, read in columns])
            for row in range(answer.ntuples)
        ]

    def _reader(self, kind: int) -> Callable[[bytes], Any]:
        """Return a function that reads PostgreSQL's text form of the type `kind`."""
        if (read := _READ.get(kind)) is not None:
            return read
        loader = self._connection.adapters.get_loader(kind, pq.Format.TEXT) or TextLoader
        return loader(kind, self._connection).load

    def _sync(self) -> None:
        self._pg.pipeline_sync()
        self._awaited.append(_SYNC)

    def _undo(self) -> None:
        try:
            self._roll_back()
        except BaseException:
            # The next transaction would take the remaining answers for its own.
            self._connection.close()
            raise

    def _roll_back(self) -> None:
        if not self._begun:
            self._begin()
        # Skipped if a statement has failed, like all that follows it up to the synchronization.
        self.send("ROLLBACK", (), answers=False)
        self._sync()
        self._flush()
        while self._awaited:
            # The failure is already known.
            self._take()
        if self._pg.transaction_status == pq.TransactionStatus.INERROR:
            self.send("ROLLBACK", (), answers=False)
        self._finish()

    def _answers(self) -> pq.abc.PGresult | None:
        """Receive all outstanding answers, and return the last one to a statement.

        Raises:
            psycopg.Error: a statement failed.
        """
        last = None
        self._flush()
        while self._awaited:
            answer = self._take()
            if answer is not None and answer.status in _FAILED:
                raise _error(answer)
            last = answer or last
        return last

    def _take(self) -> pq.abc.PGresult | None:
        """Receive the next answer; return None if it does not belong to a statement."""
        answer, awaited = self._next(), self._awaited.popleft()
        if answer is None:
            raise psycopg.OperationalError("PostgreSQL gave no answer")
        if awaited is _SYNC:
            if answer.status not in _FAILED:
                return None
            # The commit has failed. The end of the synchronization follows.
            self._awaited.appendleft(_SYNC)
        elif isinstance(awaited, str) and answer.status in _FAILED:
            del self._prepared[awaited]
        elif isinstance(awaited, Ahead):
            awaited.answer = answer
        # The end of the answers to one statement.
        self._next()
        return answer

    def _flush(self) -> None:
        self._unsent = bool(self._pg.flush())

    def _next(self) -> pq.abc.PGresult | None:
        """Return libpq's next result; None at the end of a statement's answers."""
        pg = self._pg
        while pg.is_busy():
            poll = select.poll()
            poll.register(pg.socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            poll.poll()
            pg.consume_input()
            if self._unsent:
                self._flush()
        return pg.get_result()


def _written(value: Any) -> bytes | None:
    """Return a parameter as text; PostgreSQL knows its type from the statement."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, (int, float)):
        return repr(value).encode()
    raise TypeError(f"{value!r} is of no type that a statement takes")


def _error(answer: pq.abc.PGresult) -> psycopg.Error:
    state = (answer.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    try:
        kind = errors.lookup(state)
    except KeyError:
        kind = psycopg.OperationalError
    return kind(answer.get_error_message())
