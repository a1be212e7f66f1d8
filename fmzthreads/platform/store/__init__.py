"""What the platform keeps: accounts, keys, exchanges, robots, nodes, the audit trail and pushes, in one SQLite file."""
