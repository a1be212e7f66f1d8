"""The pages over HTTP: what they show, who may see and change what, and that no text of a strategy becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.helpers.page_platforms import EVIL, PASSWORD, Client, PagePlatform

PAGES = (
    "/", "/?part=1", "/robots/1", "/robots/1/facts", "/robots/1/orders", "/robots/1/output?stream=stdout", "/robots/1/settings", "/robots/2",
    "/robots/3", "/robots/new", "/robots/new?strategy=grid.py", "/robots/new?strategy=waits.py", "/strategies", "/strategies/grid.py",
    "/strategies/waits.py", "/backtests", "/backtests/new", "/backtests/new?strategy=grid.py", "/exchanges", "/exchanges?eid=Binance",
    "/exchanges?eid=OKX", "/keys", "/settings", "/audit", "/login",
)  # fmt: skip


class Tags(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def owner(pages: PagePlatform) -> Client:
    return pages.client()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_shown_and_escapes_everything(owner: Client, language: str) -> None:
    owner.cookies.set("language", language)
    for path in PAGES:
        reply = owner.see(path)
        assert reply.status_code == (303 if path == "/login" else 200), (path, reply.text[-500:])
        tags = Tags(reply.text).found
        assert not [tag for tag, _ in tags if tag in {"img", "style", "object", "embed"}], path
        assert not [name for _, attrs in tags for name in attrs if name.startswith("on") or name == "srcdoc"], path
        assert all(str(attrs.get("src", "")).startswith("/assets/") for tag, attrs in tags if tag == "script"), path
        links = [str(attrs.get(name) or "/") for _, attrs in tags for name in ("href", "action") if name in attrs]
        assert all(link.startswith(("/", "#", "otpauth:")) for link in links), path
        assert "<b>how many" not in reply.text, path
        policy = reply.headers["content-security-policy"]
        assert "script-src 'self';" in policy, path
        assert reply.headers["cache-control"] == "no-store", path
    assert ("策略" if language == "zh" else "Strategies") in owner.see("/").text
    owner.cookies.set("language", "en")


def test_texts_are_still_there_as_text(owner: Client) -> None:
    text = owner.see("/robots/1").text
    assert "&lt;/script&gt;&lt;/textarea&gt;&lt;img src=x" in text
    rows = owner.see("/robots/1/log.json").json()["rows"]
    assert rows[0][7] == f"restart {EVIL}"
    assert owner.see("/robots/1/log.json").headers["content-type"] == "application/json"


def test_what_robots_hold_is_added_up(owner: Client, pages: PagePlatform) -> None:
    for page in ("/", "/robots/3"):
        text = " ".join(owner.see(page).text.split())
        assert "<span>USDT</span><b>121,000</b>" in text, page
        assert '<td class="number">121,000 USDT</td>' in text, page
        assert '<td class="number down">-12.50</td>' in text, page
    assert "has not asked its exchange for its account" in owner.see("/robots/1").text
    assert "121,000" not in pages.client("ann").see("/").text, "a robot that the account does not see"


def test_nobody_sees_anything_without_a_login(pages: PagePlatform) -> None:
    stranger = Client(pages.url)
    for path in PAGES:
        if path not in ("/login", "/"):
            reply = stranger.see(path)
            assert reply.status_code == 303, path
            assert reply.headers["location"].startswith("/login?next=%2F"), path
    for path in ("/robots/1/log.json", "/robots/1/live", "/robots/1/charts.json"):
        assert stranger.see(path, headers={"accept": "application/json"}).status_code == 401
    assert stranger.submit("/robots/1/stop").status_code == 401
    assert stranger.see("/robots/1").text == ""


def test_an_operator_sees_and_operates_what_is_allotted(pages: PagePlatform) -> None:
    ann = pages.client("ann")
    assert "stopped" not in re.findall(r'href="/robots/2"', ann.see("/").text)
    assert [ann.see(path).status_code for path in ("/robots/1", "/robots/2", "/robots/2/log.json")] == [200, 403, 403]
    assert [ann.see(path).status_code for path in ("/keys", "/exchanges", "/robots/new", "/audit")] == [403] * 4
    assert ann.submit("/robots/2/command", {"command": "x"}).status_code == 403
    assert ann.submit("/robots/1/command", {"command": "hello"}).headers["location"] == "/robots/1?said=sent"
    assert pages.node.asked[-1][1] == {"command": "hello"}
    assert ann.submit("/robots/1/delete").status_code == 403
    assert ann.submit("/strategies", {"name": "a.py", "text": ""}).status_code == 403
    assert ann.submit("/settings/people", {"name": "eve", "role": "owner"}).status_code == 403


def test_who_sees_some_robots_sees_their_strategies_only(pages: PagePlatform) -> None:
    ann, nobody = pages.client("ann"), "sees-none"
    pages.platform.accounts.create(nobody, PASSWORD, "reader", frozenset())
    none = pages.client(nobody)
    used = ("/strategies/waits.py", "/strategies/waits.py/file", "/strategies/waits.py/diff?old=&new=")
    other = [path.replace("waits", "grid") for path in used]
    assert [ann.see(path).status_code for path in (*used, *other)] == [200, 200, 200, 403, 403, 403]
    assert [none.see(path).status_code for path in (*used, *other)] == [403] * 6
    assert "grid.py" not in ann.see("/strategies").text
    assert "waits.py" in ann.see("/strategies").text
    assert ".py" not in none.see("/strategies").text.partition("<main")[2]
    assert [client.see("/backtests").status_code for client in (ann, none)] == [200, 200]


def test_numbers_that_nothing_can_have_are_not_found(owner: Client) -> None:
    for number in (0, 999, 2**63 - 1, 2**63, 10**30):
        for path in (f"/robots/{number}", f"/robots/{number}/log.json", f"/backtests/{number}"):
            assert owner.see(path).status_code == 404, path
    assert owner.submit(f"/exchanges/{2**70}/delete").status_code == 404


def test_a_reader_changes_nothing(pages: PagePlatform) -> None:
    bob = pages.client("bob")
    page = bob.see("/robots/1")
    assert page.status_code == 200
    assert "data-command" not in page.text or "disabled" in page.text
    assert 'id="kill-switch"' not in bob.see("/").text
    before = len(pages.node.asked)
    for path in ("stop", "kill", "restart", "command", "delete", "share", "settings"):
        assert bob.submit(f"/robots/1/{path}", {"command": "x"}).status_code == 403, path
    assert bob.submit("/stop-all").status_code == 403
    assert [one for one in pages.node.asked[before:] if "state" not in one[1]] == []


def test_changes_from_other_sites_are_refused(pages: PagePlatform, owner: Client) -> None:
    for headers in ({"origin": "https://evil.example"}, {"origin": None}, {"sec-fetch-site": "cross-site"}):
        assert owner.submit("/robots/1/command", {"command": "evil"}, headers=headers).status_code == 403
    assert owner.see("/", headers={"host": "evil.example"}).status_code == 421
    assert {"command": "evil"} not in [one[1] for one in pages.node.asked]


def test_what_does_not_exist_is_said_plainly(owner: Client) -> None:
    for path in (
        "/robots/99",
        "/robots/99/log.json",
        "/strategies/none.py",
        "/backtests/99",
        "/assets/none.js",
        "/shared/none",
    ):
        reply = owner.see(path)
        assert reply.status_code == 404, path
        assert "Traceback" not in reply.text
    assert owner.see("/strategies/..%2f..%2fplatform.sqlite3").status_code == 404
    assert owner.see("/robots/1/log.json?kinds=9").status_code == 400
    assert owner.see("/robots/1/log.json?before=-1").status_code == 400
    assert owner.see("/assets/..%2fport.py").status_code == 404


def test_a_damaged_robot_does_not_touch_the_others(pages: PagePlatform, owner: Client) -> None:
    path = pages.platform.lives.run_folder(3).database
    whole = path.read_bytes()
    pages.platform.tables.forget(path)
    for journal in path.parent.glob("*-wal"):
        journal.unlink()
    path.write_bytes(b"not a database at all" * 200)
    try:
        overview = owner.see("/")
        assert overview.status_code == 200
        assert "runs &lt;" in overview.text
        assert "database" in overview.text
        assert owner.see("/robots/3/log.json").status_code == 502
        assert owner.see("/robots/1/log.json").status_code == 200
    finally:
        pages.platform.tables.forget(path)
        path.write_bytes(whole)


def test_files_are_packed_and_known_again(owner: Client) -> None:
    first = owner.see("/assets/platform.css")
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["content-type"].startswith("text/css")
    assert owner.see("/assets/platform.css", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    plain = owner.see("/assets/platform.css", headers={"accept-encoding": "identity"})
    assert plain.content == first.content
    assert owner.see("/assets/figures.js").status_code == 200


def test_too_much_is_refused(owner: Client) -> None:
    assert owner.submit("/robots/1/command", "a" * 5_000_000).status_code == 413
    many = "&".join("a=1" for _ in range(3000))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert owner.submit("/robots/1/command", many, headers=headers).status_code == 400
