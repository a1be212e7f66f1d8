"""FMZ's data protocol, over a small real server."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from fmzthreads.backtest.config.settings import BacktestSettings
from fmzthreads.backtest.config.task import settings_of
from fmzthreads.backtest.data.server.server_bars import ServerBars
from fmzthreads.backtest.failures import NoData
from fmzthreads.errors import BadReply, NotSupported, OperationFailed
from tests.helpers.backtest_runs import command

DETAIL = {"symbol": "BTC_USDT", "quotePrecision": 2, "basePrecision": 5, "priceTick": 0.01, "volumeTick": 0.00001, "baseCurrency": "BTC",
          "quoteCurrency": "USDT"}  # fmt: skip
MINUTE = 60_000


@contextmanager
def data_server(answer: Any) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that gives one answer (or what a function makes of the query), and notes what it was asked."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            asked.append({"path": parts.path, **query})
            found = answer(query) if callable(answer) else answer
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(404 if body == b"missing" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rows(count: int = 200, start: int = 0, period: int = MINUTE) -> dict[str, Any]:
    data = [[start + i * period, 100, 300 + i, 50, 200 + i, 7] for i in range(count)]
    return {"detail": DETAIL, "schema": ["time", "open", "high", "low", "close", "vol"], "data": data}


def settings(**exchange: Any) -> BacktestSettings:
    return settings_of({"exchanges": [{"eid": "Binance", "currency": "BTC_USDT", "depthDeep": 5, **exchange}]})


def test_the_query_and_the_bars(tmp_path: Path) -> None:
    with data_server(rows()) as (url, asked):
        bars = ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 60_000, 180_000)
    assert list(bars.time) == [60_000, 120_000]
    assert (list(bars.close), list(bars.volume)) == ([201, 202], [7, 7])
    assert bars.detail.price_tick == 10_000_000
    assert asked == [{
        "path": "/data/history", "detail": "true", "round": "true", "feeder": "local", "event": "feed", "symbol": "BTC_USDT", "eid": "Binance",
        "depth": "5", "trades": "0", "custom": "0", "period": "60000", "from": "60", "to": "180",
    }]  # fmt: skip


def test_older_bars_are_asked_for_as_fmz_does(tmp_path: Path) -> None:
    with data_server(rows(10, period=900_000)) as (url, asked):
        ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", 900_000, 0, 9_000_000, fill=True)
    assert (asked[0]["event"], asked[0]["depth"], asked[0]["period"]) == ("fill", "2", "900000")


def test_answers_about_the_past_are_kept(tmp_path: Path) -> None:
    with data_server(rows()) as (url, asked):
        for _ in range(2):
            assert len(ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)) == 3
        assert len(asked) == 1
        for file in tmp_path.iterdir():
            file.write_bytes(b"damaged")
        ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)
        assert len(asked) == 2
    assert (
        len(ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)) == 3
    )  # the server is gone


def test_answers_about_the_present_are_not(tmp_path: Path) -> None:
    future = 4_102_444_800_000
    with data_server(rows(start=future - 10 * MINUTE)) as (url, asked):
        for _ in range(2):
            ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, future - 10 * MINUTE, future)
        assert len(asked) == 2


def test_a_feeder_of_ones_own(tmp_path: Path) -> None:
    with data_server(rows()) as (url, asked):
        source = ServerBars("http://127.0.0.1:9", settings(feeder=f"{url}/mine?token=x"), tmp_path)
        assert len(source.bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)) == 3
    assert (asked[0]["path"], asked[0]["token"], asked[0]["symbol"]) == ("/mine", "x", "BTC_USDT")
    assert "feeder" not in asked[0]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ({"detail": {}, "schema": [], "data": []}, NoData, "symbol BTC_USDT not found on Binance"),
        ({**rows(), "data": []}, NoData, "no bars"),
        (b"missing", NoData, "404"),
        ([1], BadReply, "expected an object with detail, schema and data"),
        ({**rows(), "data": [[0, 1]]}, BadReply, "data columns length mismatch in row 0"),
        ({**rows(), "schema": ["time", "open", "high", "low", "clos", "vol"]}, BadReply, "no column close"),
        ({**rows(), "data": [[0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]]}, BadReply, "row 1 with time 0 follows 0"),
        ({**rows(), "data": [[0, 1, 1, 1, 1, 1], [60_000, 1, 1, 1, 1, -5]]}, BadReply, "row 1 has the volume -5"),
        ({**rows(), "data": [[0, "x", 1, 1, 1, 1]]}, BadReply, "expected whole numbers"),
        ({**rows(), "data": [[0, 100.5, 300, 50, 200, 7]]}, BadReply, "column open: 100.5 is not a whole number"),
        (
            {**rows(), "data": [[0, 1, 3, 1, 2, 7], [25_000, 1, 3, 1, 2, 7]]},
            BadReply,
            "rows 0 and 1 are 25000 ms apart, which does not divide the 60000 ms",
        ),
        (
            {**rows(), "data": [[0, 1, 3, 1, 2, 7], [MINUTE, 4, 3, 1, 2, 7]]},
            BadReply,
            "row 1 has open 4, high 3, low 1, close 2",
        ),
        (rows(start=10**12), NoData, "no bars from 0 to 180000 ms in .*whose bars are from 1000000000000 to"),
        (
            {**rows(1), "schema": ["time", "asks", "bids", "trades", "close", "vol"]},
            NotSupported,
            "recorded order books",
        ),
        (b"<html>", BadReply, "expected JSON"),
    ],
)
def test_answers_that_are_none(tmp_path: Path, answer: Any, error: type[Exception], text: str) -> None:
    with data_server(answer) as (url, _), pytest.raises(error, match=text):
        ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)


@pytest.mark.parametrize(
    "bad", [{**rows(), "data": []}, {**rows(), "data": [[0, 9, 1, 1, 1, 1]]}, [1], rows(start=10**12)]
)
def test_answers_that_cannot_be_used_are_not_kept(tmp_path: Path, bad: Any) -> None:
    answers = [bad, rows()]
    with data_server(lambda query: answers[min(len(asked), len(answers)) - 1]) as (url, asked):
        with pytest.raises((NoData, BadReply)):
            ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)
        assert not list(tmp_path.iterdir())
        assert len(ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)) == 3
        assert len(asked) == 2


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"{}"), gzip.compress(b"<html>"), gzip.compress(json.dumps(rows()).encode())[:12] + b"x" * 99],
)
def test_a_kept_answer_that_cannot_be_used_is_asked_for_again(tmp_path: Path, content: bytes) -> None:
    with data_server(rows()) as (url, asked):
        for _ in range(2):
            assert len(ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)) == 3
        [file] = tmp_path.iterdir()
        file.write_bytes(content)
        for _ in range(2):
            assert len(ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)) == 3
        assert len(asked) == 2


def test_shorter_bars_than_were_asked_for_are_aggregated(tmp_path: Path) -> None:
    with data_server(rows(200)) as (url, _):
        source = ServerBars(url, settings(), tmp_path)
        found = source.bars("Binance", "BTC_USDT", 5 * MINUTE, 3 * MINUTE, 20 * MINUTE)
    assert (list(found.time), found.period_ms) == ([5 * MINUTE, 10 * MINUTE, 15 * MINUTE], 5 * MINUTE)
    assert (list(found.high), list(found.close), list(found.volume)) == ([309, 314, 319], [209, 214, 219], [35] * 3)


def test_rows_of_funding_may_stand_at_any_distance(tmp_path: Path) -> None:
    answer = {**rows(), "data": [[0, 1, 1, 1, 1, 0], [30_000, -1, -1, -1, -1, 0]]}
    with data_server(answer) as (url, _):
        found = ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT.funding", MINUTE, 0, 180_000)
    assert list(found.close) == [1, -1]


def test_no_server(tmp_path: Path) -> None:
    with data_server(rows()) as (url, _):
        pass
    with pytest.raises(OperationFailed, match=r"no bars from http://127.0.0.1:\d+/data/history"):
        ServerBars(url, settings(), tmp_path).bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)


def test_series_of_anything(tmp_path: Path) -> None:
    answer = {"schema": ["time", "data"], "data": [[1000, {"a": 1}], [2000, "b"]]}
    with data_server(answer) as (url, asked):
        source = ServerBars(url, settings(), tmp_path)
        assert source.custom("Binance", "mood", 0, 5000) == [(1000, {"a": 1}), (2000, "b")]
        assert source.custom("Binance", f"{url}/x", 0, 5000) == [(1000, {"a": 1}), (2000, "b")]
    assert (asked[0]["custom"], asked[0]["symbol"]) == ("1", "mood")
    assert asked[1] == {"path": "/x", "from": "0", "to": "5"}


def test_the_command_asks_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path))
    start = 1_704_067_200_000
    strategy = tmp_path / "s.py"
    strategy.write_text("'''backtest\nstart: 2024-01-01 00:30:00\nend: 2024-01-01 01:00:00\nbasePeriod: 1m\nperiod: 1m\n"
                        'exchanges: [{"eid":"Binance","currency":"BTC_USDT"}]\n\'\'\'\ndef main():\n    Log(exchange.GetTicker().Last)\n')  # fmt: skip
    with data_server(rows(start=start)) as (url, _):
        monkeypatch.setenv("DATASERVER", url)
        code, whole, err = command(capsys, strategy)
        assert (code, err) == (0, "")
        assert whole["result"]["RuntimeLogs"][0][7] == "1.0"
    assert (tmp_path / "backtest-data").is_dir()


def test_recorded_books_from_the_server(tmp_path: Path) -> None:
    books = {
        "detail": DETAIL, "schema": ["time", "asks", "bids", "trades", "close", "vol"],
        "data": [[1000, [[10_100, 5]], [[10_000, 7]], [[900, 1, 10_000, 3]], 10_000, 3]],
    }  # fmt: skip
    with data_server(books) as (url, asked):
        source = ServerBars(url, settings_of({"mode": 1, "exchanges": [{"eid": "Binance"}]}), tmp_path)
        recording, market = source.ticks("Binance", "BTC_USDT", 0, 60_000)
    assert recording.block(0).levels(0, 0) == [(101.0, 0.00005)]
    assert market.price_tick == 10_000_000
    assert (asked[0]["trades"], asked[0]["period"]) == ("1", "1000")
    with data_server(rows()) as (url, _), pytest.raises(BadReply, match="the schema is"):
        ServerBars(url, settings(), tmp_path).ticks("Binance", "BTC_USDT", 0, 60_000)
    with data_server({**books, "data": []}) as (url, _), pytest.raises(NoData, match="no ticks"):
        ServerBars(url, settings(), tmp_path).ticks("Binance", "BTC_USDT", 0, 60_000)


GAPPY = """'''backtest
start: 2024-01-01 00:00:00
end: 2024-01-01 02:00:00
period: 1m
basePeriod: 1m
exchanges: [{"eid":"Binance","currency":"BTC_USDT"}]
'''
SCRIPTdef main():
    Log(exchange.GetTicker().Last, exchange.GetRecords(86400)[-1].Close)
    exchange.GetTicker()
RUN"""


@pytest.mark.parametrize("script", [False, True])
def test_gaps_of_a_servers_bars_are_told_once_with_their_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, script: bool
) -> None:
    monkeypatch.setenv("FMZTHREADS_HOME", str(tmp_path / "home"))
    begin = 1_704_067_200_000
    answer = rows(120, begin)
    del answer["data"][10:22]
    path = tmp_path / "s.py"
    head, end = ("from fmz import *\ntask = VCtx()\n", "main()\n") if script else ("", "")
    path.write_text(GAPPY.replace("SCRIPT", head).replace("RUN", end))
    with data_server(answer) as (url, _):
        code, whole, err = command(capsys, path, "--data-server", url)
        assert code == 0, err
        assert whole is not None
        text = f"BTC_USDT of Binance, from {url}/data/history: 12 of 120 bars are missing (10.00%); prices stand still there"
        assert err.count(text) == 1


@pytest.mark.parametrize("status", [302, 418, 429, 500, 503])
def test_other_statuses_are_named_and_passing_ones_asked_again(tmp_path: Path, status: int) -> None:
    address = "http://bars.example/data/history"
    source = ServerBars("http://bars.example", settings(), tmp_path)
    with responses.RequestsMock() as mock:
        refused = mock.get(address, body="busy", status=status, headers={"Retry-After": "0"})
        with pytest.raises(OperationFailed, match=f"expected HTTP status 200, got {status}: .*busy.*{address}"):
            source.bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)
        assert refused.call_count == (4 if status in {429, 500, 503} else 1)
    with responses.RequestsMock() as mock:
        mock.get(address, body="busy", status=503)
        mock.get(address, json=rows())
        assert len(source.bars("Binance", "BTC_USDT", MINUTE, 0, 180_000)) == 3
