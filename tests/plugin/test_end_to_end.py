"""Strategy, host, plugin and simulator together: 32 threads, and a plugin that is killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fmzthreads import Exchange, errors
from fmzthreads.exchange.host import QuietHost
from fmzthreads.plugin.server import PluginServer
from fmzthreads.plugin.target import load_target
from fmzthreads.plugin.wrapped import VenuePlugin
from tests.helpers.plugins import PluginProcess, plugin_process
from tests.helpers.simulators import simulator

pytest.importorskip("uvicorn", reason="the simulator needs the extra server")

THREADS = 32
PRICE = 54_000.0  # far below the market, so that every order rests


def host_of(address: str, key: str, secret: str, **options: Any) -> Any:
    options.setdefault("errors", "raise")
    return Exchange(
        "Exchange",
        "BTC_USDT",
        base=address,
        access_key=key,
        secret_key=secret,
        max_workers=THREADS,
        host=QuietHost(),
        **options,
    )


def in_threads(work: Any) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
        assert not thread.is_alive()


@pytest.mark.parametrize("venue", ["Binance", "OKX"])
def test_every_call_goes_through_to_a_venue_of_ours(venue: str) -> None:
    with simulator(venue.lower()) as server, PluginServer(VenuePlugin(venue, base=server.base_url)) as plugin:
        secret = f"{server.secret},{server.passphrase}" if server.passphrase else server.secret
        with host_of(plugin.address, server.key, secret) as exchange:
            ticker = exchange.GetTicker()
            assert ticker.Buy <= ticker.Last
            assert ticker.Buy == exchange.GetDepth().Bids[0].Price
            assert exchange.GetRecords(300)[-1].Close == ticker.Last
            assert exchange.GetTrades()
            account = exchange.GetAccount()
            order = exchange.Buy(PRICE, 0.01)
            assert exchange.GetOrder(order).Status == 0
            assert [one.Id for one in exchange.GetOrders()] == [order]
            assert exchange.GetAccount().FrozenBalance > account.FrozenBalance
            assert exchange.CancelOrder(order)
            assert exchange.GetOrder(order).Status == 2
            exchange.Buy(-1, 100)
            assert exchange.GetAccount().Stocks > account.Stocks
            assert {asset.Currency for asset in exchange.GetAssets()} >= {"BTC", "USDT"}
            with pytest.raises((errors.InvalidOrder, errors.InsufficientFunds)):
                exchange.Buy(PRICE, 10**9)
            with pytest.raises(errors.VenueRejected):
                exchange.GetTicker("XX_YY")
        with host_of(plugin.address, server.key, "wrong") as stranger, pytest.raises(errors.FmzError):
            stranger.GetAccount()


def test_raw_calls_take_their_http_method_from_the_path() -> None:
    with (
        simulator("binance") as server,
        PluginServer(VenuePlugin("Binance", base=server.base_url)) as plugin,
        host_of(plugin.address, server.key, server.secret) as exchange,
    ):
        assert exchange.IO("api", "GET", "/api/v3/time").serverTime > 0
        raw = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=54000"
        placed = exchange.IO("api", "POST", "POST /api/v3/order", raw)
        assert exchange.GetOrders()[0].Id.endswith(str(placed.orderId))


def test_own_keys_serve_hosts_that_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.MissingCredentials, match="FMZ_BINANCE_ACCESS_KEY"):
        VenuePlugin("Binance", own_keys=True)
    with pytest.raises(errors.UnknownName, match="did you mean 'Binance'"):
        VenuePlugin("Binanse")
    with simulator("binance") as server:
        monkeypatch.setenv("FMZ_BINANCE_ACCESS_KEY", server.key)
        monkeypatch.setenv("FMZ_BINANCE_SECRET_KEY", server.secret)
        with (
            PluginServer(VenuePlugin("Binance", base=server.base_url, own_keys=True)) as plugin,
            host_of(plugin.address, "a-token", "x") as exchange,
        ):
            assert exchange.GetAccount().Balance == 1_000_000.0


def test_accounts_are_kept_apart_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmzthreads.plugin.wrapped._MOST_ACCOUNTS", 3)
    plugin = VenuePlugin("Binance")
    from fmzthreads.exchange.keys.credentials import Credentials

    first, second = (Credentials(access_key=name, secret_key="x") for name in "ab")
    assert plugin._exchange(first) is plugin._exchange(first)
    assert plugin._exchange(first) is not plugin._exchange(second)
    with pytest.raises(errors.VenueRejected, match="restart it for others"):
        plugin._exchange(Credentials(access_key="c", secret_key="x"))
    plugin.close()


def test_a_plugin_killed_under_32_threads_costs_no_order_twice_and_comes_back() -> None:
    with simulator("binance") as server:
        words = ("--venue", "Binance", "--base", server.base_url)
        with plugin_process(*words, "--port", "0") as first:
            exchange = host_of(first.address, server.key, server.secret)
            placed: list[str] = []
            unknown: list[errors.FmzError] = []
            others: list[BaseException] = []
            counting, enough, back = threading.Lock(), threading.Event(), threading.Event()

            def _trade(number: int) -> None:
                after = 0
                while after < 2:
                    restarted = back.is_set()
                    try:
                        order = exchange.Buy(PRICE, 0.001)
                        with counting:
                            placed.append(order)
                            if len(placed) >= 2 * THREADS:
                                enough.set()
                        after += restarted
                    except errors.OutcomeUnknown as error:
                        with counting:
                            unknown.append(error)
                        # A killed process may close a connection before its listener: another order could still be cut off.
                        assert back.wait(100)
                    except errors.ConnectFailed:
                        assert back.wait(100)  # nothing was sent: it may be tried again
                    except BaseException as error:
                        with counting:
                            others.append(error)
                            enough.set()
                        return

            def _restart() -> None:
                assert enough.wait(100)
                first.kill()
                with plugin_process(*words, "--port", str(first.port)) as second:
                    assert isinstance(second, PluginProcess)
                    back.set()
                    done.wait(100)

            done = threading.Event()
            restarting = threading.Thread(target=_restart)
            restarting.start()
            in_threads(_trade)
            done.set()
            restarting.join(100)
        assert others == []
        assert len(set(placed)) == len(placed) >= 4 * THREADS
        records = exchange.UnknownOrders()
        assert len(records) == len(unknown) <= THREADS  # at most the one that each thread had under way
        assert all("compare GetOrders()" in str(error) for error in unknown)
        made = _order_ids(server)
        mine = {order.rpartition(",")[2] for order in placed}
        assert mine <= made
        assert len(made - mine) <= len(unknown)  # an order more can only be one whose reply was lost
        exchange.close()


def _order_ids(server: Any) -> set[str]:
    """The ids of all open orders at the simulated venue, asked past the plugin."""
    with Exchange(
        "Binance",
        "BTC_USDT",
        base=server.base_url,
        access_key=server.key,
        secret_key=server.secret,
        errors="raise",
        host=QuietHost(),
    ) as direct:
        return {order.Id.rpartition(",")[2] for order in direct.GetOrders()}


OWN = """
class Mine:
    def GetTicker(self, symbol):
        return {"last": 7}
class Broken:
    def __init__(self):
        raise RuntimeError("cannot begin")
"""


def test_a_class_in_a_file_or_a_module_is_served_until_sigterm(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    for target in (f"{tmp_path / 'mine.py'}:Mine", "mine:Mine"):
        with plugin_process(
            target, "--port", "0", "--key", "the-door", cwd=tmp_path, PYTHONPATH=str(Path.cwd())
        ) as plugin:
            with host_of(plugin.address, "the-door", "x") as exchange:
                assert exchange.GetTicker().Last == 7.0
            with host_of(plugin.address, "another", "x") as exchange, pytest.raises(errors.AuthenticationFailed):
                exchange.GetTicker()
            plugin.process.send_signal(signal.SIGTERM)
            assert plugin.process.wait(60) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of MODULE:CLASS and --venue"),
        (["mine:Mine", "--venue", "Binance"], "not both"),
        (["mine"], "module:Class or file.py:Class"),
        (["mine.py:Min"], "did you mean 'Mine'"),
        (["mine.py:Broken"], "RuntimeError: cannot begin"),
        (["absent.py:Mine"], "there is no file"),
        (["absent_module:Mine"], "could not be loaded"),
        (["mine.py:Mine", "--base", "http://x"], "go with --venue"),
        (["mine.py:Mine", "--port", "99999"], "--port must be"),
        (["mine.py:Mine", "--host", "0.0.0.0"], "without keys"),
        (["--venue", "Binanse"], "did you mean 'Binance'"),
        (["--venue", "Binance", "--own-keys"], "FMZ_BINANCE_ACCESS_KEY"),
    ],
)
def test_a_command_line_that_does_not_fit_is_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fmzthreads.cli import main

    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("fmzthreads.plugin.command._end_by_signals", lambda ended: ended.set())
    assert main(["plugin", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_target_needs_no_folder_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine_too.py").write_text("import beside_mine\nclass Mine:\n    value = beside_mine.VALUE\n")
    (tmp_path / "beside_mine.py").write_text("VALUE = 5\n")
    assert load_target(f"{tmp_path / 'mine_too.py'}:Mine").value == 5  # type: ignore[attr-defined]


def test_help_names_what_the_command_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fmzthreads", "plugin", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ},
    )
    assert "MODULE:CLASS" in done.stdout
    assert json.dumps("--own-keys")[1:-1] in done.stdout
