"""The options of a command line that say what a strategy is made of, and how their texts are read."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import InputError

__all__ = ["add_program_options", "argument_of"]


def add_program_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what a strategy is made of: its parameters' values and its templates."""
    add = parser.add_argument
    add(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter; TEMPLATE.NAME=VALUE for one of a template",
    )
    add(
        "--template",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a template library, loaded before the strategy",
    )


def argument_of(text: str) -> tuple[str, str, str]:
    """Reads ``name=value`` or ``template.name=value``.

    Returns:
        The template's name (empty for the strategy), the parameter's name, and the value.

    Raises:
        InputError: It is not of this form.
    """
    name, equals, value = text.partition("=")
    template, _, parameter = name.strip().rpartition(".")
    if not equals or not parameter.isidentifier():
        raise InputError(f"--arg {text[:100]!r}: expected NAME=VALUE, or TEMPLATE.NAME=VALUE")
    return template, parameter, value
