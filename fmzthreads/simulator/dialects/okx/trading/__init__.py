"""OKX v5's orders and algo orders."""
