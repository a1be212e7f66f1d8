"""Settings of Sphinx for the documentation: ``python -m sphinx -n -W docs build/docs``."""

from __future__ import annotations

from typing import Any

import fmzthreads
import fmzthreads.errors

project = "fmzthreads"
author = "the authors of fmzthreads"
version = release = fmzthreads.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.napoleon"]
exclude_patterns = ["build"]

html_theme = "furo"
html_title = f"fmzthreads {release}"

# Headings are linked by the names that a repository's own view gives them.
myst_heading_anchors = 3

autodoc_typehints = "none"  # signatures show them; the prose says the units
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
doctest_global_setup = "from fmzthreads import *"

napoleon_use_rtype = False
nitpick_ignore = [("py:class", "collections.abc.Callable")]


def _resolve(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Finds an error that a docstring names without its module (``Raises: InputError``) on the page of the errors."""
    name = node.get("reftarget", "")
    if node.get("refdomain") != "py" or name not in fmzthreads.errors.__all__:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "exc", f"fmzthreads.errors.{name}", node, contnode)


def _keep_colon(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keeps napoleon from reading ``What it is: details`` of a property as ``type: description``."""
    if what in {"attribute", "data", "property"} and lines:
        lines[:] = [line.replace(": ", " - ") for line in lines]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-process-docstring", _keep_colon, priority=400)
