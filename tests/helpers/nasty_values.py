"""Values that no argument expects, to be passed everywhere."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn


class Rude:
    """Every conversion and comparison raises."""

    def _refuse(self, *_: object) -> NoReturn:
        raise RuntimeError("rude")

    __repr__ = __str__ = __format__ = __float__ = __int__ = __index__ = __bool__ = __len__ = __iter__ = _refuse  # type: ignore[assignment]
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = __call__ = __contains__ = __getitem__ = _refuse  # type: ignore[assignment]


class RudeText(str):
    """Text whose own methods raise where a message would use them."""

    __slots__ = ()

    def __repr__(self) -> str:
        raise RuntimeError("rude")

    __str__ = __repr__


class RudeFloat(float):
    """A number whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("rude")

    __str__ = __repr__


class RudeInt(int):
    """A whole number whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("rude")

    __str__ = __repr__


def deep(levels: int = 100_000) -> list[Any]:
    """A list in a list in a list."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def _itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


DEEP = deep()
NASTY: dict[str, Any] = {
    "none": None,
    "true": True,
    "zero": 0,
    "negative": -5,
    "fraction": 0.5,
    "nan": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "smallest float": 5e-324,
    "largest float": 1.7e308,
    "long int": 10**5000,
    "long negative int": -(10**5000),
    "2**64": 2**64,
    "complex": 1j,
    "decimal nan": Decimal("nan"),
    "decimal signalling nan": Decimal("snan"),
    "huge decimal": Decimal("1e999999"),
    "tiny decimal": Decimal("1e-999999"),
    "decimal of many digits": Decimal("1." + "3" * 20_000),
    "long fraction": Fraction(10**5000 + 1, 3),
    "rude": Rude(),
    "rude text": RudeText("BTC_USDT"),
    "rude float": RudeFloat(1.5),
    "rude int": RudeInt(7),
    "empty text": "",
    "blank": " ",
    "long text": "x" * 1_000_000,
    "surrogate": "\ud800",
    "zero byte": "\0",
    "line break": "a\r\nb",
    "digits": "9" * 5000,
    "exponent": "1e99999999",
    "negative exponent": "1e-99999999",
    "ratio": "1/" + "9" * 5000,
    "seconds": "9" * 5000 + "s",
    "deep json": "buy;" + '{"a":' * 5000 + "1" + "}" * 5000,
    "bytes": b"\xff",
    "list": ["GetTicker"],
    "deep list": DEEP,
    "list of itself": _itself(),
    "dict": {"a": 1},
    "set": {1},
    "object": object(),
    "type": int,
    "function": len,
}
"""By a name for the test's id."""
