"""What listens: servers for other programs. Nothing is imported here, so that no extra is needed to look inside."""

from __future__ import annotations

__all__: list[str] = []
