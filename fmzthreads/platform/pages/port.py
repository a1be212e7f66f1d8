"""What the pages need of the platform: facts, and a port that gives them.

All times are milliseconds since the epoch (UTC). Methods may block for as long as a SQLite read or a question to a process takes; the pages
call them in worker threads. A robot, strategy, exchange or key that does not exist raises ``UnknownName``; what is not valid raises
``InputError``; what failed raises ``OperationFailed``. Their texts are shown to the user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from ...strategy.program.parameters import Parameter

__all__ = [
    "AlarmView",
    "BacktestView",
    "ExchangeKindView",
    "ExchangeView",
    "FolderView",
    "KeyView",
    "LogView",
    "MoneyView",
    "NodeView",
    "PageService",
    "RobotOrderView",
    "RobotPositionView",
    "RobotView",
    "StrategyView",
    "VersionView",
    "WorthView",
]


@attrs.frozen(kw_only=True)
class RobotView:
    """A robot at one moment.

    Attributes:
        id: Its number.
        name: Its name.
        group: The group's name; empty for none.
        strategy: The strategy's file name.
        node: The node's name.
        status: FMZ's status code (0 idle, 1 running, 2 stopping, 3 exited, 4 stopped, 5 strategy error; negative as in FMZ's guide).
        stage: Where a stop has come to (``asked``, ``orders cancelled``, ``onexit``, ``ended``); empty without one.
        cancels: Whether the stop cancels open orders.
        orders: How many it cancels; 0 if that is not known yet.
        cancelled: How many of them are cancelled.
        reason: Why it ended; empty while it runs.
        pid: Its process; 0 without one.
        since_ms: When it was started; 0 before the first start.
        read_ms: When these facts were read.
        last_ms: When its last log line was written; 0 without lines.
        profit: The newest point of its profit curve; None without one.
        curve: Some values of its profit curve, oldest first, for a small picture; at most about 60.
        exchanges: What it trades on, such as ``Binance BTC_USDT``.
        trouble: What is wrong with its folder, such as a damaged database; empty for nothing.
    """

    id: int
    name: str
    group: str = ""
    strategy: str = ""
    node: str = ""
    status: int = 0
    stage: str = ""
    cancels: bool = False
    orders: int = 0
    cancelled: int = 0
    reason: str = ""
    pid: int = 0
    since_ms: int = 0
    read_ms: int = 0
    last_ms: int = 0
    profit: float | None = None
    curve: Sequence[float] = ()
    exchanges: Sequence[str] = ()
    trouble: str = ""


@attrs.frozen(kw_only=True)
class FolderView:
    """A run folder that belongs to no robot: its name, what ran in it, and why it cannot be imported; empty if it can."""

    folder: str
    name: str = ""
    problem: str = ""


@attrs.frozen(kw_only=True)
class NodeView:
    """A node: where robots run. ``kind`` is ``local``, ``container`` or ``dask``; ``problem`` says why it is not online."""

    id: int
    name: str
    kind: str = "local"
    is_online: bool = True
    robots: int = 0
    read_ms: int = 0
    problem: str = ""


@attrs.frozen(kw_only=True)
class AlarmView:
    """Something that a person should look at. ``kind`` is ``ended``, ``silent``, ``node`` or ``damaged``."""

    id: int
    time_ms: int
    kind: str
    text: str
    robot_id: int = 0


@attrs.frozen(kw_only=True)
class RobotPositionView:
    """A position that a robot holds; ``amount`` is negative for a short one."""

    robot_id: int
    robot: str
    exchange: str
    symbol: str
    amount: float
    price: float = 0.0
    profit: float | None = None


@attrs.frozen(kw_only=True)
class MoneyView:
    """Money as a robot read it: ``amount`` of ``currency``, worth ``worth`` in the quote currency; ``time_ms`` is when it was read."""

    exchange: str
    wallet: str
    currency: str
    amount: float
    worth: float
    time_ms: int
    robot_id: int
    robot: str


@attrs.frozen(kw_only=True)
class WorthView:
    """What is held in one quote currency, with its course over time.

    Attributes:
        currency: The currency.
        worth: How much.
        is_simulated: Whether it is play money, which is never added to real money.
        oldest_ms: When its oldest part was read.
        parts: What it is made of.
        curve: Some values over time, oldest first.
        since_ms: When the curve begins.
    """

    currency: str
    worth: float
    is_simulated: bool = False
    oldest_ms: int = 0
    parts: Sequence[MoneyView] = ()
    curve: Sequence[float] = ()
    since_ms: int = 0


@attrs.frozen(kw_only=True)
class RobotOrderView:
    """An order of a robot, from its order log."""

    time_ms: int
    exchange: str
    symbol: str
    side: str
    price: float
    amount: float
    filled: float = 0.0
    state: str = ""
    id: str = ""


@attrs.frozen(kw_only=True)
class LogView:
    """One line of a robot's log; ``kind`` is FMZ's number (0 buy 1 sell 2 cancel 3 error 4 profit 5 log 6 restart)."""

    id: int
    time_ms: int
    kind: int
    text: str
    exchange: str = ""
    symbol: str = ""
    order_id: str = ""
    price: float = 0.0
    amount: float = 0.0
    color: str = ""
    push: bool = False
    is_private: bool = False


@attrs.frozen(kw_only=True)
class StrategyView:
    """A strategy's file. ``kind`` is ``strategy`` or ``template``; ``problem`` says why its declaration cannot be read."""

    name: str
    language: str = "Python"
    kind: str = "strategy"
    changed_ms: int = 0
    size: int = 0
    robots: int = 0
    problem: str = ""


@attrs.frozen(kw_only=True)
class VersionView:
    """An earlier version of a strategy's file."""

    id: str
    time_ms: int
    note: str = ""


@attrs.frozen(kw_only=True)
class BacktestView:
    """A backtest that was started from the pages.

    Attributes:
        id: Its number.
        strategy: The strategy's file name.
        state: ``waiting``, ``running``, ``done``, ``failed`` or ``stopped``.
        share_done: How much of the span has been run, from 0 to 1.
        problem: Why it failed; empty otherwise.
        args: Its arguments; secrets are left out.
        settings: ``start``, ``end``, ``period``, ``exchange``, ``pair`` and so on, as texts.
        figures: By section and key, as ``metrics_of`` gives them; empty before it is done.
        has_report: Whether there is a page to look at.
    """

    id: int
    strategy: str
    state: str = "waiting"
    made_ms: int = 0
    share_done: float = 0.0
    problem: str = ""
    args: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    settings: Mapping[str, str] = attrs.field(factory=dict)
    figures: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    has_report: bool = False


@attrs.frozen(kw_only=True)
class ExchangeKindView:
    """A kind of exchange that an account can be added for; ``fields`` are ``(name, label, is_secret)`` of what it asks."""

    eid: str
    name: str
    fields: Sequence[tuple[str, str, bool]] = ()
    can_be_simulated: bool = False


@attrs.frozen(kw_only=True)
class ExchangeView:
    """An account on an exchange; its keys are never shown again. ``pairs`` are what it offers to trade, for a list to choose from."""

    id: int
    eid: str
    label: str
    made_ms: int = 0
    robots: int = 0
    pairs: Sequence[str] = ()
    is_simulated: bool = False


@attrs.frozen(kw_only=True)
class KeyView:
    """A key of the extended API. The secret is shown once, when it is made."""

    id: int
    label: str
    access_key: str
    methods: str = ""
    addresses: str = ""
    made_ms: int = 0
    used_ms: int = 0
    is_enabled: bool = True


class PageService(Protocol):
    """The platform, as the pages use it."""

    # Everything at a glance

    def robots(self) -> Sequence[RobotView]:
        """All robots, as they were just read."""

    def groups(self) -> Sequence[str]:
        """The names of the groups of robots."""

    def nodes(self) -> Sequence[NodeView]:
        """All nodes."""

    def alarms(self) -> Sequence[AlarmView]:
        """What is not dismissed yet, newest first."""

    def dismiss_alarm(self, alarm_id: int) -> None:
        """Takes an alarm off the list."""

    def positions(self, robot_id: int | None = None) -> Sequence[RobotPositionView]:
        """The positions of one robot, or of all."""

    def worth(self, robot_id: int | None = None) -> Sequence[WorthView]:
        """What one robot, or all, hold, as they read it from their exchanges themselves; empty when none has asked yet."""

    def stop_all(self, *, cancel: bool) -> int:
        """Asks all robots to stop; returns how many were asked."""

    # One robot

    def robot(self, robot_id: int) -> RobotView:
        """One robot, as it was just read."""

    def create_robot(self, settings: Mapping[str, Any]) -> int:
        """Makes and starts a robot.

        Args:
            settings: ``name``, ``strategy`` (file name), ``args`` (by name), ``templates`` (file names), ``exchanges`` (a list of
                ``{"id": ID OF AN ExchangeView, "pair": ...}``), ``period_s``, ``node`` (id; 0 for any), ``group``, ``restart``.

        Returns:
            Its id.
        """

    def found_folders(self) -> Sequence[FolderView]:
        """The run folders that lie among those of the robots and belong to none."""

    def import_robot(self, folder: str) -> tuple[int, Sequence[str]]:
        """Makes a stopped robot of a run folder, which is named by its path or by its name among those of the robots.

        Returns:
            Its id, and what must be given again before it can start.
        """

    def robot_settings(self, robot_id: int) -> Mapping[str, Any]:
        """The settings of a robot, in the form of ``create_robot``; ``***`` stands for secrets, and sent back leaves them as they are."""

    def update_robot(self, robot_id: int, settings: Mapping[str, Any]) -> None:
        """Changes the settings of a robot, which take effect at its next start; what is not named stays."""

    def restart_robot(self, robot_id: int) -> None:
        """Starts a robot that is not running."""

    def stop_robot(self, robot_id: int, *, cancel: bool) -> None:
        """Asks a robot to stop; with ``cancel`` its open orders are cancelled first."""

    def kill_robot(self, robot_id: int) -> None:
        """Ends a robot's process at once."""

    def delete_robot(self, robot_id: int, *, remove_log: bool) -> None:
        """Forgets a robot that is not running."""

    def command(self, robot_id: int, text: str) -> bool:
        """Hands a command to a robot; False when it is not running."""

    def status_text(self, robot_id: int) -> str:
        """The robot's status bar, as ``LogStatus`` had it; the last known one when it is not running."""

    def log(
        self,
        robot_id: int,
        *,
        before: int = 0,
        kinds: Sequence[int] = (),
        exchange: str = "",
        word: str = "",
        most: int = 100,
    ) -> Sequence[LogView]:
        """The newest lines of the log, newest first.

        Args:
            robot_id: The robot.
            before: Only lines with smaller ids, when above 0.
            kinds: Only of these kinds; empty for all.
            exchange: Only of this exchange's label; empty for all.
            word: Only those whose text has it; empty for all.
            most: The most lines.
        """

    def log_after(
        self,
        robot_id: int,
        after: int,
        *,
        kinds: Sequence[int] = (),
        exchange: str = "",
        word: str = "",
        most: int = 100,
    ) -> Sequence[LogView]:
        """The lines with greater ids than ``after``, oldest first; otherwise as ``log``."""

    def profits(self, robot_id: int, most: int = 2000) -> Sequence[tuple[int, float]]:
        """The profit curve as ``(ms, profit)``, oldest first, thinned to about ``most`` points."""

    def chart(self, robot_id: int) -> Mapping[str, Any]:
        """The strategy's charts: ``Cfg`` (JSON text), ``Datas`` (rows ``[series, point]``), ``changed`` (grows with each change)."""

    def chart_mark(self, robot_id: int) -> int:
        """A number that grows when the strategy's charts change, without reading them."""

    def orders(self, robot_id: int, most: int = 200) -> Sequence[RobotOrderView]:
        """The newest orders of a robot, newest first."""

    def output(self, robot_id: int, stream: str, most_bytes: int = 65536) -> str:
        """The end of what the robot printed; ``stream`` is ``stdout`` or ``stderr``."""

    # Strategies

    def strategies(self) -> Sequence[StrategyView]:
        """All strategies and templates."""

    def source(self, name: str, version: str = "") -> str:
        """The text of a strategy's file, or of an earlier version."""

    def parameters(self, name: str) -> Sequence[Parameter]:
        """The parameters that a strategy declares."""

    def versions(self, name: str) -> Sequence[VersionView]:
        """The earlier versions of a file, newest first."""

    def save_strategy(self, name: str, text: str, note: str = "", base: str = "") -> None:
        """Writes a strategy's file; the old text becomes a version. ``base`` is the mark of the text that was edited: another one is kept."""

    def delete_strategy(self, name: str) -> None:
        """Removes a strategy that no robot uses."""

    # Backtests

    def backtest_defaults(self, strategy: str) -> Mapping[str, str]:
        """The settings of a strategy's own backtest header, as far as the form has them."""

    def start_backtest(
        self, strategy: str, args: Mapping[str, Any], settings: Mapping[str, str], templates: Sequence[str] = ()
    ) -> int:
        """Starts a backtest and returns its id; ``settings`` as in ``BacktestView``, ``templates`` are file names, in order."""

    def backtests(self) -> Sequence[BacktestView]:
        """All backtests, newest first."""

    def backtest(self, backtest_id: int) -> BacktestView:
        """One backtest."""

    def stop_backtest(self, backtest_id: int) -> None:
        """Stops a running backtest, or removes one that has ended."""

    def report(self, backtest_id: int) -> str:
        """The report's page, as ``fmzthreads.backtest.report`` writes it."""

    # Exchanges, keys, settings

    def exchange_kinds(self) -> Sequence[ExchangeKindView]:
        """The kinds of exchanges that an account can be added for."""

    def exchanges(self) -> Sequence[ExchangeView]:
        """The accounts."""

    def add_exchange(self, eid: str, label: str, fields: Mapping[str, str], *, is_simulated: bool = False) -> int:
        """Stores an account with its keys, encrypted, or a simulated one; returns its id."""

    def change_exchange(self, exchange_id: int, label: str, fields: Mapping[str, str]) -> None:
        """Gives an account another label, and other keys if ``fields`` is not empty; robots take them at their next start."""

    def delete_exchange(self, exchange_id: int) -> None:
        """Forgets an account that no robot uses."""

    def keys(self) -> Sequence[KeyView]:
        """The keys of the extended API."""

    def add_key(self, label: str, methods: str, addresses: str) -> tuple[str, str]:
        """Makes a key; returns the access key and the secret, which is not shown again."""

    def set_key(self, key_id: int, *, is_enabled: bool) -> None:
        """Enables or disables a key."""

    def delete_key(self, key_id: int) -> None:
        """Removes a key."""
