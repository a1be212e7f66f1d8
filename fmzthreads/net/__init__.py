"""How any connection is opened: proxy, name look-up, TCP, TLS, and the inflating of what comes back."""
