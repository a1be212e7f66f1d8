"""How connections are opened: proxy, name look-up, TCP and TLS; and decompression."""
