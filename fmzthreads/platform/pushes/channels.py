"""Where pushes go: channels of mail, and URLs of webhooks and bots; their settings are encrypted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import attrs

from ...database import Database
from ...errors import InputError, OperationFailed, UnknownName, VenueRejected
from ...http.client import HttpClient, HttpOptions, HttpRequest, Reply
from ...redaction import Secrets
from ...strategy.log import mail
from ..store.vault import Vault

__all__ = [
    "PushChannel",
    "PushChannels",
    "PushKind",
    "digest_limit",
    "push_client",
    "secrets_of",
    "send_push",
    "shortened",
]

PushKind = Literal["mail", "url"]
_MAIL_FIELDS = ("server", "username", "password", "to")
_URL_FIELDS = ("url", "body")
_LONGEST_IN_URL, _LONGEST_QUOTED = 1500, 6000  # servers refuse longer URLs
_LONGEST_DIGEST = 3500  # of what is posted; bots take about 4,000 characters


@attrs.frozen(kw_only=True)
class PushChannel:
    """A channel.

    Attributes:
        id: Its number.
        name: What it is called.
        kind: ``mail``, or ``url`` for webhooks and bots.
        settings: For mail ``server``, ``username``, ``password``, ``to``. For a URL ``url``, in which ``{body}`` and ``{title}`` stand for the
            texts, and ``body``: a text that is posted, with the same two words; as JSON if it begins with ``{`` or ``[``. Hold secrets.
        disabled: Whether nothing is sent.
    """

    id: int
    name: str
    kind: PushKind
    settings: Mapping[str, str] = attrs.field(repr=False)
    disabled: bool = False


class PushChannels:
    """The channels. Any thread may use it.

    Args:
        database: The platform's file.
        vault: Encrypts the settings.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def all(self) -> list[PushChannel]:
        """All channels, in the order of their numbers.

        Raises:
            OperationFailed: The vault is locked.
        """
        rows = self._database.execute("SELECT id, name, kind, settings, disabled FROM push_channels ORDER BY id")
        return [self._channel(row) for row in rows]

    def create(self, name: str, kind: PushKind, settings: Mapping[str, Any]) -> PushChannel:
        """Adds a channel.

        Raises:
            InputError: A setting is missing or not valid, or the name is taken.
            OperationFailed: The vault is locked.
        """
        checked = _checked(kind, settings)
        rows = self._database.execute(
            "INSERT INTO push_channels (name, kind, settings) VALUES (?,?,?) ON CONFLICT DO NOTHING "
            "RETURNING id, name, kind, settings, disabled",
            (name.strip()[:100] or kind, kind, self._vault.encrypt(json.dumps(checked))),
        )
        if not rows:
            raise InputError(f"there is a channel called {name.strip()!r}")
        return self._channel(rows[0])

    def disable(self, channel_id: int, *, disabled: bool = True) -> None:
        """Switches a channel off or on."""
        self._database.execute("UPDATE push_channels SET disabled = ? WHERE id = ?", (disabled, channel_id))

    def delete(self, channel_id: int) -> None:
        """Deletes a channel; what waits for it is marked as failed."""
        self._database.execute_all(
            [
                ("UPDATE pushes SET state = 'failed', error = 'the channel was deleted' WHERE channel_id = ? AND state = 'waiting'", (channel_id,)),
                ("DELETE FROM push_channels WHERE id = ?", (channel_id,)),
            ]
        )  # fmt: skip

    def _channel(self, row: tuple[Any, ...]) -> PushChannel:
        number, name, kind, token, disabled = row
        settings = json.loads(self._vault.decrypt(token))
        return PushChannel(id=number, name=name, kind=kind, settings=settings, disabled=bool(disabled))


def _checked(kind: str, settings: Mapping[str, Any]) -> dict[str, str]:
    fields = {"mail": _MAIL_FIELDS, "url": _URL_FIELDS}.get(kind)
    if fields is None:
        raise UnknownName(f"no kind of channel {kind!r}, expected 'mail' or 'url'")
    for name, value in settings.items():
        if name not in fields:
            raise UnknownName(f"a channel of the kind {kind} has no setting {name!r}; it has {', '.join(fields)}")
        if not isinstance(value, str) or len(value) > 4096:
            raise InputError(f"the setting {name} is not a text of at most 4096 characters")
    values = {name: str(settings.get(name, "")).strip() for name in fields}
    if kind == "mail":
        mail.parse_server(values["server"])
        if not values["to"]:
            raise InputError("a mail channel needs the address to which it sends")
        return values
    try:
        parts = urlsplit(values["url"])
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError("the URL of a channel begins with http:// or https:// and a host")
    if "{body}" not in values["url"] and "{body}" not in values["body"]:
        raise InputError(
            "neither the URL nor the body of the channel has the word {body}, for which the message stands"
        )
    return values


def send_push(channel: PushChannel, title: str, body: str, client: HttpClient) -> None:
    """Sends one message.

    Args:
        channel: Where it goes.
        title: Its title.
        body: Its text.
        client: Sends to URLs.

    Raises:
        FmzError: It was not sent, or the other side refused it; the message holds no secret of the channel.
        OSError: The mail was not sent.
    """
    settings = channel.settings
    if channel.kind == "mail":
        mail.send(settings["server"], settings["username"], settings["password"], settings["to"], title, body)
        return
    text = settings["body"]
    url = settings["url"].replace("{body}", _quoted(body)).replace("{title}", quote(title, safe=""))
    data, headers = None, {"Accept": "*/*"}
    if text:
        is_json = text.lstrip()[:1] in {"{", "["} and not text.lstrip().startswith(("{body}", "{title}"))

        def _inside(value: str) -> str:
            return json.dumps(value)[1:-1] if is_json else value

        data = text.replace("{title}", _inside(title)).replace("{body}", _inside(body)).encode("utf-8", "replace")
        headers["Content-Type"] = "application/json" if is_json else "text/plain; charset=utf-8"
    request = HttpRequest("POST" if data is not None else "GET", url, headers, data)
    client.call(lambda: request, _taken, idempotent=False)


def digest_limit(channel: PushChannel) -> int:
    """How many characters a digest for a channel may have; 0 for any number."""
    if channel.kind == "mail":
        return 0
    return _LONGEST_IN_URL if "{body}" in channel.settings["url"] else _LONGEST_DIGEST


def shortened(text: str, most: int) -> str:
    """At most so many characters of a text; says how many were left out."""
    if len(text) <= most:
        return text
    note = f"... ({len(text)} characters, cut)"
    return text[: max(0, most - len(note))] + note


def _quoted(body: str) -> str:
    """A text for a URL, shortened to what servers take."""
    most = _LONGEST_IN_URL
    while len(found := quote(shortened(body, most), safe="")) > _LONGEST_QUOTED:
        most = most * 9 // 10
    return found


def _taken(reply: Reply) -> None:
    if not 200 <= reply.status < 300:
        kind = OperationFailed if reply.status >= 500 or reply.status == 429 else VenueRejected
        raise kind(f"the channel replied with the HTTP status {reply.status}", status=reply.status)
    try:
        said = json.loads(reply.text)
    except (ValueError, RecursionError):  # no JSON: the status says it all
        return
    if isinstance(said, dict) and _refused(said):
        # Which numbers mean "later" is each bot's own affair: it is tried again.
        raise OperationFailed(f"the channel replied with {shortened(reply.text.strip(), 200)}")


def _refused(said: Mapping[str, Any]) -> bool:
    """Whether a reply says that a message was not taken, as many bots do with the HTTP status 200: ``errcode``, ``code``, ``ok``."""
    if any(said.get(name) is False for name in ("ok", "success")):
        return True
    numbers = [said.get(name) for name in ("errcode", "errno", "error_code", "StatusCode")]
    code = said.get("code")  # 0, 1 and those from 200 to 299 mean that it went well
    return any(isinstance(one, int) and one for one in numbers) or (isinstance(code, int) and code >= 300)


def secrets_of(channel: PushChannel) -> Secrets:
    """What must not stand in a text about a channel."""
    secrets = Secrets()
    for name in ("password", "url"):
        value = channel.settings.get(name, "")
        if name == "url" and value:
            parts = urlsplit(value)
            for piece in [*parts.path.split("/"), parts.query]:
                if len(piece) >= 8:
                    secrets.add(piece)
        if value:
            secrets.add(value)
    return secrets


def push_client() -> HttpClient:
    """The client that sends to URLs."""
    return HttpClient(options=HttpOptions(timeout_ms=15_000.0, max_reply_bytes=65_536))
