"""HTTP and websockets on one port, with injected faults."""
