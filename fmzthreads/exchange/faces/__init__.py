"""The parts of FMZ's exchange object: settings, market data, contracts."""
