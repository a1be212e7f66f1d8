"""The part of FMZ's exchange object that sets and tells: names, pair, precision, rate, base URL, time-out.

What is set holds for the calls to come; a call that was made before keeps what it began with. (Time-out, proxy and base URL belong to the
connection: a call that still waits in the line of ``Go`` meets the new ones.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import FmzError, StopRequested
from .state import Core

__all__ = ["SettingsFace"]


class SettingsFace:
    """What ``Exchange`` inherits; a setting that is refused leaves everything as it was, and an error line."""

    _core: Core
    _name: str
    _raises: bool

    def _set(self, method: str, work: Callable[[], Any]) -> Any:
        try:
            return self._core.run(method, work)
        except StopRequested:
            raise
        except FmzError:
            if self._raises:
                raise
            return None

    def GetName(self) -> str:
        """FMZ's id of the venue."""
        return self._name

    def GetLabel(self) -> str:
        """The label."""
        return self._core.label

    def GetCurrency(self) -> str:
        """The current pair."""
        return self._core.settings.pair

    def GetBaseCurrency(self) -> str:
        """What is traded: ``BTC`` of ``BTC_USDT``."""
        return self.GetCurrency().partition("_")[0]

    def GetQuoteCurrency(self) -> str:
        """What it is paid with: ``USDT`` of ``BTC_USDT``."""
        return self.GetCurrency().partition("_")[2]

    def SetCurrency(self, currency: str) -> bool | None:
        """Switches the pair for the calls to come; True, or None when it is no pair."""
        done: bool | None = self._set("SetCurrency", lambda: self._core.set_currency(currency))
        return done

    def GetPeriod(self) -> int:
        """The default length of a bar, in seconds."""
        return self._core.settings.period_s

    def SetPrecision(self, pricePrecision: int, amountPrecision: int) -> None:
        """Has prices and amounts of orders cut to so many digits behind the point, besides the market's own steps."""
        self._set("SetPrecision", lambda: self._core.set_precision(pricePrecision, amountPrecision))

    def SetRate(self, rate: float = 1) -> float | None:
        """Multiplies every price that is seen through this object, and divides those of orders; 1 is off.

        Amounts, balances and market rules stay in the venue's units.

        Returns:
            The rate, or None when it is not a number above 0.
        """
        done: float | None = self._set("SetRate", lambda: self._core.set_rate(rate))
        return done

    def GetRate(self) -> float:
        """The rate; 1 when it is off."""
        return float(self._core.settings.rate)

    def SetMaxBarLen(self, n: int) -> None:
        """Sets how many bars ``GetRecords`` asks for at first and keeps at the most (5000 unless set)."""
        self._set("SetMaxBarLen", lambda: self._core.set_bar_cap(n))

    def SetBase(self, url: str) -> str | None:
        """Sends all further requests to another base URL; the URL now in use."""
        done: str | None = self._set("SetBase", lambda: self._core.set_base(url))
        return done

    def GetBase(self) -> str:
        """The base URL in use."""
        return self._core.venue.base()

    def SetProxy(self, proxy: str) -> bool | None:
        """Sets the proxy of further requests: ``socks5://``, ``http://``, ``ip://`` (a local address), empty for none."""
        done: bool | None = self._set("SetProxy", lambda: self._core.set_proxy(proxy))
        return done

    def SetTimeout(self, timeout: float) -> bool | None:
        """Sets the total time-out of each further request, in ms."""
        done: bool | None = self._set("SetTimeout", lambda: self._core.set_timeout(timeout))
        return done
