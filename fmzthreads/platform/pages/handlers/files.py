"""The files that pages need: styles and scripts of our own, and plotly's script from its package."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from ....backtest import report
from ....backtest.report.plotly_script import plotly_script
from ....errors import UnknownName, require
from ..site import SitePage
from ..visit import PageVisit

__all__ = ["FilePages", "file_names"]

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOLDER = Path(__file__).parent.parent / "assets"
_PLOTLY, _FIGURES = "plotly.js", "figures.js"


class FilePages:
    """Serves the files, to anybody: they hold nothing of the platform's."""

    def pages(self) -> list[SitePage]:
        """The pages."""
        return [SitePage("/assets/{name}", self._file, "anybody")]

    def _file(self, visit: PageVisit) -> Any:
        content, packed, media_type, tag = _content(visit.params["name"])
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        response = require("starlette.responses", "platform").Response
        if visit.known_tag == tag:
            return response(status_code=304, headers=headers)
        if visit.takes_gzip:
            return response(packed, media_type=media_type, headers={**headers, "content-encoding": "gzip"})
        return response(content, media_type=media_type, headers=headers)


def file_names() -> list[str]:
    """The names of the files that lie beside the pages."""
    return sorted(one.name for one in _FOLDER.iterdir() if one.suffix in _TYPES)


@lru_cache(maxsize=32)
def _content(name: str) -> tuple[bytes, bytes, str, str]:
    """A file, packed too, with its type and its tag.

    Raises:
        UnknownName: There is no such file.
    """
    if name == _PLOTLY:
        content = (plotly_script() or "").encode("utf-8")
    elif name == _FIGURES:
        content = (resources.files(report) / "assets" / _FIGURES).read_bytes()
    elif name in file_names():
        content = (_FOLDER / name).read_bytes()
    else:
        raise UnknownName("there is no such file")
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return content, gzip.compress(content, 5), _TYPES[Path(name).suffix], tag
