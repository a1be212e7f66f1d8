"""Venues whose REST interface is reached by signed calls alone: ``exchange.IO("api", ...)``."""
