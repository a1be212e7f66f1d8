"""Reads named values of a call; mistakes raise the exchange's own refusals."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import Decimal

__all__ = ["Fields", "VenueRefusal", "plain_decimal"]


class VenueRefusal(Exception):
    """A call that the exchange refuses, with its own code and text.

    Args:
        code: The exchange's code.
        msg: Its text.
        status: The HTTP status.
        headers: Further headers of the reply.
    """

    def __init__(self, code: int | str, msg: str, status: int = 400, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.headers = headers


class Fields(ABC):
    """Values by name; each dialect defines the refusal for each kind of mistake.

    Attributes:
        number: The pattern of a decimal number, as the exchange publishes it.
        digits: The pattern of a whole number.
    """

    number = r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$"
    digits = r"^[0-9]{1,19}$"

    @abstractmethod
    def optional(self, name: str) -> str | None:
        """A value as text; None if not sent."""

    @abstractmethod
    def absent(self, name: str) -> VenueRefusal:
        """The refusal of a missing value."""

    @abstractmethod
    def malformed(self, name: str, legal: str) -> VenueRefusal:
        """The refusal of a value that does not match the pattern ``legal``."""

    @abstractmethod
    def invalid(self, name: str) -> VenueRefusal:
        """The refusal of a value that is well formed but not allowed."""

    def required(self, name: str) -> str:
        """A value as text.

        Raises:
            VenueRefusal: It was not sent or is empty.
        """
        value = self.optional(name)
        if not value:
            raise self.absent(name)
        return value

    def matching(self, name: str, legal: str) -> str | None:
        """A value that matches the pattern ``legal``; None if not sent.

        Raises:
            VenueRefusal: It does not match.
        """
        value = self.optional(name)
        if value is not None and not re.fullmatch(legal, value, re.ASCII):
            raise self.malformed(name, legal)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """An exact decimal; None if not sent.

        Raises:
            VenueRefusal: It is not a plain decimal (exponents and words are not).
        """
        value = self.matching(name, self.number)
        return None if value is None else Decimal(value)

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number from 0 up; ``default`` if not sent.

        Raises:
            VenueRefusal: It is not a whole number.
        """
        value = self.matching(name, self.digits)
        return default if value is None else int(value)

    def limit(self, default: int, most: int, name: str = "limit") -> int:
        """A number of rows, at most ``most``; ``default`` if not sent.

        Raises:
            VenueRefusal: It is not a whole number, or 0.
        """
        value = self.integer(name, default)
        if not value:
            raise self.invalid(name)
        return min(value, most)

    def choice(
        self, name: str, valid: Iterable[str], error: VenueRefusal | None = None, *, required: bool = False
    ) -> str | None:
        """One of the given words; None if not sent.

        Raises:
            VenueRefusal: It is another word (``error`` if given), or it is missing and ``required``.
        """
        value = self.required(name) if required else self.optional(name)
        if value is not None and value not in valid:
            raise error if error is not None else self.invalid(name)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """``true`` or ``false``; ``default`` if not sent.

        Raises:
            VenueRefusal: It is another word.
        """
        value = self.optional(name)
        if value is None:
            return default
        if value.lower() not in {"true", "false"}:
            raise self.invalid(name)
        return value.lower() == "true"


def plain_decimal(value: object) -> str:
    """A Decimal as text without exponent and without trailing zeros (``0.10`` is ``"0.1"``, ``1E+2`` is ``"100"``)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
