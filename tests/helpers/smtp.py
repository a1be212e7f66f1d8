"""A small SMTP server on the loopback that keeps the mails it was given, speaks TLS when asked to, and can misbehave."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

import attrs

__all__ = ["Mailbox", "smtp_server"]


@attrs.define
class Mailbox:
    """What the server was given, and how it behaves.

    ``tls``: ``"none"``, ``"starttls"`` or ``"implicit"``. ``fault``: empty, ``"auth"`` (refuses every login), ``"recipient"`` (refuses every
    recipient), ``"hang"`` (never answers), ``"cut"`` (closes after the greeting), ``"garbage"`` (answers nonsense), ``"quit"`` (closes instead
    of saying goodbye).
    """

    tls: str = "none"
    fault: str = ""
    context: ssl.SSLContext | None = None
    port: int = 0
    logins: list[tuple[str, str, bool]] = attrs.field(factory=list)
    mails: list[tuple[str, list[str], EmailMessage]] = attrs.field(factory=list)
    connected: threading.Event = attrs.field(factory=threading.Event)
    released: threading.Event = attrs.field(factory=threading.Event)


class _Session(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.box = self.server.box
        self.box.connected.set()
        self.encrypted = False
        self.sender, self.recipients = "", list[str]()
        try:
            if self.box.tls == "implicit":
                self._wrap()
            self._talk()
        except (OSError, ValueError):
            pass  # the client went away, or did not like our certificate

    def finish(self) -> None:
        try:
            self.request.close()
        except OSError:
            pass

    def _wrap(self) -> None:
        assert self.box.context is not None
        self.request = self.box.context.wrap_socket(self.request, server_side=True)
        self.encrypted = True

    def _say(self, text: str) -> None:
        self.request.sendall(f"{text}\r\n".encode())

    def _talk(self) -> None:
        if self.box.fault == "hang":
            self.box.released.wait(60)
            return
        self._say("220 loopback ready")
        if self.box.fault == "cut":
            return
        reader = self.request.makefile("rb")
        while True:
            line = reader.readline().decode().strip()
            if not line:
                return
            if self.box.fault == "garbage":
                self._say("what?")
                continue
            verb, _, rest = line.partition(" ")
            if verb.upper() == "STARTTLS":
                self._say("220 go ahead")
                reader.close()
                self._wrap()
                reader = self.request.makefile("rb")
            elif not self._answer(verb.upper(), rest, reader):
                reader.close()
                return

    def _answer(self, verb: str, rest: str, reader: object) -> bool:
        if verb in {"EHLO", "HELO"}:
            offers = ["250-loopback", "250-8BITMIME", "250-SMTPUTF8"]
            if self.box.tls == "starttls" and not self.encrypted:
                offers.append("250-STARTTLS")
            self._say("\r\n".join([*offers, "250 AUTH PLAIN"]))
        elif verb == "AUTH":
            _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
            self.box.logins.append((user, password, self.encrypted))
            self._say(f"535 no, {password} is wrong" if self.box.fault == "auth" else "235 welcome")
        elif verb == "MAIL":
            self.sender = rest.partition("<")[2].partition(">")[0]
            self._say("250 ok")
        elif verb == "RCPT":
            self.recipients.append(rest.partition("<")[2].partition(">")[0])
            self._say("550 unknown" if self.box.fault == "recipient" else "250 ok")
        elif verb == "DATA":
            self._say("354 go on")
            body = b""
            while (line := reader.readline()) != b".\r\n":  # type: ignore[attr-defined]
                body += line[1:] if line.startswith(b".") else line
            self.box.mails.append((self.sender, self.recipients, message_from_bytes(body, policy=policy.default)))  # type: ignore[arg-type]
            self._say("250 accepted")
        elif verb == "QUIT":
            if self.box.fault != "quit":
                self._say("221 bye")
            return False
        else:
            self._say("250 ok")
        return True


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True
    box: Mailbox


@contextmanager
def smtp_server(tls: str = "none", fault: str = "", context: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """Runs the server on 127.0.0.1, on a free port; all its threads have ended when the block is left."""
    box = Mailbox(tls=tls, fault=fault, context=context)
    server = _Server(("127.0.0.1", 0), _Session)
    server.box = box
    box.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        box.released.set()
        server.shutdown()
        server.server_close()
        thread.join(60)
        assert not thread.is_alive()
