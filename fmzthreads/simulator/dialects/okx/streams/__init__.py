"""OKX v5's websocket connections and channels."""
