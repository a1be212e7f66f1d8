"""A small HTTP server that answers by path, as a test says, and keeps what was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs

__all__ = ["Asked", "ScriptedSite"]


@attrs.frozen
class Asked:
    """A request: its method, path, and the fields of its query and body together."""

    method: str
    path: str
    fields: Mapping[str, Any]


class ScriptedSite:
    """Answers each path with JSON: a payload, or what a function makes of the fields; others get 404."""

    def __init__(self, routes: Mapping[str, Any]) -> None:
        self.routes: dict[str, Any] = dict(routes)
        self.asked: list[Asked] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                target = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                fields: dict[str, Any] = dict(parse_qsl(target.query))
                if body:
                    found = json.loads(body) if body[:1] in "{[" else dict(parse_qsl(body))
                    fields.update(found if isinstance(found, dict) else {"rows": found})
                site.asked.append(Asked(self.command, target.path, fields))
                route = site.routes.get(f"{self.command} {target.path}", site.routes.get(target.path))
                payload = route(fields) if callable(route) else route
                data = json.dumps({"error": f"no route {target.path}"} if payload is None else payload).encode()
                self.send_response(404 if payload is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                """Writes nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def of(self, path: str) -> list[Mapping[str, Any]]:
        """The fields of each request to a path."""
        return [one.fields for one in self.asked if one.path == path]

    def __enter__(self) -> ScriptedSite:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
