"""ccxt's endpoints by the path that a venue's documents name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

__all__ = ["Endpoint", "candidates"]

_PARAMETER = re.compile(r"\\\{([^}]*?)\\\}")
_METHODS = frozenset({"get", "post", "put", "delete", "patch"})


@attrs.frozen
class Endpoint:
    """One of ccxt's endpoints.

    Attributes:
        path: Its path in ccxt, such as ``market/{id}``.
        sections: Where ccxt keeps it, such as ``("private",)``.
        values: The parameters that the asked path has in it.
    """

    path: str
    sections: tuple[str, ...]
    values: Mapping[str, str]

    def section(self, api: Any) -> Any:
        """The section as the functions of this version of ccxt want it: a list, or earlier the name where there is one only."""
        usual = inspect.signature(api.sign).parameters["api"].default
        return list(self.sections) if isinstance(usual, list) or len(self.sections) > 1 else self.sections[0]


def candidates(api: Mapping[str, Any], method: str, resource: str) -> list[Endpoint]:
    """The endpoints that the end of a path may mean, the longest first.

    Args:
        api: ccxt's description of its endpoints.
        method: The HTTP method.
        resource: The path from the root, such as ``/api/v3/order``.
    """
    asked = urlsplit(resource).path.strip("/")
    found = []
    for sections, path in _walk(api, method.lower(), ()):
        pattern = _PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(path.strip("/")))
        try:
            hit = re.search(rf"(?:^|/){pattern}$", asked)
        except re.error:
            continue  # a name that is no group's name: such endpoints are not reached by their path
        if hit is not None:
            found.append(Endpoint(path, sections, hit.groupdict()))
    return sorted(found, key=lambda endpoint: len(endpoint.path), reverse=True)


def _walk(node: Any, method: str, sections: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(node, Mapping):
        return
    for name, below in node.items():
        if name.lower() in _METHODS:
            if name.lower() == method:
                for path in below:
                    yield sections, path
        else:
            yield from _walk(below, method, (*sections, name))
