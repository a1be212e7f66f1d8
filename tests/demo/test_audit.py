"""The audit adds up both venues' fills exactly, page by page, and finds what does not belong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest

from fmzthreads.demo.audit import audit


class Binance:
    """Answers myTrades from a list, a page at a time."""

    def __init__(self, rows: list[dict[str, Any]] | None) -> None:
        self.rows = rows

    def GetName(self) -> str:
        return "Binance"

    def GetLastError(self) -> str:
        return ""

    def IO(self, command: str, *args: Any) -> Any:
        assert (command, *args[:2]) == ("api", "GET", "/api/v3/myTrades")
        asked = {k: v[0] for k, v in parse_qs(args[2]).items()}
        assert asked["symbol"] == "BTCUSDT"
        if self.rows is None:
            return None
        return [row for row in self.rows if row["id"] >= int(asked["fromId"])][: int(asked["limit"])]


class Okx(Binance):
    """Answers fills-history from a list, newest first."""

    def GetName(self) -> str:
        return "OKX"

    def IO(self, command: str, *args: Any) -> Any:
        assert (command, *args[:2]) == ("api", "GET", "/api/v5/trade/fills-history")
        if self.rows is None:
            return None
        asked = {k: v[0] for k, v in parse_qs(args[2]).items()}
        assert (asked["instType"], asked["instId"]) == ("SPOT", "BTC-USDT")
        older = [row for row in reversed(self.rows) if int(row["billId"]) < int(asked.get("after", 10**9))]
        return {"code": "0", "data": older[: int(asked["limit"])]}


def binance_rows(count: int) -> list[dict[str, Any]]:
    return [
        {"id": i, "isBuyer": i % 2 == 0, "price": "100.1", "qty": "0.3", "commission": "0.0003" if i % 2 == 0 else "0.03003",
         "commissionAsset": "BTC" if i % 2 == 0 else "USDT"}
        for i in range(count)
    ]  # fmt: skip


def okx_rows(count: int) -> list[dict[str, Any]]:
    return [
        {"billId": str(1000 + i), "side": "buy" if i % 2 == 0 else "sell", "fillPx": "100.1", "fillSz": "0.3",
         "fee": "-0.0003" if i % 2 == 0 else "-0.03003", "feeCcy": "BTC" if i % 2 == 0 else "USDT"}
        for i in range(count)
    ]  # fmt: skip


BEGIN = {"BTC": Decimal(10), "USDT": Decimal(50_000)}


def after(pairs: int) -> dict[str, Decimal]:
    """What is held after so many buys and as many sells of 0.3 at 100.1, with a fee of 0.1 %."""
    return {"BTC": Decimal(10) - pairs * Decimal("0.0003"), "USDT": Decimal(50_000) - pairs * Decimal("0.03003")}


@pytest.mark.parametrize(("venue", "rows"), [(Binance, binance_rows), (Okx, okx_rows)])
@pytest.mark.parametrize("pairs", [0, 1, 50, 500, 1250])
def test_books_that_agree_differ_by_zero_exactly_over_any_number_of_pages(venue: Any, rows: Any, pairs: int) -> None:
    found = audit(venue(rows(2 * pairs)), "BTC", "USDT", BEGIN, after(pairs))
    assert found.differences == {"BTC": "0", "USDT": "0"}
    assert found.fills == 2 * pairs
    assert found.fees == pytest.approx(pairs * 2 * 0.03003)


def test_what_does_not_belong_is_shown_exactly() -> None:
    end = {**after(1), "ETH": Decimal("0.5")}
    end["USDT"] -= Decimal("0.00000001")
    found = audit(Binance(binance_rows(2)), "BTC", "USDT", BEGIN, end)
    assert found.differences == {"BTC": "0", "ETH": "0.5", "USDT": "-0.00000001"}


@pytest.mark.parametrize("venue", [Binance, Okx])
def test_a_venue_that_does_not_answer_is_named(venue: Any) -> None:
    with pytest.raises(LookupError, match=venue(None).GetName()):
        audit(venue(None), "BTC", "USDT", BEGIN, after(0))


def test_a_venue_that_it_cannot_read_is_named() -> None:
    class Other(Binance):
        def GetName(self) -> str:
            return "Other"

    with pytest.raises(LookupError, match="Other"):
        audit(Other([]), "BTC", "USDT", BEGIN, after(0))
