"""Mail against a real SMTP server on the loopback."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
import trustme

from fmzthreads.errors import InputError, StopRequested
from fmzthreads.strategy.globals import GetLastError, Mail, Mail_Go
from fmzthreads.strategy.log import mail
from fmzthreads.strategy.log.mail import Server, parse_server
from tests.helpers.smtp import smtp_server
from tests.helpers.strategy import quiet_runtime
from tests.helpers.threads import PATIENCE_S, run_in_thread

PASSWORD = "pa55-word/ü"
ARGS = ("bot@example.com", PASSWORD, "a@example.com, b@example.com", "Grüße", "line 1\n.line 2\n")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _context(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The authority, trusted as a system's would be."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return authority


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("smtp.qq.com", Server("smtp.qq.com", 587, False)),
        ("smtp.qq.com:25", Server("smtp.qq.com", 25, False)),
        (" smtp.qq.com:465 ", Server("smtp.qq.com", 465, True)),
        ("ssl://smtp.qq.com", Server("smtp.qq.com", 465, True)),
        ("SSL://smtp.qq.com:994/", Server("smtp.qq.com", 994, True)),
        ("smtp://h:465", Server("h", 465, False)),
        ("smtp://h", Server("h", 587, False)),
        ("ssl://[::1]:9465", Server("::1", 9465, True)),
    ],
)
def test_server_forms(address: str, expected: Server) -> None:
    assert parse_server(address) == expected


@pytest.mark.parametrize(
    "address", ["", "ftp://h", "h:0", "h:99999", "h:port", "a b", "ssl://", "ssl://h:1:2", "h/path"]
)
def test_server_forms_that_are_none(address: str) -> None:
    with pytest.raises(InputError, match="not a mail server"):
        parse_server(address)


def test_plain_server_gets_the_mail_and_the_journal_says_that_it_was_in_the_clear() -> None:
    with smtp_server() as box, quiet_runtime() as runtime:
        assert Mail(f"127.0.0.1:{box.port}", *ARGS) is True
        assert box.logins == [("bot@example.com", PASSWORD, False)]
        sender, recipients, message = box.mails[0]
        assert (sender, recipients) == ("bot@example.com", ["a@example.com", "b@example.com"])
        assert message["Subject"] == "Grüße"
        assert message["To"] == "a@example.com, b@example.com"
        assert message.get_content().replace("\r\n", "\n") == "line 1\n.line 2\n"
        (line,) = runtime.journal.lines()
        assert "unencrypted" in line.text
        assert PASSWORD not in repr(line)
        assert GetLastError() is None


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_tls_with_a_trusted_certificate(tls: str, trusted: trustme.CA) -> None:
    scheme = "ssl" if tls == "implicit" else "smtp"
    with smtp_server(tls, context=_context(trusted)) as box, quiet_runtime() as runtime:
        assert Mail(f"{scheme}://127.0.0.1:{box.port}", *ARGS) is True
        assert box.logins == [("bot@example.com", PASSWORD, True)]
        assert len(box.mails) == 1
        assert runtime.journal.lines() == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_tls_that_cannot_be_verified_sends_nothing(tls: str, wrong: str, trusted: trustme.CA) -> None:
    context = _context(trustme.CA()) if wrong == "authority" else _context(trusted, "elsewhere.example.com")
    scheme = "ssl" if tls == "implicit" else "smtp"
    with smtp_server(tls, context=context) as box, quiet_runtime():
        assert Mail(f"{scheme}://127.0.0.1:{box.port}", *ARGS) is False
        assert "certificate verify failed" in str(GetLastError())
        assert (box.logins, box.mails) == ([], [])


@pytest.mark.parametrize("fault", ["auth", "recipient", "cut", "garbage"])
def test_a_server_that_refuses_or_fails_gives_false_and_a_reason_without_the_password(fault: str) -> None:
    with smtp_server(fault=fault) as box, quiet_runtime() as runtime:
        assert Mail(f"127.0.0.1:{box.port}", *ARGS) is False
        assert [line.kind for line in runtime.journal.lines()] == ["error"]
        reason = GetLastError()
        assert reason is not None
        assert reason.startswith("Mail: ")
        assert PASSWORD not in reason + repr(runtime.journal.lines())
        assert box.mails == []


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.2)
    with smtp_server(fault="hang") as box, quiet_runtime():
        assert Mail(f"127.0.0.1:{box.port}", *ARGS) is False
        assert "timed out" in str(GetLastError())


def test_a_stop_ends_the_wait_for_a_server_that_hangs() -> None:
    with smtp_server(fault="hang") as box, quiet_runtime() as runtime:
        stopper = run_in_thread(lambda: (box.connected.wait(PATIENCE_S), runtime.stop.request("enough")))
        with pytest.raises(StopRequested, match="enough"):
            Mail(f"127.0.0.1:{box.port}", *ARGS)
        stopper.result()
        box.released.set()


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        with quiet_runtime():
            assert Mail(f"127.0.0.1:{taken.getsockname()[1]}", *ARGS) is False
            assert "refused" in str(GetLastError())


def test_a_goodbye_that_fails_does_not_matter() -> None:
    with smtp_server(fault="quit") as box, quiet_runtime():
        assert Mail(f"127.0.0.1:{box.port}", *ARGS) is True
        assert len(box.mails) == 1


@pytest.mark.parametrize(
    "change", [{0: "ftp://x"}, {3: " , "}, {3: "a@b.c\r\nBcc: evil@b.c"}, {1: "x\r\ny@example.com"}]
)
def test_bad_arguments_give_false_and_a_reason(change: dict[int, str]) -> None:
    with smtp_server() as box, quiet_runtime():
        args = [f"127.0.0.1:{box.port}", *ARGS]
        for index, value in change.items():
            args[index] = value
        assert Mail(*args) is False
        assert str(GetLastError()).startswith("Mail: ")
        assert box.mails == []


def test_a_line_break_in_the_title_makes_no_header() -> None:
    with smtp_server() as box, quiet_runtime():
        assert Mail(f"127.0.0.1:{box.port}", "bot@example.com", "", "a@example.com", "a\r\nBcc: evil@b.c", "x")
        assert box.mails[0][2]["Subject"] == "a Bcc: evil@b.c"
        assert box.mails[0][2]["Bcc"] is None
        assert box.logins == []


def test_in_a_simulation_nothing_is_sent() -> None:
    with smtp_server() as box, quiet_runtime(virtual=True):
        assert Mail(f"127.0.0.1:{box.port}", *ARGS) is True
        assert (box.logins, box.mails) == ([], [])


def test_mail_go_gives_a_handle() -> None:
    with smtp_server() as box, quiet_runtime():
        handles = [Mail_Go(f"127.0.0.1:{box.port}", *ARGS) for _ in range(5)]
        assert [handle.wait(30_000) for handle in handles] == [(True, True)] * 5
        assert len(box.mails) == 5
        assert Mail_Go("ftp://nowhere", *ARGS).wait(30_000) == (False, True)
        assert "ftp://nowhere" in str(GetLastError())
