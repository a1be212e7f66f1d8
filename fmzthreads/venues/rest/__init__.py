"""What the adapters of venues that speak REST have in common."""
