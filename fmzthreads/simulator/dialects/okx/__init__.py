"""OKX v5, spot and contracts: REST and websockets."""
