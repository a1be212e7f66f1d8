"""Pushes by mail, over a real SMTP server on the loopback."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmzthreads.platform.pushes.queue import PushQueue
from fmzthreads.platform.service import Platform
from tests.helpers.platforms import fake_platform
from tests.helpers.smtp import Mailbox, smtp_server

PASSWORD = "smtp-password-of-tests"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with fake_platform(tmp_path) as (platform, _):
        yield platform


class Clock:
    """Milliseconds that the test turns."""

    now_ms = 1_000_000_000


def queue(platform: Platform, box: Mailbox, scheme: str = "smtp") -> tuple[PushQueue, Clock]:
    settings = {"server": f"{scheme}://127.0.0.1:{box.port}", "username": "me@127.0.0.1", "password": PASSWORD, "to": "you@example.com, him@example.com"}  # fmt: skip
    platform.pushes.channels.create("mail", "mail", settings)
    clock = Clock()
    return PushQueue(platform.database, platform.pushes.channels, platform.audit, now_ms=lambda: clock.now_ms), clock


def test_a_push_arrives_as_a_mail_with_its_text_unchanged(platform: Platform) -> None:
    with smtp_server() as box:
        pushes, _ = queue(platform, box)
        pushes.add("机器人", ["开仓 0.5 BTC\n.\nthe line after a dot <b>"])
        pushes.send_round()
        ((sender, recipients, mail),) = box.mails
        assert sender == "me@127.0.0.1"
        assert recipients == ["you@example.com", "him@example.com"]
        assert mail["subject"] == "机器人"
        assert mail.get_content().splitlines() == ["开仓 0.5 BTC", ".", "the line after a dot <b>"]
        assert [one.state for one in pushes.all()] == ["sent"]


@pytest.mark.parametrize("fault", ["auth", "recipient", "cut", "garbage"])
def test_a_mail_that_the_server_refuses_is_sent_later(platform: Platform, fault: str) -> None:
    with smtp_server(fault=fault) as box:
        pushes, clock = queue(platform, box)
        pushes.add("robot", ["one"])
        pushes.send_round()
        assert box.mails == []
        (waiting,) = pushes.all()
        assert waiting.error
        assert PASSWORD not in f"{waiting.error} {waiting}"
        box.fault = ""
        clock.now_ms += 86_400_000
        if waiting.state == "failed":
            pushes.retry(waiting.id)
        pushes.send_round()
        assert [mail["subject"] for _, _, mail in box.mails] == ["robot"]
        assert [one.state for one in pushes.all()] == ["sent"]


def test_a_mail_goes_over_tls_to_a_server_whose_certificate_is_trusted(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with smtp_server("implicit", context=context) as box:
        pushes, _ = queue(platform, box, "ssl")
        pushes.add("robot", ["one"])
        pushes.send_round()
        assert [mail["subject"] for _, _, mail in box.mails] == ["robot"]
        assert box.logins == [("me@127.0.0.1", PASSWORD, True)]


def test_the_test_of_a_channel_sends_a_mail_or_says_why_not(platform: Platform) -> None:
    with smtp_server() as box:
        queue(platform, box)
        (channel,) = platform.pushes.channels.all()
        assert platform.pushes.test(channel.id) == ""
        assert len(box.mails) == 1
        box.fault = "recipient"
        reason = platform.pushes.test(channel.id)
        assert reason
        assert PASSWORD not in reason
