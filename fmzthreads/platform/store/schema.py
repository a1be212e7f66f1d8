"""The tables of the platform's SQLite file. Times are milliseconds since the epoch; secrets are Fernet tokens (see ``vault.py``)."""

from __future__ import annotations

__all__ = ["SCHEMA"]

SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, role TEXT NOT NULL, "
        "password TEXT NOT NULL, totp TEXT NOT NULL DEFAULT '', robots TEXT NOT NULL DEFAULT '*', email TEXT NOT NULL DEFAULT '', "
        "disabled INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS api_keys (id INTEGER PRIMARY KEY AUTOINCREMENT, account_id INTEGER NOT NULL, label TEXT NOT NULL, "
        "access_key TEXT NOT NULL UNIQUE, secret TEXT NOT NULL, permissions TEXT NOT NULL, addresses TEXT NOT NULL, "
        "nonce INTEGER NOT NULL DEFAULT 0, disabled INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL DEFAULT 0)"
    ),
    "CREATE TABLE IF NOT EXISTS strategies (id INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL)",
    (
        "CREATE TABLE IF NOT EXISTS exchanges (id INTEGER PRIMARY KEY AUTOINCREMENT, eid TEXT NOT NULL, label TEXT NOT NULL UNIQUE, "
        "fields TEXT NOT NULL, simulated INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS nodes (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, "
        "settings TEXT NOT NULL, created_ms INTEGER NOT NULL)"
    ),
    "CREATE TABLE IF NOT EXISTS robot_groups (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
    (
        "CREATE TABLE IF NOT EXISTS robots (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, strategy_id INTEGER NOT NULL, "
        "settings TEXT NOT NULL, args TEXT NOT NULL, node_id INTEGER NOT NULL, group_id INTEGER NOT NULL DEFAULT 0, "
        "app_id TEXT NOT NULL DEFAULT '', owner_id INTEGER NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL DEFAULT 0, "
        "ended_ms INTEGER NOT NULL DEFAULT 0, phase TEXT NOT NULL DEFAULT 'idle', handle TEXT NOT NULL DEFAULT '', "
        "asked_ms INTEGER NOT NULL DEFAULT 0, cancel INTEGER NOT NULL DEFAULT 0, code INTEGER, reason TEXT NOT NULL DEFAULT '', restarts INTEGER NOT NULL DEFAULT 0, "
        "restart_ms INTEGER NOT NULL DEFAULT 0, alarm TEXT NOT NULL DEFAULT '', alarm_ms INTEGER NOT NULL DEFAULT 0, "
        "pushed_id INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS audit (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, account TEXT NOT NULL, "
        "address TEXT NOT NULL, via TEXT NOT NULL, what TEXT NOT NULL, target TEXT NOT NULL, detail TEXT NOT NULL, done INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS push_channels (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, "
        "settings TEXT NOT NULL, disabled INTEGER NOT NULL DEFAULT 0)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS pushes (id INTEGER PRIMARY KEY AUTOINCREMENT, channel_id INTEGER NOT NULL, robot_id INTEGER NOT NULL, "
        "time_ms INTEGER NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, "
        "next_ms INTEGER NOT NULL, error TEXT NOT NULL DEFAULT '')"
    ),
    "CREATE INDEX IF NOT EXISTS pushes_waiting ON pushes (state, next_ms)",
    "CREATE TABLE IF NOT EXISTS settings (k TEXT PRIMARY KEY, v TEXT NOT NULL)",
)
"""What creates the tables; ``sessions`` and share links belong to the pages."""
