"""Settings of a simulated exchange: pair, contract, direction, leverage. None of these calls takes time."""

from __future__ import annotations

from typing import Any

from ...arguments import real_number
from ...constants import LOG_TYPE_CANCEL
from ...errors import InputError, short_repr
from ...exchange.calls.arguments import level_arguments
from ...structures import Fee
from ..nano import ONE, nano
from .base import ExchangeBase
from .quick_calls import joined_text

__all__ = ["SettingsCalls"]

_PERCENT = ONE // 100


class SettingsCalls(ExchangeBase):
    """``SetContractType``, ``GetName`` and the like. Names of the network (``SetProxy``, ``SetTimeout``) are taken and mean nothing."""

    _logged = 0

    def GetName(self) -> str:
        """FMZ's id of the exchange."""
        return self._settings.eid

    def GetLabel(self) -> str:
        """The label."""
        return self._settings.label or self._settings.eid

    def GetCurrency(self) -> str:
        """The current pair."""
        return self._currency

    def GetBaseCurrency(self) -> str:
        """The base currency: ``BTC`` of ``BTC_USDT``."""
        return self._currency.partition("_")[0]

    def GetQuoteCurrency(self) -> str:
        """The quote currency: ``USDT`` of ``BTC_USDT``."""
        return self._currency.partition("_")[2]

    def SetCurrency(self, currency: str) -> bool:
        """Sets the pair of later calls; the account keeps its balances.

        Raises:
            InputError: It is not a pair.
        """
        if not isinstance(currency, str) or currency.count("_") != 1 or not all(currency.split("_")):
            raise InputError(f"a pair must be text such as 'BTC_USDT', got {short_repr(currency)}")
        with self._lock:
            self._currency = currency
            self._select()
        return True

    def SetContractType(self, code: str) -> dict[str, Any]:
        """Sets the contract of later calls, such as ``swap``; loads its bars.

        Returns:
            ``InstrumentID``, ``PriceTick``, ``LotTick`` and ``VolumeMultiple``.

        Raises:
            InputError: It is not text.
            NoData: There are no bars of it.
        """
        if not isinstance(code, str) or not code:
            raise InputError(f"a contract must be text such as 'swap', got {short_repr(code)}")
        with self._lock:
            before = self._contract
            self._contract = code
            self._select()
            try:
                feed = self._feed_of("")
            except BaseException:  # whatever it was, the contract stays as it was
                self._contract = before
                self._select()
                raise
            self._contract_set = True
            detail = feed.detail
            return {
                "InstrumentID": detail.symbol,
                "PriceTick": feed.price_tick / ONE,
                "LotTick": detail.volume_tick / ONE,
                "VolumeMultiple": detail.volume_multiple / ONE,
            }

    def GetContractType(self) -> str:
        """The contract last set; empty before."""
        return self._contract if self._contract_set else ""

    def SetDirection(self, direction: str) -> bool:
        """Sets what ``Buy`` and ``Sell`` do on a futures exchange: ``buy``, ``sell``, ``closebuy``, ``closesell``.

        Orders of another text are refused; with ``compat: fmz`` they close a long.

        Raises:
            InputError: It is not text.
        """
        if not isinstance(direction, str):
            raise InputError(f"a direction must be text such as 'buy', got {short_repr(direction)}")
        self._quick.direction = direction
        return True

    def SetMarginLevel(self, *args: Any) -> bool:
        """Sets the leverage: ``(level)`` or ``(symbol, level)``. Ignored while the symbol has a position, as in FMZ's engine.

        Raises:
            InputError: The arguments are in none of these forms, or the level is not a whole number of 1 or more.
        """
        symbol, level = level_arguments(args)
        with self._lock:
            return self._desk.set_level(self._symbol_of(symbol), level)

    def GetPeriod(self) -> int:
        """The default length of a bar, in seconds."""
        return self._period_ms // 1000

    def SetPrecision(self, *digits: Any) -> None:
        """Has no effect: orders are rounded to the market's decimals."""

    def SetBase(self, url: str) -> str:
        """Has no effect; returns the URL."""
        return url

    def GetBase(self) -> str:
        """An empty text: there is no server."""
        return ""

    def SetProxy(self, proxy: str = "") -> bool:
        """Has no effect."""
        return True

    def SetTimeout(self, timeout: float = 0) -> bool:
        """Has no effect."""
        return True

    def GetRawJSON(self) -> str:
        """An empty text: there are no replies."""
        return ""

    def GetLastError(self) -> str:
        """Returns the text of this exchange's last error row and forgets it; empty if there was none since."""
        return self._engine.rows.take_last_error(self._number) or ""

    def GetMinStock(self) -> float:
        """The least amount of an order that the market's facts name (it is not enforced)."""
        detail = self._feed_of("").detail
        return float(detail.raw.get("minQty") or 10.0**-detail.base_precision)

    def GetMinPrice(self) -> float:
        """The step of prices."""
        return self._feed_of("").price_tick / ONE

    def GetFee(self) -> Fee:
        """The fees, as a taker, in percent."""
        percent = self._settings.fee_taker / _PERCENT
        return Fee({"Sell": percent, "Buy": percent})

    def IO(self, command: str, *args: Any) -> Any:
        """Runs a command: ``currency`` and ``dual`` have an effect, ``api`` does not exist here, others mean nothing.

        Raises:
            InputError: The arguments do not fit; ``dual`` while there is a position or an open order.
        """
        if command == "currency":
            if len(args) != 1:
                raise InputError(f"IO('currency') takes a pair such as 'BTC_USDT', got {short_repr(args)}")
            return self.SetCurrency(args[0])
        if command == "dual":
            with self._lock:
                return self._desk.set_dual(bool(args[0]) if args else True)
        if command == "api":
            self._error("IO('api') is not available in a backtest")
            return None
        if command in {"base", "mbase"}:
            return args[0] if args else ""
        return True

    def Encode(self, *args: Any) -> None:
        """Is not available in a backtest."""
        self._error("sandbox not support Encode")

    def Log(self, orderType: int, price: Any, amount: float = 0, *args: Any) -> int | bool | None:
        """Writes an order row without placing an order.

        Args:
            orderType: ``LOG_TYPE_BUY``, ``LOG_TYPE_SELL`` or ``LOG_TYPE_CANCEL``.
            price: The price; for a cancel the order's id.
            amount: The amount.
            args: Further text for the row.

        Returns:
            The id of the row, counted apart from those of orders; True for a cancel.
        """
        rows = self._engine.rows
        with self._lock:
            direction = self._quick.direction if self._futures else ""
            if orderType == LOG_TYPE_CANCEL:
                rows.order(LOG_TYPE_CANCEL, self._number, price, 0, 0, joined_text(args), self._symbol, "")
                return True
            self._logged += 1
            order_id = self._logged
            rows.order(
                int(orderType), self._number, order_id, nano(real_number("price", price)), nano(real_number("amount", amount)),
                joined_text(args), self._symbol, direction,
            )  # fmt: skip
            return order_id
