"""The queue of pushes: kept on disk, sent in order, tried again after a failure, joined to a digest when many wait. Nothing is dropped silently."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ...clock import Waker
from ...database import Database
from ...errors import FmzError, InputError, OperationFailed, VenueRejected
from ..access import PLATFORM
from ..store.audit import AuditTrail
from .channels import PushChannel, PushChannels, digest_limit, push_client, secrets_of, send_push, shortened

__all__ = ["PushQueue", "QueuedPush"]

_log = logging.getLogger("fmzthreads.platform")
# So many messages for one channel at once, or more, become one digest, of at most so many messages.
_DIGEST_FROM, _DIGEST_MOST = 3, 100
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 5_000, 3_600_000
_MOST_TRIES = 20  # about ten hours
_KEPT_MS = 30 * 86_400_000  # how long sent messages can be looked at
_LONGEST_BODY = 8_000


@attrs.frozen(kw_only=True)
class QueuedPush:
    """A message in the queue.

    Attributes:
        id: Its number.
        channel_id: Its channel.
        robot_id: Its robot; 0 for the platform itself.
        time_ms: When it was queued.
        title: Its title.
        body: Its text.
        state: ``waiting``, ``sent`` or ``failed``.
        tries: How often it was tried.
        next_ms: When it is tried next.
        error: Why the last try failed.
    """

    id: int
    channel_id: int
    robot_id: int
    time_ms: int
    title: str
    body: str
    state: str
    tries: int
    next_ms: int
    error: str


class PushQueue:
    """The queue and the thread that sends.

    Args:
        database: The platform's file.
        channels: The channels.
        audit: The audit trail, which records messages that are given up.
        send: Sends one message to a channel; None for ``send_push``.
        now_ms: The time, in milliseconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        channels: PushChannels,
        audit: AuditTrail,
        send: Callable[[PushChannel, str, str], None] | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._database = database
        self.channels = channels
        """The channels."""
        self._audit = audit
        self._now_ms = now_ms
        self._client: Any = None
        self._send = send or self._send_really
        self._bell = Waker()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._swept_ms = 0  # of the sending thread only

    def start(self) -> None:
        """Starts the sending thread."""
        self._thread = threading.Thread(target=self._run, name="fmzthreads-pushes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; what waits is sent by a later platform."""
        self._end.set()
        self._bell.wake()
        if self._client is not None:
            self._client.close()
        if self._thread is not None:
            self._thread.join(20.0)

    def add(self, title: str, bodies: Sequence[str], robot_id: int = 0) -> None:
        """Queues messages for every channel.

        Args:
            title: The title of all.
            bodies: Their texts.
            robot_id: The robot; 0 for the platform itself.

        Raises:
            OperationFailed: They cannot be stored; none of them was.
        """
        rows = self._database.execute("SELECT id FROM push_channels WHERE disabled = 0")
        now = self._now_ms()
        statement = "INSERT INTO pushes (channel_id, robot_id, time_ms, title, body, state, next_ms) VALUES (?,?,?,?,?,'waiting',?)"
        statements = [
            (statement, (row[0], robot_id, now, _storable(title)[:200], shortened(_storable(body), _LONGEST_BODY), now))
            for row in rows
            for body in bodies
        ]
        if statements:
            self._database.execute_all(statements)
            self._bell.wake()

    def test(self, channel_id: int) -> str:
        """Sends a test message to a channel now; returns why that failed, or an empty text.

        Raises:
            InputError: There is no such channel.
        """
        for channel in self.channels.all():
            if channel.id == channel_id:
                return self._tried(channel, "fmzthreads", "A test message of your platform.")[0]
        raise InputError(f"no channel {channel_id}")

    def all(self, *, state: str = "", limit: int = 100) -> list[QueuedPush]:
        """Messages, newest first, of one state or of all."""
        names = [field.name for field in attrs.fields(QueuedPush)]
        rows = self._database.execute(
            f"SELECT {', '.join(names)} FROM pushes WHERE (? = '' OR state = ?) ORDER BY id DESC LIMIT ?",  # noqa: S608
            (state, state, limit),
        )
        return [QueuedPush(**dict(zip(names, row, strict=True))) for row in rows]

    def retry(self, push_id: int) -> None:
        """Has a message that was given up tried again."""
        self._database.execute(
            "UPDATE pushes SET state = 'waiting', tries = 0, next_ms = ? WHERE id = ? AND state = 'failed'",
            (self._now_ms(), push_id),
        )
        self._bell.wake()

    def send_round(self) -> None:
        """Sends what is due, one message or digest for each channel."""
        now = self._now_ms()
        for channel in self.channels.all():
            if channel.disabled:
                continue
            rows = self._database.execute(
                "SELECT id, title, body, tries FROM pushes WHERE channel_id = ? AND state = 'waiting' AND next_ms <= ? ORDER BY id LIMIT ?",
                (channel.id, now, _DIGEST_MOST),
            )
            if rows and not self._end.is_set():
                self._send_to(channel, _digest(rows, digest_limit(channel)) if len(rows) >= _DIGEST_FROM else rows[:1])
        if now - self._swept_ms > 3_600_000 or now < self._swept_ms:
            self._swept_ms = now
            self._database.execute("DELETE FROM pushes WHERE state = 'sent' AND time_ms < ?", (now - _KEPT_MS,))

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self.send_round()
                rows = self._database.execute("SELECT MIN(next_ms) FROM pushes WHERE state = 'waiting'")
                due_ms = rows[0][0]
            except FmzError as error:  # a locked vault, a full disk: tried again later
                _log.warning("pushes: %s", error)
                due_ms = self._now_ms() + 30_000
            except Exception:  # the thread must go on; the log says what it was
                _log.exception("pushes")
                due_ms = self._now_ms() + 30_000
            pause_s = 30.0 if due_ms is None else min(30.0, max(0.2, (due_ms - self._now_ms()) / 1000))
            self._bell.sleep(pause_s)

    def _send_to(self, channel: PushChannel, rows: Sequence[tuple[Any, ...]]) -> None:
        if len(rows) == 1:
            title, body = rows[0][1], rows[0][2]
        else:
            title = f"{len(rows)} messages"
            body = "\n".join(map(_in_digest, rows))
        error, final = self._tried(channel, title, body)
        if error and final and len(rows) > 1:  # too long for this one, or one of them is refused: the others are not
            for row in rows:
                if not self._end.is_set():
                    self._send_to(channel, [row])
            return
        if error and final and 0 < digest_limit(channel) < len(body):
            error, final = self._tried(channel, title, shortened(body, digest_limit(channel)))
        ids = [row[0] for row in rows]
        marks = ",".join("?" * len(ids))
        if not error:
            self._database.execute(
                f"UPDATE pushes SET state = 'sent', tries = tries + 1, error = '' WHERE id IN ({marks})",  # noqa: S608
                ids,
            )
            return
        tries = 1 + max(row[3] for row in rows)
        if final or tries >= _MOST_TRIES:
            self._database.execute(
                f"UPDATE pushes SET state = 'failed', tries = ?, error = ? WHERE id IN ({marks})",  # noqa: S608
                (tries, error, *ids),
            )
            self._audit.add(
                PLATFORM, "push given up", f"channel {channel.name}", f"{len(ids)} messages: {error}", done=False
            )
            return
        next_ms = self._now_ms() + min(_LONGEST_PAUSE_MS, _FIRST_PAUSE_MS * 2 ** min(tries - 1, 20))
        self._database.execute(
            f"UPDATE pushes SET tries = ?, next_ms = ?, error = ? WHERE id IN ({marks})",  # noqa: S608
            (tries, next_ms, error, *ids),
        )

    def _tried(self, channel: PushChannel, title: str, body: str) -> tuple[str, bool]:
        """Why a message was not sent, and whether another try is of no use; an empty text if it was sent."""
        try:
            self._send(channel, title, body)
        except (FmzError, OSError) as error:
            final = isinstance(error, (InputError, VenueRejected)) and not isinstance(error, OperationFailed)
            text = (
                str(error.args[0]) if isinstance(error, FmzError) and error.args else f"{type(error).__name__}: {error}"
            )
            return secrets_of(channel).cut(text)[:300] or type(error).__name__, final
        return "", False

    def _send_really(self, channel: PushChannel, title: str, body: str) -> None:
        if self._client is None:
            self._client = push_client()
        send_push(channel, title, body, self._client)


def _in_digest(row: Sequence[Any]) -> str:
    return f"{row[1]}: {row[2]}"


def _digest(rows: Sequence[tuple[Any, ...]], most: int) -> Sequence[tuple[Any, ...]]:
    """The first rows that fit into so many characters, at least one; all for 0."""
    size = 0
    for place, row in enumerate(rows):
        size += len(_in_digest(row)) + 1
        if 0 < most < size - 1 and place > 0:
            return rows[:place]
    return rows


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
