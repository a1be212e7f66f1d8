"""Strategies, backtests, exchanges and keys, as the pages see them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....errors import FmzError, InputError, OperationFailed
from ....strategy.program.header import backtest_header, header_arguments
from ....strategy.program.parameters import Parameter
from ....strategy.program.reading import read_source
from ....venues.registry import VENUES
from ...access import Actor, NotPermitted
from ...backtests.runs import BacktestRuns, StoredBacktest
from ...service import Platform
from ...store.exchange_accounts import meta_fields, venue_ids
from ...strategies.folder import StrategyFile
from ..parameter_fields import HIDDEN_SECRET
from ..port import BacktestView, ExchangeKindView, ExchangeView, KeyView, StrategyView, VersionView
from .argument_rows import argument_rows

__all__ = ["FilesOfPlatform"]

_SIMULATED = ("Binance", "OKX")
_FIRST = ("Binance", "OKX", "Futures_Binance", "Futures_OKX")


class FilesOfPlatform:
    """The part of the pages' port that is about files, accounts on exchanges and keys.

    Args:
        platform: The platform.
        backtests: Its backtests.
        actor: For whom.
    """

    def __init__(self, platform: Platform, backtests: BacktestRuns, actor: Actor) -> None:
        self._platform = platform
        self._backtests = backtests
        self._actor = actor

    # Strategies

    def strategies(self) -> Sequence[StrategyView]:
        """The strategies, templates and scripts that the person sees."""
        used: dict[int, int] = {}
        for robot in self._platform.lives.table.all():
            if self._actor.sees(robot.id):
                used[robot.settings.strategy_id] = used.get(robot.settings.strategy_id, 0) + 1
        seen = self._seen_strategies()
        return [
            StrategyView(
                name=one.file, language=one.language, kind=one.kind, changed_ms=one.changed_ms, size=one.bytes, robots=used.get(one.id, 0),
                problem=one.error,
            )
            for one in self._platform.strategies.all()
            if seen is None or one.id in seen
        ]  # fmt: skip

    def _seen_strategies(self) -> frozenset[int] | None:
        return self._platform.reader.strategies_seen(self._actor)

    def _strategy(self, name: str) -> StrategyFile:
        """A file that the person sees."""
        found, seen = self._platform.strategies.find(name), self._seen_strategies()
        if seen is not None and found.id not in seen:
            raise NotPermitted(f"the account {self._actor.name!r} does not see the strategy {name[:100]!r}")
        return found

    def source(self, name: str, version: str = "") -> str:
        """The text of a file, or of an earlier version."""
        found = self._strategy(name)
        return (
            self._platform.strategies.versions.text(name, version)
            if version
            else self._platform.strategies.text(found.id)
        )

    def parameters(self, name: str) -> Sequence[Parameter]:
        """The parameters that a strategy declares."""
        return self._platform.strategies.parameters(self._strategy(name).id)

    def versions(self, name: str) -> Sequence[VersionView]:
        """The versions of a file, newest first."""
        if self._seen_strategies() is not None:
            self._strategy(name)
        found = self._platform.strategies.versions.of(name)
        return [VersionView(id=one.id, time_ms=one.time_ms, note=f"{one.author}: {one.subject}") for one in found]

    def save_strategy(self, name: str, text: str, note: str = "", base: str = "") -> None:
        """Writes a strategy's file."""
        self._platform.strategies.write(self._actor, name, text, note, base)

    def delete_strategy(self, name: str) -> None:
        """Removes a strategy that no robot uses."""
        found = self._platform.strategies.find(name)
        users = [
            one.name for one in self._platform.lives.table.all() if found.id in (one.settings.strategy_id, *one.settings.templates)
        ]  # fmt: skip
        if users:
            raise InputError(f"{name} is used by {', '.join(users[:5])}: delete them first")
        self._platform.strategies.delete(self._actor, found.id)

    # Backtests

    def backtest_defaults(self, strategy: str) -> Mapping[str, str]:
        """The settings of a strategy's own backtest header."""
        path = self._platform.strategies.file_path(self._platform.strategies.find(strategy).id)
        try:
            header = backtest_header(read_source(path)) or {}
        except FmzError:  # the form opens all the same; the run says what is wrong
            return {}
        found = {key: str(header[key]) for key in ("start", "end", "period") if header.get(key)}
        try:
            exchanges = json.loads(header.get("exchanges", "[]"))
        except ValueError:
            exchanges = []
        first = exchanges[0] if isinstance(exchanges, list) and exchanges and isinstance(exchanges[0], dict) else {}
        names = {"eid": "exchange", "currency": "pair", "balance": "balance", "stocks": "stocks"}
        further = [
            " ".join(str(one.get(name, default)) for name, default in _FURTHER)
            for one in (exchanges[1:] if isinstance(exchanges, list) else ())
            if isinstance(one, dict)
        ]
        if further:
            found["further"] = "\n".join(further)
        return found | {ours: str(first[theirs]) for theirs, ours in names.items() if first.get(theirs) is not None}

    def start_backtest(
        self, strategy: str, args: Mapping[str, Any], settings: Mapping[str, str], templates: Sequence[str] = ()
    ) -> int:
        """Starts a backtest."""
        self._actor.check_owner("start backtests")
        found = self._platform.strategies.find(strategy)
        secret = {one.name for one in self.parameters(strategy) if one.kind == "encrypted"}
        for file in templates:
            name = file.rpartition(".")[0]
            secret |= {f"{name}.{one.name}" for one in self.parameters(file) if one.kind == "encrypted"}
        shown = {name: HIDDEN_SECRET if name in secret and value else value for name, value in args.items()}
        path = self._platform.strategies.file_path(found.id)
        rows = [list(row) for row in argument_rows(args, templates)]
        given = {(row[0], *row[2:]) for row in rows}
        saved = [row for row in header_arguments(read_source(path)) if (row[0], *row[2:]) not in given]
        with_templates = {**settings, "templates": ", ".join(templates)} if templates else settings
        number = self._backtests.start(
            path, {**_engine_settings(settings), "args": [*saved, *rows]}, with_templates, shown, settings.get("data", ""),
            [self._template_path(file) for file in templates],
        )  # fmt: skip
        self._platform.audit.add(self._actor, "start backtest", f"backtest {number}", strategy)
        return number

    def _template_path(self, file: str) -> Path:
        found = self._platform.strategies.find(file)
        if found.kind != "template":
            raise InputError(f"{file[:100]!r} is a {found.kind}, expected a template")
        return self._platform.strategies.file_path(found.id)

    def backtests(self) -> Sequence[BacktestView]:
        """The backtests of the strategies that the person sees, newest first."""
        names = None if self._seen_strategies() is None else {one.name for one in self.strategies()}
        return [_backtest(one) for one in self._backtests.all() if names is None or one.strategy in names]

    def backtest(self, backtest_id: int) -> BacktestView:
        """One backtest."""
        return _backtest(self._run(backtest_id))

    def stop_backtest(self, backtest_id: int) -> None:
        """Stops a running backtest, or removes one that has ended."""
        self._actor.check_owner("stop backtests")
        self._backtests.stop(backtest_id)
        self._platform.audit.add(self._actor, "stop or delete backtest", f"backtest {backtest_id}")

    def report(self, backtest_id: int) -> str:
        """The report's page."""
        path = self._run(backtest_id).report
        if path is None:
            raise InputError(f"backtest {backtest_id} has no report")
        try:
            return path.read_text("utf-8", "replace")
        except OSError as error:
            raise OperationFailed(f"the report of backtest {backtest_id} cannot be read: {error.strerror}") from error

    def _run(self, backtest_id: int) -> StoredBacktest:
        found = self._backtests.get(backtest_id)
        if self._seen_strategies() is not None:
            self._strategy(found.strategy)
        return found

    # Exchanges and keys

    def exchange_kinds(self) -> Sequence[ExchangeKindView]:
        """The kinds of exchanges, those first that are asked for most."""
        names = [name for name in _FIRST if name in VENUES]
        names += [name for name in venue_ids() if name not in names]
        return [
            ExchangeKindView(
                eid=eid, name=eid, fields=[(one.name, one.label, one.encrypt) for one in meta_fields(eid)],
                can_be_simulated=eid in _SIMULATED,
            )
            for eid in names
        ]  # fmt: skip

    def exchanges(self) -> Sequence[ExchangeView]:
        """The accounts, with how many robots use each."""
        used: dict[int, int] = {}
        for robot in self._platform.lives.table.all():
            for number in {one.pid for one in robot.settings.exchanges}:
                used[number] = used.get(number, 0) + 1
        return [
            ExchangeView(
                id=one.id, eid=one.eid, label=one.label, made_ms=one.created_ms, robots=used.get(one.id, 0), is_simulated=one.simulated
            )
            for one in self._platform.exchanges.all()
        ]  # fmt: skip

    def add_exchange(self, eid: str, label: str, fields: Mapping[str, str], *, is_simulated: bool = False) -> int:
        """Stores an account."""
        self._actor.check_owner("add exchanges")
        number = self._platform.exchanges.create(eid, label, {} if is_simulated else fields, simulated=is_simulated).id
        self._platform.audit.add(self._actor, "add exchange", f"exchange {number}", f"{eid} {label}")
        return number

    def change_exchange(self, exchange_id: int, label: str, fields: Mapping[str, str]) -> None:
        """Gives an account another label, and other keys if some are given."""
        self._actor.check_owner("change exchanges")
        self._platform.exchanges.change(exchange_id, label=label, fields=fields or None)
        what = "change the keys of exchange" if fields else "change exchange"
        self._platform.audit.add(self._actor, what, f"exchange {exchange_id}", label)

    def delete_exchange(self, exchange_id: int) -> None:
        """Forgets an account that no robot uses."""
        self._actor.check_owner("delete exchanges")
        users = [
            one.name for one in self._platform.lives.table.all() if any(each.pid == exchange_id for each in one.settings.exchanges)
        ]  # fmt: skip
        if users:
            raise InputError(f"this account is used by {', '.join(users[:5])}: change or delete them first")
        self._platform.exchanges.delete(exchange_id)
        self._platform.audit.add(self._actor, "delete exchange", f"exchange {exchange_id}")

    def keys(self) -> Sequence[KeyView]:
        """The keys of this person."""
        return [
            KeyView(
                id=one.id, label=one.label, access_key=one.access_key, methods=one.permissions, addresses=one.addresses,
                made_ms=one.created_ms, used_ms=one.used_ms, is_enabled=not one.disabled,
            )
            for one in self._platform.api_keys.all(self._actor.account_id)
        ]  # fmt: skip

    def add_key(self, label: str, methods: str, addresses: str) -> tuple[str, str]:
        """Makes a key."""
        self._actor.check_owner("make keys")
        key, secret = self._platform.api_keys.create(self._actor.account_id, label, methods or "*", addresses)
        self._platform.audit.add(self._actor, "make key", f"key {key.id}", label)
        return key.access_key, secret

    def set_key(self, key_id: int, *, is_enabled: bool) -> None:
        """Enables or disables a key."""
        self._own_key(key_id)
        self._platform.api_keys.change(key_id, disabled=not is_enabled)
        self._platform.audit.add(self._actor, "enable key" if is_enabled else "disable key", f"key {key_id}")

    def delete_key(self, key_id: int) -> None:
        """Removes a key."""
        self._own_key(key_id)
        self._platform.api_keys.delete(key_id)
        self._platform.audit.add(self._actor, "delete key", f"key {key_id}")

    def _own_key(self, key_id: int) -> None:
        self._actor.check_owner("change keys")
        if all(one.id != key_id for one in self._platform.api_keys.all(self._actor.account_id)):
            raise InputError(f"no key {key_id} of yours")


_FURTHER = (("eid", "Binance"), ("currency", "BTC_USDT"), ("balance", 10000), ("stocks", 0))
"""What a line of the form has for each further exchange, with what stands for it when it is missing."""


def _engine_settings(settings: Mapping[str, str]) -> dict[str, Any]:
    """The settings of the form as the engine's header has them."""
    found: dict[str, Any] = {key: settings[key] for key in ("start", "end", "period") if settings.get(key)}
    fee = [_number(settings, "fee_maker", 0.075), _number(settings, "fee_taker", 0.1)]
    exchange = {
        "eid": settings.get("exchange") or "Binance",
        "currency": settings.get("pair") or "BTC_USDT",
        "balance": _number(settings, "balance", 10000.0),
        "stocks": _number(settings, "stocks", 0.0),
        "fee": fee,
    }
    further = [_further(line, fee) for line in settings.get("further", "").splitlines() if line.strip()]
    return {**found, "exchanges": [exchange, *further]}


def _further(line: str, fee: list[float]) -> dict[str, Any]:
    """One more exchange: its name, pair, balance and coins, with spaces between."""
    words = line.split()
    if not 2 <= len(words) <= len(_FURTHER):
        raise InputError(f"a further exchange is {line[:60]!r}, expected such as 'OKX BTC_USDT 10000 0'")
    texts = dict(zip(("eid", "currency", "balance", "stocks"), words, strict=False))
    balance, stocks = _number(texts, "balance", 10000.0), _number(texts, "stocks", 0.0)
    return {"eid": words[0], "currency": words[1], "balance": balance, "stocks": stocks, "fee": fee}


def _number(settings: Mapping[str, str], name: str, default: float) -> float:
    text = settings.get(name, "").strip()
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name} is {text[:40]!r}, expected a number") from None


def _backtest(one: StoredBacktest) -> BacktestView:
    return BacktestView(
        id=one.id, strategy=one.strategy, state=one.state, made_ms=one.made_ms, share_done=one.share_done, problem=one.problem,
        args=one.args, settings=one.settings, figures=one.figures, has_report=one.report is not None,
    )  # fmt: skip
