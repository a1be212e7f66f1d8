"""A ready plugin: any exchange of fmzthreads behind the general protocol."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Never
from urllib.parse import urlencode

from ..errors import InputError, MissingCredentials, VenueRejected
from ..exchange.exchange import Exchange
from ..exchange.host import QuietHost
from ..exchange.keys.credentials import Credentials
from ..fork import after_fork_in_child
from ..structures import Asset, Depth, Order, Records, Ticker, Trade

__all__ = ["VenuePlugin"]

_log = logging.getLogger("fmzthreads.plugin")

_MOST_ACCOUNTS = 64
_FIRST_PAIR = "BTC_USDT"  # an exchange object has a current pair; each call names its own


class _LoggingHost(QuietHost):
    """Writes errors and warnings of the exchange to the plugin's log; its exceptions go to the host of the strategy as well."""

    def warning(self, text: str, *, source: str) -> None:
        """Logs the line."""
        _log.warning("%s: %s", source, text)


class VenuePlugin:
    """Any exchange that ``Exchange(name, ...)`` knows, as a plugin; thread-safe.

    Each request uses the account of its own keys. A passphrase comes after a comma in the secret key. A request without keys uses those of
    the environment (``FMZ_<NAME>_ACCESS_KEY``, ...), if they are set.

    Args:
        name: The exchange, such as ``Binance`` or ``ccxt:kraken``.
        own_keys: Whether every request uses the environment's keys; its own only open the plugin's door.
        options: Further arguments of ``Exchange``, such as ``base``.

    Raises:
        FmzError: There is no such exchange, or ``own_keys`` and the environment has no keys.
    """

    exact_outcomes = True

    def __init__(self, name: str, *, own_keys: bool = False, **options: Any) -> None:
        self._name = name
        self._own_keys = own_keys
        self._options = options
        self._lock = threading.Lock()  # guards _exchanges; one account is opened at a time
        self._exchanges: dict[bytes, Exchange[Never]] = {}
        after_fork_in_child(self._start_anew)
        if own_keys and not Credentials.from_environment(name).are_complete():
            Credentials.from_environment(name).need(name)
            raise MissingCredentials(f"{name} has no keys in the environment")
        self._exchange(Credentials())  # so that a wrong name or option is known at the start

    def _start_anew(self) -> None:
        """In the child of a fork: a new lock."""
        self._lock = threading.Lock()

    def _exchange(self, keys: Credentials) -> Exchange[Never]:
        if self._own_keys:
            keys = Credentials()
        mark = hashlib.sha256(f"{keys.access_key}\n{keys.secret_key}".encode()).digest()
        found = self._exchanges.get(mark)
        if found is not None:
            return found
        with self._lock:
            if mark not in self._exchanges:
                if len(self._exchanges) >= _MOST_ACCOUNTS:
                    raise VenueRejected(f"this plugin has served {_MOST_ACCOUNTS} accounts; restart it for others")
                self._exchanges[mark] = self._open(keys)
            return self._exchanges[mark]

    def _open(self, keys: Credentials) -> Exchange[Never]:
        secret, _, passphrase = keys.secret_key.partition(",")
        return Exchange(
            self._name,
            _FIRST_PAIR,
            access_key=keys.access_key,
            secret_key=secret,
            passphrase=passphrase,
            errors="raise",
            host=_LoggingHost(),
            **self._options,
        )

    def close(self) -> None:
        """Closes the exchange objects of all accounts."""
        with self._lock:
            exchanges, self._exchanges = self._exchanges, {}
        for exchange in exchanges.values():
            exchange.close()

    def GetTicker(self, symbol: str, keys: Credentials) -> Ticker:
        """The ticker."""
        return self._exchange(keys).GetTicker(symbol)

    def GetDepth(self, symbol: str, keys: Credentials) -> Depth:
        """The order book."""
        return self._exchange(keys).GetDepth(symbol)

    def GetTrades(self, symbol: str, keys: Credentials) -> list[Trade]:
        """The latest public trades."""
        return self._exchange(keys).GetTrades(symbol)

    def GetRecords(self, symbol: str, period: int, keys: Credentials) -> Records:
        """Bars of a period in seconds."""
        return self._exchange(keys).GetRecords(symbol, period)

    def GetAssets(self, keys: Credentials) -> list[Asset]:
        """All balances that are not zero."""
        return self._exchange(keys).GetAssets()

    def CreateOrder(self, symbol: str, side: str, price: Decimal, amount: Decimal, keys: Credentials) -> str:
        """Places an order, cut to the market's steps."""
        return self._exchange(keys).CreateOrder(symbol, side, price, amount)  # type: ignore[arg-type] # any number is taken

    def CancelOrder(self, symbol: str, id: str, keys: Credentials) -> bool:
        """Cancels an order."""
        return self._exchange(keys).CancelOrder(id)

    def GetOrder(self, symbol: str, id: str, keys: Credentials) -> Order:
        """One order."""
        return self._exchange(keys).GetOrder(id)

    def GetOrders(self, symbol: str, keys: Credentials) -> list[Order]:
        """The open orders of a symbol."""
        return self._exchange(keys).GetOrders(symbol)

    def api(self, path: str, params: Mapping[str, Any], keys: Credentials) -> Any:
        """A raw call of the exchange. The protocol has no HTTP method: it is the first word of the path, GET without one.

        Such as ``exchange.IO("api", "POST", "POST /api/v3/order/test", "symbol=BTCUSDT")`` on the host.
        """
        verb, space, rest = path.partition(" ")
        if not space:
            verb, rest = "GET", path
        if not all(isinstance(value, (str, int, float)) for value in params.values()):
            raise InputError("the parameters of a raw call must be text or numbers")
        return self._exchange(keys).IO("api", verb, rest, urlencode(dict(params)))
