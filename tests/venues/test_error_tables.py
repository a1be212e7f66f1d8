"""Every published code has its place in the error tree."""

from __future__ import annotations

from typing import Any

import pytest

from fmzthreads import errors
from fmzthreads.venues.binance import refusals as binance_errors
from fmzthreads.venues.okx import refusals as okx_errors
from tests.helpers.venue_replies import NOW_S, reply_of

E = errors

# The codes of Binance's spot documents (errors), and two seen on its WebSocket API.
BINANCE = [
    -1000, -1001, -1002, -1003, -1006, -1007, -1008, -1010, -1013, -1014, -1015, -1016, -1020, -1021, -1022, -1034, -1100, -1101, -1102,
    -1103, -1104, -1105, -1106, -1108, -1111, -1112, -1114, -1115, -1116, -1117, -1118, -1119, -1120, -1121, -1122, -1125, -1127, -1128,
    -1130, -1134, -1135, -1145, -1151, -1193, -1194, -1210, -1211, -1220, -2010, -2011, -2013, -2014, -2015, -2016, -2021, -2022, -2026,
    -2028, -2035, -2036, -2038, -2039, -2042, -2043,
]  # fmt: skip

# The REST codes of OKX's API reference.
OKX = [
    "50000",
    "50001",
    "50002",
    "50004",
    "50005",
    "50006",
    "50007",
    "50008",
    "50011",
    "50013",
    "50014",
    "50015",
    "50016",
    "50024",
    "50025",
    "50026",
    "50027",
    "50030",
    "50035",
    "50036",
    "50037",
    "50038",
    "50061",
    "50100",
    "50101",
    "50102",
    "50103",
    "50104",
    "50105",
    "50106",
    "50107",
    "50108",
    "50109",
    "50110",
    "50111",
    "50112",
    "50113",
    "50114",
    "50115",
    "50119",
    "50120",
    "51000",
    "51001",
    "51002",
    "51003",
    "51004",
    "51005",
    "51006",
    "51007",
    "51008",
    "51010",
    "51011",
    "51015",
    "51016",
    "51020",
    "51021",
    "51022",
    "51023",
    "51025",
    "51027",
    "51028",
    "51054",
    "51111",
    "51112",
    "51116",
    "51119",
    "51120",
    "51121",
    "51127",
    "51131",
    "51137",
    "51138",
    "51149",
    "51150",
    "51169",
    "51170",
    "51201",
    "51202",
    "51203",
    "51204",
    "51400",
    "51401",
    "51402",
    "51403",
    "51404",
    "51405",
    "51406",
    "51407",
    "51408",
    "51409",
    "51410",
    "51412",
    "51413",
    "51500",
    "51501",
    "51503",
    "51506",
    "51511",
    "51513",
    "51603",
    "54008",
    "54051",
    "54109",
    "59000",
    "59101",
    "59102",
    "59105",
    "59107",
    "59113",
    "59300",
    "59301",
]


def test_the_tables_hold_exactly_the_published_codes() -> None:
    assert sorted(binance_errors.BY_CODE) == sorted(BINANCE)
    assert sorted(okx_errors.BY_CODE) == sorted(OKX)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1002, E.AuthenticationFailed), (-1003, E.RateLimited), (-1013, E.InvalidOrder), (-1015, E.RateLimited), (-1021, E.ClockSkew),
        (-1022, E.AuthenticationFailed), (-1111, E.InvalidOrder), (-1121, E.UnknownSymbol), (-1007, E.VenueUnavailable),
        (-1100, E.VenueRejected), (-2010, E.InvalidOrder), (-2011, E.OrderNotFound), (-2013, E.OrderNotFound),
        (-2014, E.AuthenticationFailed), (-2015, E.AuthenticationFailed), (-2026, E.OrderNotFound), (-5555, E.VenueRejected),
    ],
)  # fmt: skip
def test_binance_codes(code: int, kind: type[E.FmzError]) -> None:
    error = binance_errors.refusal(reply_of({"code": code, "msg": "text"}, 400), NOW_S)
    assert type(error) is kind
    assert (error.code, error.status, error.request) == (str(code), 400, "GET https://x/y")
    assert "text" in str(error)


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (-2010, "Account has insufficient balance for requested action.", E.InsufficientFunds),
        (-2010, "Order would immediately match and take.", E.WouldTake),
        (-2010, "Order would trigger immediately.", E.InvalidOrder),
        (-2010, "Duplicate order sent.", E.DuplicateOrder),
        (-2010, "Market is closed.", E.VenueRejected),
        (-2010, "This symbol is not permitted for this account.", E.AuthenticationFailed),
        (-2010, "Rest API trading is not enabled.", E.AuthenticationFailed),
        (-1010, "Account has insufficient balance for requested action.", E.InsufficientFunds),
        (-1010, "Something else", E.VenueRejected),
        (-1013, "Filter failure: LOT_SIZE", E.InvalidOrder),
        (-2011, "Unknown order sent.", E.OrderNotFound),
        (-2011, "Cancel order is invalid. Check origClOrdId and orderId.", E.OrderNotFound),
        (-2011, "Order was not canceled due to cancel restrictions.", E.VenueRejected),
        (-2011, "This account may not place or cancel orders.", E.AuthenticationFailed),
        (-2038, "The requested action would change no state; rejecting", E.VenueRejected),
        # A text only decides where the code leaves it open.
        (-2015, "Duplicate order sent.", E.AuthenticationFailed),
    ],
)
def test_binance_texts(code: int, said: str, kind: type[E.FmzError]) -> None:
    assert type(binance_errors.refusal(reply_of({"code": code, "msg": said}, 400), NOW_S)) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, E.VenueRejected), (401, E.AuthenticationFailed), (403, E.VenueRejected), (404, E.VenueRejected), (418, E.Banned),
        (429, E.RateLimited), (500, E.VenueUnavailable), (503, E.VenueUnavailable), (301, E.BadReply),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", ["<html>no</html>", "", "[]", '{"code":"text"}', "{}", "null"])
def test_without_a_code_the_status_decides(status: int, kind: type[E.FmzError], body: str) -> None:
    assert type(binance_errors.refusal(reply_of(body, status), NOW_S)) is kind
    okx_kind = {E.Banned: E.VenueRejected}.get(kind, kind)
    text = body if body != '{"code":"text"}' else "{}"
    try:
        parsed: Any = reply_of(text, status).json()
    except E.BadReply:
        parsed = None
    assert type(okx_errors.refusal(reply_of(text, status), parsed)) is okx_kind


@pytest.mark.parametrize(
    ("status", "code", "said", "headers", "kind", "after_s"),
    [
        (429, -1003, "Too much request weight used", {"Retry-After": "7"}, E.RateLimited, 7.0),
        (429, -1003, "Too much request weight used", {}, E.RateLimited, 54.0),  # NOW_S is 6 s into its minute
        (429, -1015, "Too many new orders", {}, E.RateLimited, 4.0),  # and 6 s into its ten seconds
        (429, -1015, "Too many new orders", {"retry-after": "3"}, E.RateLimited, 3.0),
        (418, -1003, "Way too much request weight used; IP banned until 1770531666000. Please", {}, E.Banned, 120.0),
        (400, -1003, "IP banned until 1770531556000.", {}, E.Banned, 10.0),
        (418, -1003, "IP banned until 1.", {"Retry-After": "300"}, E.Banned, 300.0),
        (418, -1003, "banned until 1600000000000", {}, E.Banned, 0.0),
        (418, 0, "", {}, E.Banned, 120.0),
        (418, -1003, "Way too much request weight used.", {}, E.Banned, 120.0),
        (429, 0, "", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, E.RateLimited, 54.0),
        (429, -2021, "cancel-replace", {"Retry-After": "1"}, E.RateLimited, 1.0),
    ],
)
def test_when_binance_listens_again(
    status: int, code: int, said: str, headers: dict[str, str], kind: type[E.FmzError], after_s: float
) -> None:
    error = binance_errors.refusal(reply_of({"code": code, "msg": said}, status, headers), NOW_S)
    assert type(error) is kind
    assert isinstance(error, E.RateLimited)
    assert error.retry_after_s == pytest.approx(after_s)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("50011", E.RateLimited), ("50061", E.RateLimited), ("50102", E.ClockSkew), ("50113", E.AuthenticationFailed),
        ("50105", E.AuthenticationFailed), ("51001", E.UnknownSymbol), ("51008", E.InsufficientFunds), ("51016", E.DuplicateOrder),
        ("51020", E.InvalidOrder), ("51121", E.InvalidOrder), ("51400", E.OrderNotFound), ("51603", E.OrderNotFound),
        ("50026", E.VenueUnavailable), ("51010", E.VenueRejected), ("1", E.VenueRejected), ("99999", E.VenueRejected),
    ],
)  # fmt: skip
def test_okx_codes(code: str, kind: type[E.FmzError]) -> None:
    for body in (
        {"code": code, "msg": "text", "data": []},
        {"code": "1", "msg": "All operations failed", "data": [{"sCode": code, "sMsg": "text"}]},
        {"code": "1", "msg": "", "data": [{"sCode": "0", "sMsg": ""}, {"sCode": code, "sMsg": "text"}]},
        {"msg": "text", "code": code},
    ):
        error = okx_errors.refusal(reply_of(body), body)
        assert type(error) is kind
        assert error.code == code
        assert "text" in str(error)


def test_okx_says_when_to_come_back_or_its_window_does() -> None:
    body = {"msg": "Too Many Requests", "code": "50011"}
    for headers, after_s in (({}, okx_errors.LIMIT_WINDOW_S), ({"Retry-After": "5"}, 5.0)):
        error = okx_errors.refusal(reply_of(body, 429, headers), body)
        assert isinstance(error, E.RateLimited)
        assert error.retry_after_s == after_s
