"""The text of the last reply that this thread got from a client or a venue."""

from __future__ import annotations

from typing import Any


def last_text(source: Any) -> str:
    reply = source.last_reply()
    assert reply is not None, "this thread got no reply"
    text = reply.text
    assert isinstance(text, str)
    return text
