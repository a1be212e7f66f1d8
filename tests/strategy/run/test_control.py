"""The control socket: requests, bad clients, the token, and where it listens."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import OperationFailed
from fmzthreads.strategy.run import control
from fmzthreads.strategy.run.control import ControlListener, ask
from fmzthreads.strategy.run.folder import ProcessRecord


def record(listener: ControlListener, **changes: Any) -> ProcessRecord:
    values = {"name": "grid", "file": "g.py", "pid": 1, "started": "x", "since_ms": 0}
    return ProcessRecord(**{**values, "control": listener.address, "token": listener.token, **changes})


@contextmanager
def listening(folder: Path) -> Iterator[ControlListener]:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request.get("fail"):
            raise ValueError("no")
        return {"got": request.get("command"), "thread": threading.current_thread().name}

    listener = ControlListener(folder, answer)
    try:
        yield listener
    finally:
        listener.close()
        listener.close()


@pytest.fixture
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="fz") as folder:
        yield Path(folder)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
def test_a_unix_socket_in_the_folder_for_its_owner_only(short_folder: Path) -> None:
    (short_folder / "control.sock").write_text("left behind")
    with listening(short_folder) as listener:
        assert listener.address == "control.sock"
        assert (short_folder / "control.sock").stat().st_mode & 0o077 == 0
        reply = ask(short_folder, record(listener), {"command": "网格:1"})
        assert reply == {"got": "网格:1", "thread": "fmzthreads-control"}
    assert not (short_folder / "control.sock").exists()
    with pytest.raises(OperationFailed, match="does not answer"):
        ask(short_folder, record(listener), {})


def times_open(folder: Path) -> int:
    """How many descriptors of this process are of a folder (the listener's side of a call is closed a moment after the answer)."""
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the list itself, or one that was closed meanwhile
            targets.append(descriptor.readlink())
    return targets.count(folder.resolve())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc")
def test_a_socket_is_reached_by_a_path_that_is_too_long_for_one(short_folder: Path, tmp_path: Path) -> None:
    """As that of a robot in a container, where the same folder has a short path."""
    with listening(short_folder) as listener:
        assert listener.address == "control.sock"
        long = tmp_path / ("long" * 30)
        long.symlink_to(short_folder)
        before = times_open(short_folder)
        assert ask(long, record(listener), {"command": "hello"})["got"] == "hello"
        assert times_open(short_folder) == before, "the folder is closed again"
        with pytest.raises(OperationFailed, match="does not answer"):
            ask(tmp_path / ("gone" * 30), record(listener), {"command": "hello"})


def test_a_folder_whose_path_is_too_long_has_a_port_and_a_token(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with listening(folder) as listener:
        assert listener.address.startswith("127.0.0.1:")
        assert ask(folder, record(listener), {"command": "a"})["got"] == "a"
        for token in ("", "wrong"):
            with pytest.raises(OperationFailed, match="token"):
                ask(folder, record(listener, token=token), {"command": "a"})


def test_an_answer_that_fails_and_clients_that_misbehave_end_only_themselves(short_folder: Path) -> None:
    with listening(short_folder) as listener:
        with pytest.raises(OperationFailed, match="refused: ValueError: no"):
            ask(short_folder, record(listener), {"fail": True})
        for data in (b"", b"{\n", b"[]\n", os.urandom(100)):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(short_folder / "control.sock"))
                client.sendall(data)
        assert ask(short_folder, record(listener), {"command": "b"})["got"] == "b"


def test_a_run_that_does_not_listen_is_named(short_folder: Path) -> None:
    with listening(short_folder) as listener, pytest.raises(OperationFailed, match=r"'grid' does not listen"):
        ask(short_folder, record(listener, control=""), {})


def test_a_client_that_says_nothing_does_not_keep_the_others_waiting(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_PATIENCE_S", 0.05)
    with listening(short_folder) as listener, socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(short_folder / "control.sock"))
        reply = ask(short_folder, record(listener), {"command": "c"}, patience_s=60.0)
    assert reply["got"] == "c"


@pytest.mark.parametrize(("sent", "patience_s", "longest"), [(b"{", -1.0, 100), (b"x" * 70_000, 60.0, 10)])
def test_a_line_that_does_not_end_is_given_up(
    sent: bytes, patience_s: float, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_LONGEST_LINE", longest)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(60)
        theirs.sendall(sent)
        with pytest.raises(ValueError, match="not one line"):
            control._read(ours, patience_s)


def test_a_reply_that_is_no_object_is_no_answer(short_folder: Path) -> None:
    address = str(short_folder / "control.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"[1]\n")

        thread = threading.Thread(target=reply)
        thread.start()
        one = ProcessRecord(name="grid", file="g.py", pid=1, started="x", since_ms=0, control="control.sock", token="")
        with pytest.raises(OperationFailed, match="does not answer: ValueError: not an object"):
            ask(short_folder, one, {}, patience_s=60.0)
        thread.join()
