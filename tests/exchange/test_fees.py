"""GetFee, GetUSDCNY, and the commands of IO that older strategies use."""

from __future__ import annotations

import pytest

from fmzthreads import Exchange
from tests.helpers.simulators import simulator

pytest.importorskip("uvicorn", reason="needs the extra server")


@pytest.mark.parametrize("name", ["Binance", "OKX"])
def test_fees_are_the_account_s_in_percent_and_old_commands_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with simulator(name.lower()) as server:
        keys = {"access_key": server.key, "secret_key": server.secret, "passphrase": server.passphrase}
        with Exchange(name, "BTC_USDT", base=server.base_url, **keys) as exchange:
            fee = exchange.GetFee()
            assert fee is not None, exchange.GetLastError()
            assert fee == {"Sell": pytest.approx(0.1), "Buy": pytest.approx(0.1)}
            assert exchange.Go("GetFee").wait(10_000).value == fee
            assert exchange.IO("status") is True
            assert exchange.IO("websocket") is True
            assert [row["Symbol"] for row in exchange.Subscriptions()] == ["BTC_USDT"]
            assert exchange.IO("rest") is True
            assert exchange.Subscriptions() == []
            assert exchange.IO("rest") is True  # without a stream
            assert exchange.IO("status", 1) is None
            monkeypatch.delenv("FMZ_USDCNY", raising=False)
            assert exchange.GetUSDCNY() is None
            assert "FMZ_USDCNY is not set" in str(exchange.GetLastError())
            monkeypatch.setenv("FMZ_USDCNY", "7.2")
            assert exchange.GetUSDCNY() == 7.2
            for wrong in ("seven", "-1", "nan"):
                monkeypatch.setenv("FMZ_USDCNY", wrong)
                assert exchange.GetUSDCNY() is None
