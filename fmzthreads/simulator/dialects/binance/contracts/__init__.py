"""Binance's contracts: USDⓈ-M (``/fapi``) and COIN-M (``/dapi``) as tables over one set of handlers."""
