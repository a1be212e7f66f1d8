"""Binance's own SDKs of derivatives, unmodified: every answer fits their strict models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fmzthreads.simulator import SimulatorServer
from tests.helpers.simulators import contract_simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the client warns about when it is imported is not ours
    common: Any = pytest.importorskip("binance_common.configuration")
    usd: Any = pytest.importorskip("binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures")
    coin: Any = pytest.importorskip("binance_sdk_derivatives_trading_coin_futures.derivatives_trading_coin_futures")

SYMBOLS = {"um": ("BTCUSDT", 0.01), "cm": ("BTCUSD_PERP", 10)}


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with contract_simulator() as running:
        yield running


def connect(server: SimulatorServer, product: str) -> Any:
    settings = common.ConfigurationRestAPI(api_key=server.key, api_secret=server.secret, base_path=server.base_url)
    made = {"um": usd.DerivativesTradingUsdsFutures, "cm": coin.DerivativesTradingCoinFutures}[product]
    return made(config_rest_api=settings).rest_api


def read(reply: Any) -> Any:
    """The data of an answer, which is a plain dict where it does not fit the SDK's model."""
    data = reply.data()
    rows = data if isinstance(data, list) else [data]
    assert not any(isinstance(row, dict) for row in rows), data
    return data


@pytest.mark.parametrize("product", ["um", "cm"])
def test_public_and_account_answers_fit_the_models(server: SimulatorServer, product: str) -> None:
    api, (symbol, _) = connect(server, product), SYMBOLS[product]
    assert read(api.exchange_information()).symbols[0].symbol == symbol
    assert len(read(api.order_book(symbol=symbol, limit=5)).bids) == 5
    for call in ("ticker24hr_price_change_statistics", "symbol_order_book_ticker", "recent_trades_list"):
        read(getattr(api, call)(symbol=symbol))
    names = {
        "um": ("account_information_v3", "account_information_v2", "futures_account_balance_v3", "position_information_v3",
               "position_information_v2", "symbol_configuration", "futures_account_configuration"),
        "cm": ("account_information", "futures_account_balance", "position_information"),
    }[product]  # fmt: skip
    for call in (*names, "get_current_position_mode", "get_income_history", "position_adl_quantile_estimation"):
        read(getattr(api, call)())
    assert read(api.start_user_data_stream()).listen_key
    read(api.user_commission_rate(symbol=symbol))


@pytest.mark.parametrize("product", ["um", "cm"])
def test_orders_fit_the_models(server: SimulatorServer, product: str) -> None:
    api, (symbol, amount) = connect(server, product), SYMBOLS[product]
    bought = read(
        api.new_order(symbol=symbol, side="BUY", type="MARKET", quantity=amount, new_order_resp_type="RESULT")
    )
    assert bought.status == "FILLED"
    assert float(read(api.query_order(symbol=symbol, order_id=bought.order_id)).avg_price) > 0
    price = round(float(server.exchanges["um"].contracts.prices("BTC_USDT.swap").mark) * 0.97, 1)
    order = {"symbol": symbol, "side": "BUY", "quantity": amount, "price": price}
    placed = read(api.new_order(**order, type="LIMIT", time_in_force="GTC"))
    read(api.modify_order(**{**order, "price": price - 1}, order_id=placed.order_id))
    assert [row.order_id for row in read(api.current_all_open_orders(symbol=symbol))] == [placed.order_id]
    assert read(api.cancel_order(symbol=symbol, order_id=placed.order_id)).status == "CANCELED"
    assert read(api.all_orders(symbol=symbol))
    assert read(api.account_trade_list(symbol=symbol))[-1].order_id == bought.order_id
    assert read(api.change_initial_leverage(symbol=symbol, leverage=10)).leverage == 10
    if product == "um":
        stop = read(
            api.new_algo_order(
                algo_type="CONDITIONAL", symbol=symbol, side="SELL", type="STOP_MARKET", quantity=amount, trigger_price=price
            )
        )  # fmt: skip
        assert read(api.query_algo_order(algo_id=stop.algo_id)).algo_status == "NEW"
        read(api.current_all_algo_open_orders())
        read(api.cancel_algo_order(algo_id=stop.algo_id))
    read(api.new_order(symbol=symbol, side="SELL", type="MARKET", quantity=amount, reduce_only="true"))
