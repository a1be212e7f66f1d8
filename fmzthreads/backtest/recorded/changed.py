"""Recordings that end, or are others, from an instant on: for the search for look-ahead."""

from __future__ import annotations

from .recording import Level, Recording

__all__ = ["changed_recording"]


def changed_recording(recording: Recording, instant_ms: int, *, altered: bool) -> Recording:
    """A copy whose ticks from an instant on are left out, or have other prices and amounts.

    Args:
        recording: The ticks.
        instant_ms: The first moment that is changed.
        altered: Whether they are altered; else they are left out. The first tick is never left out.
    """
    found = Recording(recording.name, recording.where)
    found.detail, found.decimals = dict(recording.detail), recording.decimals
    number = 0
    while number < recording.count:
        block = recording.block(number)
        for at in range(number, block.end):
            place = at - block.begin
            later = block.times[place] >= instant_ms
            if later and not altered and found.count:
                found.close()
                return found
            price, amount = (1.07, 2.0) if later and altered else (1.0, 1.0)
            asks, bids = (_times(block.levels(at, side), price, amount) for side in (0, 1))
            trades = [
                trade._replace(price=trade.price * price, amount=trade.amount * amount) for trade in block.trades(at)
            ]
            found.add(block.times[place], asks, bids, trades, block.last[place] * price, block.volume[place] * amount)
        number = block.end
    found.close()
    return found


def _times(levels: list[Level], price: float, amount: float) -> list[Level]:
    return [(level * price, size * amount) for level, size in levels]
