"""Bars from a server of FMZ's data protocol, and from custom ``feeder`` URLs; what lies in the past is kept on disk.

Source: FMZ's user guide, "Custom Data Source" (the query of a feeder), and the requests of the published engine,
github.com/fmzquant/backtest_javascript.
"""

from __future__ import annotations

import contextlib
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from ....errors import BadReply, FmzError, InputError, OperationFailed, RateLimited, VenueUnavailable, excerpt
from ....home import data_folder
from ....http.client import HttpClient, HttpOptions
from ....http.reply import Headers, Reply, retry_after_s
from ....http.request import HttpRequest
from ...config.settings import BacktestSettings, ExchangeSettings, MarketDetail
from ...failures import NoData
from ...recorded.reading import recording_of_answer
from ...recorded.recording import Recording
from ..aggregate import cut_out
from ..bars import BarSeries
from ..local_bars import exchange_for, recorded_detail
from ..telling_source import TellingSource
from .answer_cache import AnswerCache
from .answers import bars_of, custom_of

__all__ = ["ServerBars"]

_Answer = TypeVar("_Answer")
_SETTLED_MS = 3_600_000
"""Bars that ended longer ago than this do not change any more."""


class ServerBars(TellingSource):
    """Asks a data server for each series once.

    Args:
        url: The server, such as ``http://localhost:9090``; empty when all exchanges have a feeder's URL.
        settings: The settings of the backtest.
        cache: Where answers are kept; None for the folder ``backtest-data`` among the user's files.
    """

    def __init__(self, url: str, settings: BacktestSettings, cache: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._exchanges = settings.exchanges
        self._real_ticks = settings.real_ticks
        self._span_ms = (settings.start_ms, settings.end_ms)
        self._tell: Callable[[str], None] | None = None
        self._asks = True
        self._repeats = True
        self._failed: dict[str, FmzError] = {}
        self._client = HttpClient(
            options=HttpOptions(timeout_ms=120_000, read_timeout_ms=60_000, max_reply_bytes=1 << 30)
        )
        self._cache = AnswerCache(cache if cache is not None else _folder())

    def bars(self, eid: str, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, fill: bool = False) -> BarSeries:
        """The bars of a symbol; see ``BarSource.bars``.

        Raises:
            NoData: There are none, or the symbol is not known.
            BadReply: The answer is not in the protocol's form.
            OperationFailed: The server cannot be reached.
        """
        exchange = self._exchange(eid, symbol)
        url = self._address(
            exchange,
            symbol,
            period_ms,
            from_ms,
            to_ms,
            event="fill" if fill else "feed",
            depth=2 if fill else exchange.depth_levels,
        )
        where = _shown(url)

        def _read(answer: Any) -> BarSeries:
            series = bars_of(answer, symbol, period_ms, where)
            found = cut_out(series, from_ms, to_ms)
            if not len(found):
                raise NoData(
                    f"no bars from {from_ms} to {to_ms} ms in {where}, whose bars are from {series.time[0]} to {series.time[-1]} ms"
                )
            return found

        try:
            found = self._ask(url, to_ms, _read)
        except NoData as error:
            raise NoData(f"symbol {symbol} not found on {eid}: {error}") from None
        if not fill and not symbol.endswith((".funding", ".index")):
            self._tell_gaps(found, f"{symbol} of {eid}, from {where}")
        return found

    def tell_by(self, warn: Callable[[str], None]) -> None:
        """Sets what is called with warnings: of gaps in the bars."""
        self._tell = warn

    def stop_asking(self) -> None:
        """Asks no server from now on; see ``TellingSource.stop_asking``."""
        self._asks = False

    def stop_repeating(self) -> None:
        """Asks no more for what failed; see ``TellingSource.stop_repeating``."""
        self._repeats = False

    def _tell_gaps(self, series: BarSeries, where: str) -> None:
        start, end = self._span_ms
        count = (end - start) // series.period_ms
        missing = count - (bisect_left(series.time, end) - bisect_left(series.time, start))
        if missing > 0 and self._tell is not None:
            self._tell(
                f"{where}: {missing} of {count} bars are missing ({missing / count:.2%}); prices stand still there"
            )

    def ticks(self, eid: str, symbol: str, from_ms: int, to_ms: int) -> tuple[Recording, MarketDetail]:
        """The recorded order books of a symbol, and the market; see ``TickSource.ticks``.

        Raises:
            NoData: There are none, or the symbol is not known.
            BadReply: The answer is not in the protocol's form.
            OperationFailed: The server cannot be reached.
        """
        exchange = self._exchange(eid, symbol)
        url = self._address(exchange, symbol, 1000, from_ms, to_ms, event="feed", depth=exchange.depth_levels)
        try:
            recording = self._ask(url, to_ms, lambda answer: recording_of_answer(answer, _shown(url)))
        except NoData as error:
            raise NoData(f"symbol {symbol} not found on {eid}: {error}") from None
        except InputError as error:
            raise BadReply(str(error)) from None
        if not recording.count:
            raise NoData(f"symbol {symbol} not found on {eid}: no ticks from {from_ms} to {to_ms} ms in {_shown(url)}")
        return recording, recorded_detail(recording, symbol)

    def custom(self, eid: str, name: str, from_ms: int, to_ms: int) -> list[tuple[int, object]] | None:
        """The rows of a series that ``GetData`` names: a URL, or a name that the server knows; None if none exists.

        Raises:
            BadReply: The answer is not in the protocol's form.
            OperationFailed: The server cannot be reached.
        """
        exchange = self._exchange(eid, name)
        if name.startswith(("http://", "https://")):
            query = urlencode({"from": from_ms // 1000, "to": to_ms // 1000})
            url = f"{name}{'&' if urlsplit(name).query else '?'}{query}"
        elif self._base(exchange):
            url = self._address(
                exchange, name, 60_000, from_ms, to_ms, event="feed", depth=exchange.depth_levels, custom=1
            )
        else:
            return None
        try:
            return self._ask(url, to_ms, lambda answer: custom_of(answer, _shown(url)))
        except NoData:
            return None

    def _exchange(self, eid: str, symbol: str) -> ExchangeSettings:
        found = exchange_for(self._exchanges, eid, symbol)
        if found is None:
            raise NoData(f"the backtest has no exchange {eid!r}")
        return found

    def _base(self, exchange: ExchangeSettings) -> str:
        if exchange.feeder.startswith(("http://", "https://")):
            return exchange.feeder
        return f"{self._url}/data/history" if self._url else ""

    def _address(
        self, exchange: ExchangeSettings, symbol: str, period_ms: int, from_ms: int, to_ms: int, *, event: str, depth: int, custom: int = 0
    ) -> str:  # fmt: skip
        base = self._base(exchange)
        if not base:
            raise NoData(f"symbol {symbol} not found on {exchange.eid}: it has no feeder, and there is no data server")
        query = {
            "detail": "true",
            "round": "true",
            **({} if base == exchange.feeder else {"feeder": exchange.feeder or "local"}),
            "event": event,
            "symbol": symbol,
            "eid": exchange.eid,
            "depth": depth,
            "trades": int(self._real_ticks),
            "custom": custom,
            "period": period_ms,
            "from": from_ms // 1000,
            "to": to_ms // 1000,
        }
        return f"{base}{'&' if urlsplit(base).query else '?'}{urlencode(query)}"

    def _ask(self, url: str, to_ms: int, read: Callable[[Any], _Answer]) -> _Answer:
        """What ``read`` makes of an answer. Only an answer that it can read is kept, and one that was kept and that it cannot read is asked for again."""
        kept = self._cache.get(url)
        if kept is not None:
            with contextlib.suppress(NoData, BadReply, InputError):
                return read(Reply(200, Headers(), kept, _shown(url)).json())
        if not self._asks:
            raise NoData(f"{_shown(url)} was not asked, since the backtest was interrupted")
        if not self._repeats and url in self._failed:
            raise NoData(f"{_shown(url)} was not asked again, since it failed before: {self._failed[url]}")
        try:
            reply = self._asked(url)
            found = read(reply.json())
        except FmzError as error:
            self._failed[url] = error.with_traceback(None)
            raise
        if to_ms < time.time() * 1000 - _SETTLED_MS:  # the age of real bars; a backtest's clock is in the past
            self._cache.put(url, reply.body)
        return found

    def _asked(self, url: str) -> Reply:
        try:
            return self._client.call(lambda: HttpRequest("GET", url), _complete, idempotent=True)
        except FmzError as error:
            if isinstance(error, (NoData, BadReply)):
                raise
            raise OperationFailed(f"no bars from {_shown(url)}: {error}") from error


def _complete(reply: Reply) -> Reply:
    if reply.status == 404:
        raise NoData(f"the server answered 404: {excerpt(reply.text)}")
    said = f"expected HTTP status 200, got {reply.status}: {excerpt(reply.text)}"
    if reply.status == 429:
        raise RateLimited(said, retry_after_s=retry_after_s(reply), request=reply.request, status=reply.status)
    if reply.status >= 500:
        raise VenueUnavailable(said, request=reply.request, status=reply.status)
    if reply.status != 200:
        raise BadReply(said, request=reply.request, status=reply.status)
    return reply


def _shown(url: str) -> str:
    """The URL without its query, for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _folder() -> Path | None:
    try:
        return data_folder() / "backtest-data"
    except OperationFailed:
        return None
