"""The account live: orders, fills and positions kept by a venue's user stream, with REST after each gap."""
