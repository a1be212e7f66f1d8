"""The settings of a backtest as frozen objects. Times are milliseconds since the epoch; prices, amounts, rates are in nano (see ``nano``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...structures.value_objects import ValueObject, field
from ..nano import ONE

__all__ = ["BacktestSettings", "ExchangeSettings", "Latency", "MaintenanceTier", "MarketDetail", "PartialFills"]


class MaintenanceTier(ValueObject, kw_only=True):
    """One tier of the maintenance margin.

    Attributes:
        up_to: The greatest position value of the tier, in nano of the margin currency; None for no bound.
        rate: The maintenance margin as a share of the position's value, in nano.
        deduction: What is taken off the margin, so that it does not jump between tiers, in nano.
    """

    up_to: int | None
    rate: int
    deduction: int = 0


class MarketDetail(ValueObject, kw_only=True):
    """What the data server tells of one symbol of one exchange.

    Attributes:
        symbol: FMZ's symbol, such as ``BTC_USDT`` or ``BTC_USDT.swap``.
        base_precision: Decimals of amounts; an order's amount is rounded to them.
        quote_precision: Decimals of prices.
        price_tick: The step of prices, in nano.
        volume_tick: The step of bar volumes, in nano.
        volume_multiple: Value of one contract (USDT-margined: in base currency; coin-margined: in quote currency), in nano.
        margin_level: The leverage at the start, in nano.
        contract_type: Such as ``swap``; empty for a spot pair.
        symbol_funding: The symbol of the funding series; empty for no funding; None when not said.
        symbol_index: The symbol of the index series; as ``symbol_funding``.
        symbol_mark: The symbol of the mark price series; empty for the contract's own prices.
        tiers: The tiers of the maintenance margin, ascending; empty for no liquidation, as in FMZ's engine.
        liquidation_fee: The fee of a liquidation as a share, in nano.
        raw: The object as it was given.
    """

    symbol: str
    alias: str = ""
    base_currency: str
    quote_currency: str
    margin_currency: str = ""
    base_precision: int = 9
    quote_precision: int = 9
    price_tick: int = 0
    volume_tick: int = 0
    volume_multiple: int = ONE
    margin_level: int = 10 * ONE
    contract_type: str = ""
    symbol_funding: str | None = None
    symbol_index: str | None = None
    symbol_mark: str = ""
    tiers: tuple[MaintenanceTier, ...] = ()
    liquidation_fee: int = 0
    raw: Mapping[str, Any] = field(factory=dict, repr=False)

    @property
    def is_contract(self) -> bool:
        """Whether it is a futures contract."""
        return bool(self.contract_type) or "." in self.symbol

    @property
    def is_coin_margined(self) -> bool:
        """Whether margin and profit are in the base currency."""
        return self.is_contract and bool(self.margin_currency) and self.margin_currency == self.base_currency


class Latency(ValueObject, kw_only=True):
    """How long the calls of one exchange take: drawn for each call.

    Attributes:
        median_ms: Half of the calls take less.
        p99_ms: One call in a hundred takes longer (a log-normal distribution); None when all take ``median_ms``.
        samples_ms: Measured values to be drawn from instead; empty for none.
    """

    median_ms: float = 0.0
    p99_ms: float | None = None
    samples_ms: tuple[float, ...] = ()


class PartialFills(ValueObject, kw_only=True):
    """Orders are filled by shares of the bars' volumes (``participation``, ``queue``), which FMZ's engine does not know.

    Attributes:
        participation: The share of each base bar's volume that the strategy's orders may take, in nano; more than 0, at most 1.
        queue: How much of a book level's displayed amount stands before a resting order, as a share in nano; None when a resting order waits until the
            price has gone beyond its own.
    """

    participation: int
    queue: int | None = None


class ExchangeSettings(ValueObject, kw_only=True):
    """One exchange of a backtest.

    Attributes:
        index: Its place among the exchanges, from 0.
        eid: FMZ's id, such as ``Binance`` or ``Futures_Binance``.
        label: What ``GetLabel`` answers.
        currency: The pair, such as ``BTC_USDT``.
        balance: Quote currency at the start, in nano.
        stocks: Base currency at the start, in nano.
        margin_currency: The currency of margins and profits; None when the option is not given.
        fee_maker: The maker fee as a share, in nano.
        fee_taker: The taker fee as a share, in nano.
        fee_min: The least fee of an order (it only freezes), in nano.
        slip_point: Slippage in price ticks, whole.
        depth_levels: Levels a side of the book (1 to 20).
        depth_amount: The amount of each level, in nano.
        fault_tolerant: The probability (0 to 1) that a call fails on purpose; 0 for never.
        pre_bar_len: Bars of the default period before the start; None when not given (taken as 200).
        max_bar_len: The most bars that a record list keeps.
        timezone_offset_ms: What the start of daily bars is shifted by.
        feeder: The name of the data feed.
        details: What is known of the symbols without asking a server.
        quote_precision: Decimals of prices where no detail says it; None for those of the data.
        base_precision: Decimals of amounts where no detail says it; None for those of the data.
        partial_fills: How orders share the volume of bars; None when each fill is whole, as in FMZ's engine.
        latency: How long each call takes; None for the backtest's ``net_delay_ms``.
        max_price_age_ms: A fill at a price that is older writes an error row; None where the age of prices is not looked at.
    """

    index: int = 0
    eid: str
    label: str = ""
    currency: str = "BTC_USDT"
    balance: int = 10_000 * ONE
    stocks: int = 0
    margin_currency: str | None = None
    fee_maker: int = 2_000_000
    fee_taker: int = 2_000_000
    fee_min: int = 0
    slip_point: int = 0
    depth_levels: int = 20
    depth_amount: int = 200 * ONE
    fault_tolerant: float = 0.0
    pre_bar_len: int | None = None
    max_bar_len: int = 1000
    timezone_offset_ms: int = 28_800_000
    feeder: str = ""
    details: Mapping[str, MarketDetail] = field(factory=dict)
    quote_precision: int | None = None
    base_precision: int | None = None
    partial_fills: PartialFills | None = None
    latency: Latency | None = None
    max_price_age_ms: int | None = None

    @property
    def base_currency(self) -> str:
        """The currency before the underscore."""
        return self.currency.partition("_")[0]

    @property
    def quote_currency(self) -> str:
        """The currency after the underscore."""
        return self.currency.partition("_")[2]

    @property
    def is_futures(self) -> bool:
        """Whether it trades contracts."""
        return self.eid.startswith("Futures_")


class BacktestSettings(ValueObject, kw_only=True):
    """A whole backtest.

    Attributes:
        start_ms: Where the clock starts.
        end_ms: Where it ends.
        period_ms: The default period of records.
        base_period_ms: The period of the bars that ticks are made from.
        snapshot_ms: The time between two snapshots of the accounts.
        net_delay_ms: What each exchange call takes.
        exchanges: The exchanges, at least one.
        args: The values of the strategy's parameters.
        real_ticks: Whether the data are order books and trades (``mode: 1``).
        compat_fmz: Whether plain bugs of FMZ's engine are kept (``compat: fmz``).
        concurrent_go: Whether calls started together by ``Go`` share their latency (``go: concurrent``).
        seed: Of everything that is drawn by chance.
        year_days: The days of a year, for the figures.
        timezone: The time zone of the strategy's local times (``_D``, ``datetime.now``), and of ``start`` and ``end``: its name.
        options: The engine options as given, such as ``MaxRuntimeLogs``.
        task: The task as it was run, for the result's ``Task``.
    """

    start_ms: int
    end_ms: int
    period_ms: int
    base_period_ms: int
    snapshot_ms: int
    net_delay_ms: int = 200
    exchanges: tuple[ExchangeSettings, ...]
    args: Mapping[str, Any] = field(factory=dict)
    real_ticks: bool = False
    compat_fmz: bool = False
    concurrent_go: bool = False
    seed: int = 0
    year_days: float = 365
    timezone: str = "UTC"
    options: Mapping[str, Any] = field(factory=dict)
    task: Mapping[str, Any] = field(factory=dict, repr=False)
