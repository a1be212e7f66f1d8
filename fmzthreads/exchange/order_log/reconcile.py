"""How intents without a known outcome are settled later: those of this process, and those that earlier runs left."""

from __future__ import annotations

import threading

import attrs

from ...clock import Clock
from ...constants import ORDER_STATE_CANCELED
from ...errors import FmzError, OperationFailed, OrderNotFound, OutcomeUnknown, StopRequested
from ...fork import after_fork_in_child
from ..contracts.intents import ModifyIntent
from ..venue import Venue
from .cancelling import end_of, settle_cancel
from .intents import CancelIntent, Fate, IntentLog, IntentRecord, RawIntent
from .kinds.doors import find_placed, settling_s
from .kinds.modifying import changed_id, settle_modify
from .kinds.sending import NeverArrived
from .lookup import LookupPlan
from .order_file import OrderFile
from .outcome import settle
from .raw_orders import why_unsettled
from .rows import StoredIntent

__all__ = ["EarlierRuns", "ask_again"]


@attrs.frozen
class _Answer:
    """What became of an intent, as far as the venue told."""

    fate: Fate
    order_id: str = ""
    detail: str = ""


def ask_again(venue: Venue, log: IntentLog) -> list[IntentRecord]:
    """Asks the venue once about each order and cancel whose outcome is unknown, and records the answer.

    Args:
        venue: Where they were sent.
        log: Where they and their fate are recorded; it measures their age.

    Returns:
        Those that were unknown, with their new fate: ``placed`` with their order id, ``cancelled``, ``absent``, or ``unknown`` with the
        reason in ``detail``.

    Raises:
        StopRequested: The strategy is being stopped.
    """
    found = []
    for record in log.unknown():
        key = record.intent.client_order_id
        # An order that was delayed before it was sent (by a connection, say) may be in transit long after it was made.
        # "No such order" cannot be believed yet; nor while a thread that was given up may still send it.
        young = log.gone_s(key) < settling_s(venue, record.intent) or record.fate == "sending"
        answer = _ask(venue, record, young)
        ended = log.end(key, answer.fate, order_id=answer.order_id, detail=answer.detail)
        # None: another thread settled it meanwhile, and that result holds.
        found.append(ended or log.get(key) or record)
    return found


def _ask(venue: Venue, record: IntentRecord, young: bool) -> _Answer:
    intent = record.intent
    if isinstance(intent, RawIntent):
        return _Answer(record.fate, detail=why_unsettled(intent))
    try:
        if isinstance(intent, CancelIntent):
            state = end_of(venue, intent.order_id, conditional=intent.conditional)
            return _cancel_answer(state, record, young)
        if isinstance(intent, ModifyIntent):
            return _modify_answer(changed_id(venue, intent), record, young)
        return _Answer("placed", find_placed(venue, intent).Id, record.detail)
    except StopRequested:
        raise
    except OrderNotFound as error:
        gone: Fate = "refused" if record.is_modify else "absent"
        return _Answer(record.fate if young else gone, record.order_id, str(error))
    except FmzError as error:
        return _Answer(record.fate, record.order_id, str(error))


def _modify_answer(order_id: str | None, record: IntentRecord, young: bool) -> _Answer:
    if order_id is None:
        return _Answer(record.fate if young else "absent", record.order_id, f"{record.order_id} is unchanged")
    return _Answer("modified", order_id)


def _cancel_answer(state: int | None, record: IntentRecord, young: bool) -> _Answer:
    if state is None:
        return _Answer(record.fate if young else "absent", record.order_id, f"{record.order_id} is still open")
    if state == ORDER_STATE_CANCELED:
        return _Answer("cancelled", record.order_id)
    return _Answer("refused", record.order_id, f"{record.order_id} was filled")


class EarlierRuns:
    """Settles what ended processes of the strategy left without a known outcome; thread-safe.

    Args:
        file: The order log.
        venue: Where the orders were sent.
        clock: Waits and measures.
        plan: How an unknown outcome is looked up.
    """

    def __init__(self, file: OrderFile, venue: Venue, clock: Clock, plan: LookupPlan) -> None:
        self._file = file
        self._venue = venue
        self._clock = clock
        self._plan = plan
        self._settled: set[tuple[str, str]] = (
            set()
        )  # accounts and symbols of which nothing was left; only ever added to
        self._start_anew()
        after_fork_in_child(self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # one thread settles; the first orders of other threads wait for it

    def ready(self, account: str, symbol: str) -> None:
        """Settles what is left of a symbol, before its first order; costs nothing for later ones.

        Raises:
            OperationFailed: An outcome could not be determined; nothing may be sent.
            StopRequested: The strategy is being stopped.
        """
        if (account, symbol) in self._settled:
            return
        with self._lock:
            if (account, symbol) in self._settled:
                return
            for stored in self._left_open(account, symbol):
                record = self._settle(stored)
                if record.fate == "unknown":
                    by_state = record.is_cancel or record.is_modify
                    told = by_state or (self._venue.finds_client_ids and not record.is_raw)
                    if stored.record.fate == "unknown" and not told:
                        continue  # the venue will never tell; the sender got the error, or an earlier run's first order was refused
                    kind = "a cancel" if record.is_cancel else "a change" if record.is_modify else "an order"
                    raise OperationFailed(
                        f"nothing was sent: {kind} of an earlier run for {record.intent.symbol or 'an unknown symbol'} "
                        f"({record.intent.client_order_id}) is not settled: {record.detail}{'; Reconcile() asks again' if told else ''}"
                    )
            self._settled.add((account, symbol))

    def _left_open(self, account: str, symbol: str) -> list[StoredIntent]:
        try:
            return self._file.left_open(account, symbol)
        except OperationFailed as error:
            raise OperationFailed(f"nothing was sent, because the order log cannot be read: {error}") from error

    def unknown(self, account: str) -> list[IntentRecord]:
        """Returns what is left, oldest first, as unknown; sends nothing.

        Raises:
            OperationFailed: The order log cannot be read.
        """
        return [_as_unknown(stored.record) for stored in self._file.left_open(account)]

    def dismiss(self, account: str, client_order_id: str) -> bool:
        """Records that the user has settled an intent; False if none with this id is left.

        Raises:
            OperationFailed: The order log cannot be read or written.
        """
        for stored in self._file.left_open(account):
            if stored.record.intent.client_order_id == client_order_id:
                self._record(stored, _Answer("dismissed", stored.record.order_id, "dismissed by the user"))
                return True
        return False

    def ask_again(self, account: str) -> list[IntentRecord]:
        """Asks the venue once about all that is left, and records the answers; see the function of this name.

        Raises:
            OperationFailed: The order log cannot be read or written.
            StopRequested: The strategy is being stopped.
        """
        found = []
        for stored in self._file.left_open(account):
            young = self._file.gone_s(stored) < settling_s(self._venue, stored.record.intent)
            found.append(self._record(stored, _ask(self._venue, _as_unknown(stored.record), young)))
        return found

    def _settle(self, stored: StoredIntent) -> IntentRecord:
        intent, gone_s = stored.record.intent, self._file.gone_s(stored)
        if isinstance(intent, RawIntent):
            return self._record(stored, _Answer("unknown", detail=why_unsettled(intent)))
        cause = OutcomeUnknown(_as_unknown(stored.record).detail)
        venue, clock, plan = self._venue, self._clock, self._plan
        try:
            if isinstance(intent, CancelIntent):
                settle_cancel(venue, intent, clock, plan, cause, gone_s=gone_s)
                return self._record(stored, _Answer("cancelled", intent.order_id))
            if isinstance(intent, ModifyIntent):
                changed = settle_modify(venue, intent, clock, plan, cause, gone_s=gone_s)
                return self._record(stored, _Answer("modified", changed))
            order_id = settle(venue, intent, clock, plan, cause, gone_s=gone_s)
            return self._record(stored, _Answer("placed", order_id))
        except NeverArrived as error:
            return self._record(stored, _Answer("absent", stored.record.order_id, str(error)))
        except OrderNotFound as error:  # of a cancel or a change: the order has ended without it
            return self._record(stored, _Answer("refused", stored.record.order_id, str(error)))
        except OutcomeUnknown as error:
            return self._record(stored, _Answer("unknown", stored.record.order_id, str(error)))

    def _record(self, stored: StoredIntent, answer: _Answer) -> IntentRecord:
        record = attrs.evolve(
            stored.record,
            fate=answer.fate,
            order_id=answer.order_id,
            detail=answer.detail,
            settled_at=self._clock.now(),
        )
        self._file.change(stored.row, record)
        self._file.flush()
        return record


def _as_unknown(record: IntentRecord) -> IntentRecord:
    if record.fate == "unknown":
        return record
    return attrs.evolve(record, fate="unknown", detail=f"the process that sent it ended (run {record.run})")
