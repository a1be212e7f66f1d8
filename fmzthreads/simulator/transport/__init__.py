"""HTTP and websockets on one port, and what the faults break there."""
