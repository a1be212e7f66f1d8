"""Structures: dict and attribute are one, missing fields raise, Info opens up, records serve columns."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import pickle
import threading

import pytest

from fmzthreads import structures
from fmzthreads.structures import Account, Info, Order, Record, Records, Structure, Ticker, info

TYPED = [
    kind
    for _, kind in inspect.getmembers(structures, inspect.isclass)
    if issubclass(kind, Structure) and kind not in (Structure, Info)
]


def bars(count: int) -> Records:
    return Records(
        Record(Time=60_000 * i, Open=1.0 + i, High=3.0 + i, Low=0.5 + i, Close=2.0 + i, Volume=10.0 * i, OpenInterest=0)
        for i in range(count)
    )


@pytest.mark.parametrize("kind", TYPED, ids=lambda k: k.__name__)
def test_each_declared_field_is_key_and_attribute(kind: type[Structure]) -> None:
    for name in kind.__annotations__:
        thing = kind()
        assert not hasattr(thing, name)
        setattr(thing, name, 5)
        assert thing[name] == 5
        thing[name] = 6
        assert getattr(thing, name) == 6
        delattr(thing, name)
        assert name not in thing
        with pytest.raises(AttributeError):
            delattr(thing, name)


def test_the_classes_are_those_of_the_reference() -> None:
    assert {k.__name__ for k in TYPED} == {
        "Ticker", "Depth", "MarketOrder", "Trade", "Record", "Order", "Condition", "Account", "Asset", "Position", "Market", "Funding",
        "Fee",
    }  # fmt: skip


def test_a_missing_field_is_a_key_error_by_index_and_an_attribute_error_by_attribute() -> None:
    ticker = Ticker(Last=1.0)
    with pytest.raises(KeyError, match="Ticker has no field 'Lst'; did you mean 'Last'"):
        ticker["Lst"]
    with pytest.raises(AttributeError):
        ticker.Sell  # noqa: B018
    with pytest.raises(AttributeError):
        ticker.Lst  # type: ignore[attr-defined]  # noqa: B018
    assert getattr(ticker, "Sell", None) is None
    assert ticker.get("Sell") is None


def test_a_field_new_to_the_class_can_be_set_and_read_by_attribute() -> None:
    order = Order(Id="a,1")
    order.Note = "mine"  # type: ignore[attr-defined]
    assert order["Note"] == "mine"
    assert order.Note == "mine"  # type: ignore[attr-defined]


def test_json_copy_and_pickle_keep_the_class_and_the_items() -> None:
    account = Account(Info=info({"a": [{"b": 1}]}), Balance=1.5, Stocks=2.0)
    assert json.loads(json.dumps(account)) == {"Info": {"a": [{"b": 1}]}, "Balance": 1.5, "Stocks": 2.0}
    for again in (copy.copy(account), copy.deepcopy(account), pickle.loads(pickle.dumps(account)), account.copy()):
        assert type(again) is Account
        assert again == account
    deep = copy.deepcopy(account)
    deep.Info.a[0].b = 2
    assert account.Info.a[0].b == 1


def test_structures_show_themselves_as_dicts_as_on_fmz() -> None:
    ticker = Ticker(Info=info({"a": [{"b": 1}]}), Symbol="BTC_USDT", Last=1.0)
    assert str(ticker) == "{'Info': {'a': [{'b': 1}]}, 'Symbol': 'BTC_USDT', 'Last': 1.0}"
    assert str([Account(Balance=1.5)]) == "[{'Balance': 1.5}]"
    assert ast.literal_eval(str(ticker)) == ticker


def test_info_opens_up_at_every_level() -> None:
    raw = {"assets": [{"asset": "USDT", "free": {"now": "1"}}], "deep": [[{"x": 1}]], "text": "t"}
    reply = info(raw)
    assert reply.assets[0].free.now == "1"
    assert reply["assets"][0]["free"]["now"] == "1"
    assert reply.get("assets")[0].asset == "USDT"
    assert reply.deep[0][0].x == 1
    assert reply.get("none", 3) == 3
    assert reply.assets is reply.assets
    assert json.loads(json.dumps(reply)) == raw
    with pytest.raises(AttributeError):
        reply.nothing  # noqa: B018
    with pytest.raises(KeyError):
        reply["nothing"]


def test_info_of_nothing_is_empty_and_of_a_scalar_itself() -> None:
    assert info(None) == {}
    assert isinstance(info(None), Info)
    assert info("x") == "x"
    assert info([1, {"a": 2}])[1].a == 2


def test_info_read_from_many_threads_at_once_stays_whole() -> None:
    for _ in range(200):
        reply = info({"a": {"b": [{"c": i} for i in range(3)]}})
        start = threading.Barrier(4)
        seen: list[int] = []

        def read(reply: Info = reply, start: threading.Barrier = start, seen: list[int] = seen) -> None:
            start.wait()
            seen.append(sum(item.c for item in reply.a.b))

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [3, 3, 3, 3]


def test_record_columns_of_lists_and_slices() -> None:
    records = bars(5)
    assert list(records.Close) == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert records[-2:].Time == [180_000, 240_000]
    assert list(records[1:3].High) == [4.0, 5.0]
    assert records[-1].Close == 6.0
    assert type(records[::2]) is Records
    assert type(records.copy()) is Records
    assert list(records.Open) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert list(records.Low) == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert list(records.Volume) == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert list(records.OpenInterest) == [0, 0, 0, 0, 0]
    assert list(Records().Close) == []


def test_a_column_is_never_stale() -> None:
    records = bars(2)
    assert list(records.Close) == [2.0, 3.0]
    records[-1].Close = 9.0
    records.append(bars(1)[0])
    assert list(records.Close) == [2.0, 9.0, 2.0]


def test_a_column_of_a_feed_s_own_field_and_of_no_field() -> None:
    records = bars(2)
    for i, record in enumerate(records):
        record["Funding"] = i
    assert list(records.Funding) == [0, 1]
    with pytest.raises(AttributeError, match="did you mean 'Close'"):
        records.Clos  # noqa: B018
    with pytest.raises(AttributeError):
        records._private  # noqa: B018


def test_a_record_has_exactly_seven_fields_in_order() -> None:
    assert list(Record.__annotations__) == ["Time", "Open", "High", "Low", "Close", "Volume", "OpenInterest"]
    assert list(bars(1)[0]) == list(Record.__annotations__)


def test_records_know_whether_they_were_only_appended_to() -> None:
    records = bars(5)
    origin = records.origin()
    records.append(Record(bars(1)[0]))
    records.extend(bars(2))
    records += bars(1)
    assert records.origin() is origin
    for change in (
        lambda: records.__setitem__(0, records[1]),
        lambda: records.__delitem__(0),
        lambda: records.insert(0, records[1]),
        lambda: records.pop(),
        lambda: records.remove(records[0]),
        lambda: records.reverse(),
        lambda: records.sort(key=lambda record: record.Time),
        lambda: records.__imul__(2),
        lambda: records.clear(),
    ):
        origin = records.origin()
        change()
        assert records.origin() is not origin


def test_records_copied_from_a_history_are_pickled_without_it() -> None:
    history = object()
    records = Records.copied(bars(3), history, 7)
    assert records.origin()[:3] == (history, 7, 2)
    for other in (
        pickle.loads(pickle.dumps(records)),
        copy.copy(records),
        copy.deepcopy(records),
        records.copy(),
        records[:],
    ):
        assert other == records
        assert type(other) is Records
        assert other.origin().history is not history
    records.sort(key=lambda record: -record.Time)
    assert [record.Time for record in records] == [120_000, 60_000, 0]
    assert records.origin().history is not history
    with pytest.raises(TypeError):
        records.sort()
    assert records.pop(0).Time == 120_000
