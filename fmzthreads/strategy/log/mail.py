"""Sending a mail through an SMTP server, as ``Mail`` does."""

from __future__ import annotations

import base64
import re
import smtplib
import ssl
from email.message import EmailMessage

import attrs

from ...errors import InputError, short_repr

__all__ = ["TIMEOUT_S", "Server", "parse_server", "send"]

# The ports that RFC 8314 gives to mail submission: 465 with TLS from the first byte, 587 where it is negotiated.
_TLS_PORT, _PLAIN_PORT = 465, 587
TIMEOUT_S = 30.0
_ADDRESS = re.compile(
    r"(?:(?P<scheme>[A-Za-z]+)://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/\s\[\]]+)(?::(?P<port>[0-9]{1,5}))?/?"
)


_MAILBOX = re.compile(r"[^@\s<>:,;]+@[^@\s<>:,;]+")


@attrs.frozen
class Server:
    """An SMTP server: where it is, and whether TLS begins with the first byte."""

    host: str
    port: int
    tls: bool


def parse_server(address: str) -> Server:
    """Reads FMZ's forms of a server: ``host``, ``host:port``, ``smtp://host[:port]``, ``ssl://host[:port]``.

    Args:
        address: The server. Without a port, ``ssl://`` means 465 and everything else 587; a bare ``host:465`` is taken as ``ssl://``.

    Raises:
        InputError: The address has none of these forms.
    """
    found = _ADDRESS.fullmatch(address.strip()) if isinstance(address, str) else None
    scheme = (found["scheme"] or "").lower() if found else ""
    port = int(found["port"] or 0) if found else 0
    if found is None or scheme not in {"", "smtp", "ssl"} or (found["port"] and not 0 < port < 65536):
        raise InputError(
            f"Mail: {short_repr(address)} is not a mail server: expected host:port, smtp://host:port or ssl://host:port"
        )
    tls = scheme == "ssl" or (not scheme and port == _TLS_PORT)
    return Server(found["host"].strip("[]"), port or (_TLS_PORT if tls else _PLAIN_PORT), tls)


def _message(sender: str, recipients: list[str], title: str, body: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = " ".join(title.split())  # a line break in a header would begin another header
    message.set_content(body)
    return message


def _recipients(to: str) -> list[str]:
    names = [name.strip() for name in re.split(r"[,;\s]+", to) if name.strip()]
    wrong = [name for name in names if not _MAILBOX.fullmatch(name)]
    if wrong or not names:
        raise InputError(
            f"Mail: {wrong[0] if wrong else to!r} is not a mail address: expected name@host, several separated by commas"
        )
    return names


def _connect(server: Server, timeout_s: float) -> smtplib.SMTP:
    context = ssl.create_default_context()  # certificates and host names are verified
    if server.tls:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=timeout_s, context=context)
    client = smtplib.SMTP(server.host, server.port, timeout=timeout_s)
    try:
        client.ehlo()
        if client.has_extn("starttls"):
            client.starttls(context=context)
            client.ehlo()
    except BaseException:  # any error is raised again; the connection is closed first
        client.close()
        raise
    return client


def _login(client: smtplib.SMTP, username: str, password: str) -> None:
    client.ehlo_or_helo_if_needed()
    if (username + password).isascii():
        client.login(username, password)
        return
    # smtplib logs in with ASCII only; RFC 4616 says how other characters go over the wire: as UTF-8.
    if "PLAIN" not in client.esmtp_features.get("auth", "").upper().split():
        raise InputError("Mail: the login is not ASCII text, and the server offers no AUTH PLAIN, which it would need")
    token = base64.b64encode(f"\0{username}\0{password}".encode()).decode("ascii")
    code, reply = client.docmd("AUTH", f"PLAIN {token}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, reply)


def send(
    address: str, username: str, password: str, to: str, title: str, body: str, *, timeout_s: float | None = None
) -> bool:
    """Sends one mail of plain text.

    TLS is used from the first byte with ``ssl://``, and otherwise as soon as the server offers it; certificates are verified.

    Args:
        address: The server, see ``parse_server``.
        username: The login and the sender; empty: no login.
        password: The SMTP service's password.
        to: One address, or several with commas, semicolons or spaces between them.
        title: The subject.
        body: The text.
        timeout_s: The time-out of each step (connecting, a command, its reply), in seconds; 30 when None.

    Returns:
        Whether the session was encrypted.

    Raises:
        InputError: The server or the recipients cannot be read, or a text cannot stand in a mail.
        OSError: It was not sent: the network's, TLS's, or the server's reason (``smtplib.SMTPException`` is an OSError).
    """
    server = parse_server(address)
    recipients = _recipients(to)
    sender = username if "@" in username else f"{username or 'fmzthreads'}@{server.host}"
    try:
        message = _message(sender, recipients, title, body)
    except ValueError as error:
        raise InputError(f"Mail: invalid header or text: {error}") from error
    client = _connect(server, TIMEOUT_S if timeout_s is None else timeout_s)
    try:
        encrypted = isinstance(client.sock, ssl.SSLSocket)
        if username and password:
            _login(client, username, password)
        client.send_message(message, sender, recipients)
        try:
            client.quit()
        except OSError:
            pass  # the mail was accepted; errors of QUIT do not matter
        return encrypted
    finally:
        client.close()
