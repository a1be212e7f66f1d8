"""Small servers on this machine: HTTP, websockets and TCP, a thread for each connection."""
