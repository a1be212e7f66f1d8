"""A request as a page sees it: who asks, what was typed, in which language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email import policy
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

import attrs

from ...errors import InputError
from ..access import Actor
from .port import PageService
from .texts import LANGUAGES, translated

__all__ = ["Form", "PageVisit", "form_of", "language_of"]

_MOST_FIELDS = 2000


class Form:
    """What was typed into a form, or stands in a query: texts by name, each name any number of times.

    Args:
        pairs: Names and texts, in order.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = list(pairs)

    def text(self, name: str, default: str = "") -> str:
        """The last text of a name."""
        found = [value for key, value in self._pairs if key == name]
        return found[-1] if found else default

    def many(self, name: str) -> list[str]:
        """All texts of a name, in order."""
        return [value for key, value in self._pairs if key == name]

    def has(self, name: str) -> bool:
        """Whether the name was sent, as a checked box is."""
        return any(key == name for key, _ in self._pairs)

    def names(self) -> list[str]:
        """All names, each once, in order."""
        return list(dict.fromkeys(key for key, _ in self._pairs))

    def number(self, name: str, default: int = 0) -> int:
        """A whole number of 0 or more.

        Raises:
            InputError: It is not one.
        """
        text = self.text(name).strip()
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise InputError(f"{name} is {text[:40]!r}, expected a whole number of 0 or more")
        return int(text)


def form_of(content_type: str, body: bytes) -> Form:
    """The form in a request's body, as browsers send it; files become their text.

    Raises:
        InputError: It has too many fields, or is not a form.
    """
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        return Form(_parts(content_type, body))
    try:
        text = body.decode("utf-8", "replace")
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise InputError(f"the form has more than {_MOST_FIELDS} fields") from None


def _parts(content_type: str, body: bytes) -> list[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    found: list[tuple[str, str]] = []
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str) or len(found) >= _MOST_FIELDS:
            continue
        payload = part.get_payload(decode=True)
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
        file = part.get_filename()
        found.append((name, text))
        if file is not None:
            found.append((f"{name}.name", str(file)))
    return found


@attrs.frozen(kw_only=True)
class PageVisit:
    """One request.

    Attributes:
        method: ``GET`` or ``POST``.
        path: The path.
        params: What stands in the path, by name.
        query: What stands behind the question mark.
        form: What was typed; empty for ``GET``.
        actor: Who asks; None without a login.
        service: The platform for this person; without a login, only what a share link shows.
        language: ``en`` or ``zh``.
        theme: ``light``, ``dark``, or empty for what the system asks for.
        token: The session's token.
        may_go_on: Whether the session is still valid and gives the same rights, looked up now; for what goes on for long.
        agent: The browser's name for itself.
        last_event: The id of the last event that a stream had before it was cut off.
        known_tag: The tag of the copy that the browser has of a file.
        takes_gzip: Whether the browser takes packed replies.
        address: From where.
        is_secure: Whether the browser speaks https.
    """

    method: str
    path: str
    params: Mapping[str, Any]
    query: Form
    form: Form
    actor: Actor | None
    service: PageService
    language: str = "en"
    theme: str = ""
    token: str = attrs.field(default="", repr=False)
    may_go_on: Callable[[], bool] = lambda: False
    agent: str = ""
    last_event: str = ""
    known_tag: str = ""
    takes_gzip: bool = False
    address: str = ""
    is_secure: bool = False

    @property
    def person(self) -> Actor:
        """Who asks, on pages that need somebody."""
        assert self.actor is not None, "pages for anybody do not ask who it is"
        return self.actor

    def say(self, english: str) -> str:
        """A text of the pages in the visitor's language."""
        return translated(english, self.language)


def language_of(cookie: str, accepted: str) -> str:
    """The language of a visitor: the chosen one, else the first one that the browser accepts and the pages have."""
    if cookie in LANGUAGES:
        return cookie
    for part in accepted.split(","):
        name = part.partition(";")[0].strip().lower()[:2]
        if name in LANGUAGES:
            return name
    return "en"
