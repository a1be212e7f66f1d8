"""The one table of what FMZ puts into the globals of a strategy; loaders take it from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import constants, structures
from ..errors import StopRequested
from ..tasks import binding, events, gather, queue, shared_context
from . import bot_globals, exports, not_built
from . import globals as fmz_globals

__all__ = ["strategy_names"]

# A name that is added to the __all__ of one of these modules is there for every strategy.
_MODULES = (
    constants, structures, binding, events, gather, shared_context, queue, not_built, fmz_globals, bot_globals, exports,
)  # fmt: skip


def strategy_names(exchanges: Sequence[Any], own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns everything that FMZ puts into the globals of a strategy, by name.

    Args:
        exchanges: The exchange objects; the first one is ``exchange`` (None without exchanges).
        own: What the caller has in place of some of these names; None for nothing.
    """
    names = {name: getattr(module, name) for module in _MODULES for name in module.__all__}
    names.update(own or {})
    if "Exchange" not in names:
        from ..exchange.exchange import Exchange  # with HTTP and the order log, which a backtest does not need

        names["Exchange"] = Exchange
    return {
        **names,
        "StopError": StopRequested,
        "exchanges": list(exchanges),
        "exchange": exchanges[0] if exchanges else None,
    }
