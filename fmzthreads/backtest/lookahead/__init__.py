"""Look-ahead checks: finds strategies that see the future."""
