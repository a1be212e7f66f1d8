"""OKX v5 spot: REST and websockets."""
