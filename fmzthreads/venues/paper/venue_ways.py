"""How each venue treats condition orders and changes of orders, and the words in which it refuses them."""

from __future__ import annotations

from typing import Literal, TypeVar

import attrs

from ...errors import FmzError, InsufficientFunds, VenueRejected

__all__ = ["VenueWays", "ways_of"]

E = TypeVar("E", bound=FmzError)

Refusal = tuple[str, str]
"""The venue's code and its text."""


@attrs.frozen(kw_only=True)
class VenueWays:
    """How a venue treats condition orders and changes of orders.

    Attributes:
        speaker: Who refuses.
        options: Whose names the options of condition orders have; empty for none.
        has_oco: Whether one condition order may both take profit and stop a loss.
        replaces_conditions: Whether a condition order is replaced, since the venue cannot change it.
        cancels_post_only: Whether a post-only order that would trade at once is accepted and then cancelled; else it is refused.
        keeps_place: Whether an order of which only the amount is lowered keeps its place in the queue.
        fills_by_lowering: Whether an order that is changed to no more than what is filled counts as filled; else it is cancelled.
        gone: The refusal of a change of an order that has ended.
        not_open: The refusal of a cancel of an order that has ended.
        condition_gone: The refusal of a change or cancel of a condition order that has triggered or ended.
        nothing_new: The refusal of a change that changes nothing; empty where that is no error.
        only_limit: The refusal of a change of an order at market.
        nothing_to_close: The refusal of a closing order without a position.
        mode_with_orders: The refusal of another margin mode with open orders in the contract.
        mode_with_position: The refusal of another margin mode with a position in it.
        dual_with_orders: The refusal of another position mode with open orders.
        dual_with_position: The refusal of another position mode with a position.
        no_margin_position: The refusal of a change of margin without such an isolated position.
        too_much_added: The refusal of more margin than is free.
        too_much_taken: The refusal to take more margin from a position than it can spare.
        too_much_is: The class of both, as of the same code live.
        brackets_at_once: How many brackets a liquidation takes a large position down in one step.
        would_trigger: The refusal of a trigger that the price has reached; empty if the reader has finer words.
    """

    speaker: str
    options: Literal["", "binance", "okx"] = ""
    has_oco: bool = True
    replaces_conditions: bool = False
    cancels_post_only: bool = False
    keeps_place: bool = False
    fills_by_lowering: bool = False
    gone: Refusal = ("", "there is no such open order")
    not_open: Refusal = ("", "there is no such open order")
    condition_gone: Refusal = ("", "there is no such condition order that waits")
    nothing_new: Refusal = ("", "")
    only_limit: Refusal = ("", "only limit orders can be changed")
    nothing_to_close: Refusal = ("", "there is no position to close")
    mode_with_orders: Refusal = ("", "the margin mode of a contract with open orders cannot be changed")
    mode_with_position: Refusal = ("", "the margin mode of a contract with a position cannot be changed")
    dual_with_orders: Refusal = ("", "the position mode cannot be changed with open orders")
    dual_with_position: Refusal = ("", "the position mode cannot be changed with a position")
    no_margin_position: Refusal = ("", "there is no such isolated position")
    too_much_added: Refusal = ("", "not as much is free")
    too_much_taken: Refusal = ("", "the position needs its margin")
    too_much_is: type[VenueRejected] = InsufficientFunds
    brackets_at_once: int = 1
    would_trigger: Refusal = ("", "the order would trigger at once")

    def refusal(self, kind: type[E], said: Refusal, about: str) -> E:
        """An error in the venue's words.

        Args:
            kind: Its class.
            said: The venue's code and text.
            about: What it is about, such as the order's id.
        """
        code, text = said
        shown = f" (code {code})" if code else ""
        return kind(f"{self.speaker} refused: {text}{shown}, on paper: {about}", code=code)


# Sources: "Error Codes", "Modify Order", "New Algo Order" and "Order Amend Keep Priority" in Binance's documents; "Amend order", "Amend algo order" and "Error Code" in
# OKX's API guide.
_BINANCE = VenueWays(
    speaker="Binance",
    options="binance",
    replaces_conditions=True,
    keeps_place=True,
    gone=("-2013", "Order does not exist."),
    not_open=("-2011", "Unknown order sent."),
    condition_gone=("-2011", "Unknown order sent."),
    would_trigger=("-2010", "Order would trigger immediately."),
)
_FUTURES_BINANCE = attrs.evolve(
    _BINANCE,
    has_oco=False,
    keeps_place=False,
    nothing_new=("-5027", "No need to modify the order."),
    only_limit=("-5025", "Only limit order is supported."),
    mode_with_orders=("-4047", "Margin type cannot be changed if there exists open orders."),
    mode_with_position=("-4048", "Margin type cannot be changed if there exists position."),
    no_margin_position=("-4054", "Cannot add position margin: position is 0."),
    too_much_added=("-4050", "Cross balance insufficient."),
    too_much_taken=("-4051", "Isolated balance insufficient."),
    dual_with_orders=("-4067", "Position side cannot be changed if there exists open orders."),
    dual_with_position=("-4068", "Position side cannot be changed if there exists position."),
    nothing_to_close=("-2022", "ReduceOnly Order is rejected."),
    would_trigger=("-2021", "Order would immediately trigger."),
)
_NO_NEW_MODE = ("59000", "Settings failed. Close any open positions or orders before modifying settings.")
_TOO_MUCH_MARGIN = ("59301", "Margin adjustment failed for exceeding the max limit.")
_OKX = VenueWays(
    speaker="OKX",
    options="okx",
    cancels_post_only=True,
    dual_with_orders=_NO_NEW_MODE,
    dual_with_position=_NO_NEW_MODE,
    no_margin_position=("59300", "Margin call failed. Position does not exist."),
    too_much_added=_TOO_MUCH_MARGIN,
    too_much_taken=_TOO_MUCH_MARGIN,
    too_much_is=VenueRejected,
    brackets_at_once=2,
    keeps_place=True,
    fills_by_lowering=True,
    gone=("51503", "Your order has already been filled or canceled."),
    not_open=("51400", "Order cancellation failed as the order has been filled, canceled or does not exist."),
    condition_gone=("51503", "Your order has already been filled or canceled."),
    only_limit=("51506", "Order modification unavailable for the order type."),
    nothing_to_close=(
        "51169",
        "Order failed because you don't have any positions in this direction for this contract to reduce or close.",
    ),
    would_trigger=("", ""),
)
_KNOWN = {"Binance": _BINANCE, "Futures_Binance": _FUTURES_BINANCE, "OKX": _OKX, "Futures_OKX": _OKX}


def ways_of(name: str) -> VenueWays:
    """The ways of a venue by FMZ's id of it; of one that is not known, the simplest."""
    return _KNOWN.get(name) or VenueWays(speaker=name)
