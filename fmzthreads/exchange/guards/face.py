"""The part of FMZ's exchange object that speaks to the kill switch and the guards."""

from __future__ import annotations

from ...errors import InputError, short_repr
from ..faces.settings import OrderLogFace
from ..state import Core, Failure_co
from .kill_switch import Killed, KillReport
from .order_guards import OrderGuards
from .own_orders import OwnOrders
from .settings import Guards

__all__ = ["GuardFace"]


class GuardFace(OrderLogFace[Failure_co]):
    """The part of the exchange object that holds orders back.

    Attributes:
        guards: The guards of this exchange object; None for none.
    """

    guards: OrderGuards | None = None
    _own_orders: OwnOrders

    def _guard(self, core: Core, guards: Guards | None) -> None:
        """Sets up the kill switch, and the guards that the user asked for."""
        switch = core.host.kill_switch
        if guards is not None:
            self.guards = core.orders.gate = OrderGuards(guards, core, switch.folder)
        self._own_orders = OwnOrders(core)
        switch.add(self._own_orders)
        core.orders.switch = switch

    def Kill(self, reason: str = "", protective: bool = False) -> KillReport | Failure_co:
        """Holds back all new orders of the strategy from now on, also after a restart, and cancels its open ones.

        It holds for all exchange objects of the strategy, until ``Release`` or ``fmzthreads release``.

        Args:
            reason: Why, for the journal.
            protective: Whether reduce-only condition orders (stop losses) are cancelled too.

        Returns:
            How many orders were cancelled and kept, and what failed.
        """
        return self._run("Kill", self._kill, reason, bool(protective))

    def _kill(self, reason: str, protective: bool) -> KillReport:
        if not isinstance(reason, str):
            raise InputError(f"a reason must be text, got {short_repr(reason)}")
        report = self._core.host.kill_switch.kill(reason, protective=protective)
        self._core.host.warning(
            f"the strategy was killed{f' ({reason})' if reason else ''}: {report.words()}", source=self._core.label
        )
        return report

    def Release(self) -> bool | Failure_co:
        """Lets orders pass again after ``Kill`` or ``fmzthreads kill NAME``; whether the switch was set.

        ``fmzthreads kill`` without a name holds until ``fmzthreads release`` without a name.
        """
        return self._run("Release", self._core.host.kill_switch.release)

    def Killed(self) -> Killed | None:
        """Who killed the strategy and why; None if it is not killed."""
        return self._core.host.kill_switch.state()
