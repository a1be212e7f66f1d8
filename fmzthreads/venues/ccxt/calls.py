"""How one call is made through ccxt: time, pace, repeats, and what an error says of the outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...clock import Clock
from ...deadline import Deadline
from ...errors import BadReply, ClockSkew, ConnectFailed, FmzError, OutcomeUnknown, RateLimited, VenueUnavailable
from ...exchange.keys.credentials import Credentials
from ...http.client import HttpOptions
from ...http.retry import repeat
from ..limits.doors import Doors
from ..rest.parsing import Malformed
from ..rest.server_time import ServerTime, TimeSample
from .errors import is_refusal, ours_of
from .objects import CcxtObjects, LoadedMarkets
from .wire import CallState, Wire

__all__ = ["CcxtCalls"]

T = TypeVar("T")


class CcxtCalls:
    """Makes the calls of one venue; thread-safe.

    Args:
        name: The venue's name, for messages.
        clock: Our clock.
        objects: Lends ccxt's objects.
        wire: What they share.
        keys: The keys; cut out of errors.
        options: The options of the HTTP client.
        tells_time: Whether the venue's time can be asked.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        objects: CcxtObjects,
        wire: Wire,
        keys: Credentials,
        options: HttpOptions,
        *,
        tells_time: bool,
    ) -> None:
        self._name = name
        self.clock = clock
        self.objects = objects
        self.wire = wire
        self.keys = keys
        self.timeout_ms = float(options.timeout_ms)
        self._retry = options.retry
        self.doors = Doors(name, clock)
        self.time = ServerTime(clock, self._ask_time) if tells_time else None
        wire.time = self.time
        self._needs_passphrase = bool(objects.sample.requiredCredentials.get("password"))

    # Reads

    def read(self, work: Callable[[Any], T], *, signed: bool = False, markets: LoadedMarkets | None = None) -> T:
        """Makes a call that changes nothing; it is repeated after failures, as the retry policy says.

        Args:
            work: Calls a method of the object that it gets.
            signed: Whether the call is signed.
            markets: The markets that the object needs.
        """
        deadline = Deadline(self.clock, self.timeout_ms / 1000)
        if signed:
            self.prepare_to_sign(renew=True)

        def _attempt() -> T:
            return self._once(work, CallState(deadline, safe=True), markets)

        try:
            return _attempt()
        except ClockSkew:
            if self.time is None:
                raise
            self.time.measure()
            return _attempt()
        except FmzError as error:
            return repeat(
                _attempt,
                error,
                policy=self._retry,
                clock=self.clock,
                deadline=deadline,
                may_go_on=lambda: True,
                was_stale=lambda _: False,
            )

    def with_object(self, work: Callable[[Any], T]) -> T:
        """Lends an object for something that sends nothing."""
        with self.objects.lend(CallState(Deadline(self.clock, self.timeout_ms / 1000), safe=True), None) as api:
            return work(api)

    def prepare_to_sign(self, *, renew: bool) -> None:
        """Checks that the keys are there, and knows the venue's time; ``renew``: a recent one."""
        self.keys.need(self._name, passphrase=self._needs_passphrase)
        if self.time is not None:
            self.time.ready(renew=renew)

    # Orders and other calls that must not be repeated

    def send_once(
        self, work: Callable[[Any], T], client_order_id: str = "", *, markets: LoadedMarkets | None = None
    ) -> T:
        """Makes a call that must not be repeated; tells "not done" from "unknown".

        Raises:
            OutcomeUnknown: It was sent, or may have been, and no reply tells the outcome.
            FmzError: It failed before it was sent, or was refused.
        """
        self.prepare_to_sign(renew=False)
        state = CallState(Deadline(self.clock, self.timeout_ms / 1000), safe=False)
        try:
            return self._once(work, state, markets)
        except FmzError as error:
            certain = not state.sent or (isinstance(error, ConnectFailed) and not state.changed)
            if certain or (not state.accepted and is_refusal(error)):
                if isinstance(error, ClockSkew):
                    self._measure_for_the_next()
                raise
            raise OutcomeUnknown(
                f"the request was sent to {self._name} and its outcome is unknown: {error.args[0]}",
                client_order_id=client_order_id,
                request=error.request,
                code=error.code,
                status=error.status,
            ) from error

    def _measure_for_the_next(self) -> None:
        if self.time is None:
            return
        try:
            self.time.measure()
        except FmzError:
            self.time.forget()  # the refusal matters more to the caller; the next signed call measures again

    # One attempt

    def _once(self, work: Callable[[Any], T], state: CallState, markets: LoadedMarkets | None) -> T:
        self.doors.check("")
        try:
            with self.objects.lend(state, markets) as api:
                try:
                    return work(api)
                except (FmzError, Malformed):
                    raise
                except Exception as error:  # any: ccxt's code raises what it likes on replies that it does not expect
                    raise ours_of(error, self._name, state.reply, sent=state.sent > 0) from None
        except Malformed as error:
            unread = BadReply(f"{self._name}: {error}", status=_status(state))
            self._clean(unread)
            raise unread from None
        except FmzError as error:
            if isinstance(error, RateLimited) and state.sent:
                self.doors.shut("", error)
            self._clean(error)
            raise

    def _clean(self, error: FmzError) -> None:
        """Cuts keys out of an error: the venue's text may repeat them."""
        error.args = (self.keys.cut_out(str(error.args[0])), *error.args[1:])
        error.request, error.code = self.keys.cut_out(error.request), self.keys.cut_out(str(error.code))

    def _ask_time(self) -> TimeSample:
        deadline = Deadline(self.clock, self.timeout_ms / 1000)
        state = CallState(deadline, safe=True)
        server_ms = self._once(lambda api: api.fetch_time(), state, None)
        received_at = self.clock.monotonic()
        if not isinstance(server_ms, (int, float)) or server_ms <= 0 or state.reply is None:
            raise VenueUnavailable(f"{self._name} does not tell its time")
        return TimeSample(server_s=server_ms / 1000, received_at=received_at, rtt_s=state.reply.elapsed_s)


def _status(state: CallState) -> int:
    return state.reply.status if state.reply is not None else 0
