"""What the pages change: robots, strategies, exchanges, keys, settings; and the stream of a robot's log."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmzthreads.errors import OperationFailed, UnknownName
from fmzthreads.strategy.log.lines import Line
from fmzthreads.strategy.log.log_database import DatabaseSink
from fmzthreads.strategy.run.folder import RunFolder
from tests.helpers.page_platforms import EVIL, Client, PagePlatform, fill_log
from tests.helpers.platforms import owner_of, robot_settings


@pytest.fixture(scope="module")
def owner(pages: PagePlatform) -> Client:
    return pages.client()


def fresh_robot(pages: PagePlatform) -> int:
    """A robot of the test's own, which runs."""
    return pages.platform.lives.create(owner_of(pages.platform), robot_settings(pages.platform))


def test_a_robot_is_made_from_the_form(pages: PagePlatform, owner: Client) -> None:
    form = {
        "strategy": "grid.py", "name": "made", "group": "fresh group", "node": "0", "restart": "failed", "period_s": "300",
        "exchange": ["1", "1"], "pair": ["btc_usdt", "ETH_USDT"], "arg.levels": "7", "arg.share": "0.3", "arg.mode": "1",
        "arg.many": ["0", "1"], "arg.useStop": "on", "arg.stop": "41000", "arg.color": "#112233", "arg.begin": "2026-02-03T04:05:06",
        "arg.token": "very secret",
    }  # fmt: skip
    reply = owner.submit("/robots/new", form)
    assert reply.status_code == 303, reply.text[-800:]
    number = int(reply.headers["location"].split("/")[2].partition("?")[0])
    settings = pages.platform.lives.table.get(number, with_args=True).settings
    assert dict(settings.args) == {
        "levels": 7, "share": 0.3, "mode": 1, "many": ["a", "b"], "useStop": True, "stop": 41000, "color": "#112233",
        "begin": "2026-02-03 04:05:06", "token": "very secret",
    }  # fmt: skip
    assert [(one.pid, one.pair) for one in settings.exchanges] == [(1, "BTC_USDT"), (1, "ETH_USDT")]
    groups = {one.id: one.name for one in pages.platform.groups.all()}
    assert (settings.restart.mode, settings.period_s, groups[settings.group_id]) == ("failed", 300, "fresh group")
    for path in (f"/robots/{number}", f"/robots/{number}/settings", "/audit"):
        assert "very secret" not in owner.see(path).text
    changed = {**form, "arg.levels": "8", "name": "renamed"} | {"arg.token": ""}
    assert owner.submit(f"/robots/{number}/settings", changed).status_code == 303
    settings = pages.platform.lives.table.get(number, with_args=True).settings
    assert (settings.name, dict(settings.args)["levels"], dict(settings.args)["token"]) == ("renamed", 8, "very secret")


def test_a_wrong_argument_is_said_and_what_was_typed_stays(owner: Client) -> None:
    form = {"strategy": "grid.py", "name": "kept <name>", "exchange": "1", "pair": "BTC_USDT", "arg.levels": "99"}
    reply = owner.submit("/robots/new", form)
    assert reply.status_code == 400
    assert "levels is" in reply.text
    assert "kept &lt;name&gt;" in reply.text


def test_a_moved_folder_is_imported(pages: PagePlatform, owner: Client, tmp_path: Path) -> None:
    source = tmp_path / EVIL.replace("/", "")
    run = RunFolder(source)
    run.claim(EVIL[:40], "/elsewhere/grid.py")
    sink = DatabaseSink(run.database)
    sink.write([Line(number=1, time_ms=1, kind="log", text=EVIL)])
    sink.close()
    run.release(0, "ended")
    lying = pages.platform.folder / "logs" / "storage" / "brought"
    shutil.copytree(source, lying)
    page = owner.see("/robots/import").text
    assert 'value="brought"' in page
    assert "<img" not in page
    for folder, status in ((str(source), 200), ("brought", 200), ("brought", 400), (str(tmp_path), 400), ("", 400)):
        reply = owner.submit("/robots/import", {"folder": folder})
        assert reply.status_code == status, reply.text[-500:]
        assert "<img" not in reply.text
    newest = pages.platform.lives.table.all()[-1]
    assert (newest.phase, newest.settings.exchanges) == ("stopped", ())
    assert owner.see(f"/robots/{newest.id}/settings").status_code == 200
    assert "import robot" in owner.see("/audit").text
    assert pages.client("bob").see("/robots/import").status_code == 403


def test_a_robot_is_stopped_in_stages_and_deleted(pages: PagePlatform, owner: Client) -> None:
    number = fresh_robot(pages)
    assert owner.submit(f"/robots/{number}/delete").status_code == 400  # it runs
    assert owner.submit(f"/robots/{number}/stop", {"cancel": "on"}).status_code == 303
    assert pages.node.asked[-1][1] == {"stop": True, "cancel": True, "by": "owner"}
    pages.node.replies |= {"stage": "cancelling", "orders": 5, "cancelled": 2}
    try:
        facts = owner.see(f"/robots/{number}/facts").text
    finally:
        pages.node.replies |= {"stage": "onexit", "orders": 0, "cancelled": 0}
    assert "orders cancelled 2 of 5" in facts
    assert 'class="done">asked' in facts
    pages.node.replies |= {"stage": "onexit", "orders": 5, "cancelled": 4}
    try:
        assert 'class="done">orders cancelled 4 of 5' in owner.see(f"/robots/{number}/facts").text
    finally:
        pages.node.replies |= {"stage": "onexit", "orders": 0, "cancelled": 0}
    assert 'class="done">orders cancelled<' in owner.see(f"/robots/{number}/facts").text
    handle = pages.platform.lives.table.get(number).handle
    from fmzthreads.platform.nodes.node import ProcessLook

    pages.node.looks[handle] = ProcessLook(alive=False, code=0, reason="stopped")
    assert "Stopped" in owner.see(f"/robots/{number}/facts").text
    assert owner.submit(f"/robots/{number}/delete", {"remove_log": "on"}).headers["location"] == "/?said=deleted"
    assert owner.see(f"/robots/{number}").status_code == 404


def test_a_stop_that_cancels_nothing_has_no_such_stage(pages: PagePlatform, owner: Client) -> None:
    number = fresh_robot(pages)
    assert owner.submit(f"/robots/{number}/stop").status_code == 303
    facts = owner.see(f"/robots/{number}/facts").text
    assert ">asked<" in facts
    assert "orders cancelled" not in facts


def test_the_kill_switch_asks_all_that_run(pages: PagePlatform, owner: Client) -> None:
    numbers = [fresh_robot(pages) for _ in range(2)]
    before = len(pages.node.asked)
    assert owner.submit("/stop-all", {"cancel": "on"}).status_code == 303
    asked = [one for one in pages.node.asked[before:] if one[1].get("stop")]
    assert len(asked) >= 2
    assert all(one[1]["cancel"] for one in asked)
    assert all(pages.platform.lives.table.get(number).phase == "stopping" for number in numbers)


def test_an_alarm_is_shown_and_dismissed(pages: PagePlatform, owner: Client) -> None:
    number = fresh_robot(pages)
    pages.platform.lives.table.update(number, alarm=f"ended badly {EVIL}", alarm_ms=5)
    assert "ended badly &lt;/script" in owner.see("/").text
    assert owner.submit(f"/alarms/{number}/dismiss").status_code == 303
    assert "ended badly" not in owner.see("/").text


def test_a_strategy_is_uploaded_edited_and_compared(owner: Client) -> None:
    files = {"file": ("made.py", b"def main():\r\n    pass\r\n")}
    assert owner.submit("/strategies", files=files).headers["location"] == "/strategies/made.py?said=saved"
    assert owner.submit("/strategies", files=files).status_code == 400  # there is one already
    assert (
        owner.submit("/strategies/made.py", {"text": "def main():\r\n    Log(1)\r\n", "note": "logs"}).status_code
        == 303
    )
    assert owner.see("/strategies/made.py/file").text == "def main():\n    Log(1)\n"
    page = owner.see("/strategies/made.py").text
    if "No earlier versions" not in page:  # git is there
        version = page.partition("?version=")[2].partition('"')[0]
        oldest = page.rpartition("?version=")[2].partition('"')[0]
        assert version != oldest
        diff = owner.see(f"/strategies/made.py/diff?old={oldest}&new=").text
        assert 'class="removed"' in diff
        assert 'class="added"' in diff
        assert "readonly" in owner.see(f"/strategies/made.py?version={oldest}").text
    assert owner.submit("/strategies", {"name": "../evil.py", "text": "x"}).status_code == 400
    assert owner.submit("/strategies/made.py/delete").status_code == 303


def test_an_edit_does_not_replace_one_of_another_tab(pages: PagePlatform, owner: Client) -> None:
    owner.submit("/strategies", {"name": "tabs.py", "text": "def main():\n    pass\n"})
    base = owner.see("/strategies/tabs.py").text.partition('name="base" value="')[2].partition('"')[0]
    assert base
    first = {"text": "def main():\r\n    Log('first')\r\n", "base": base}
    assert owner.submit("/strategies/tabs.py", first).status_code == 303
    second = {"text": "def main():\r\n    Log('second')\r\n", "base": base}
    refused = owner.submit("/strategies/tabs.py", second)
    assert refused.status_code == 400
    assert "was changed since you opened it" in refused.text
    assert "Log(&#39;second&#39;)" in refused.text, "what was typed is still there"
    assert "first" in owner.see("/strategies/tabs.py/file").text
    newest = refused.text.partition('name="base" value="')[2].partition('"')[0]
    assert owner.submit("/strategies/tabs.py", {**second, "base": newest}).status_code == 303
    assert "second" in owner.see("/strategies/tabs.py/file").text
    (pages.platform.strategies.path / "tabs.py").unlink()
    assert owner.submit("/strategies/tabs.py", {**first, "base": newest}).status_code == 303, "nothing is replaced"


def test_a_template_of_a_robot_is_not_deleted(pages: PagePlatform, owner: Client) -> None:
    owner.submit("/strategies", {"name": "lent.py", "text": "ext.lent = lambda: 1\n"})
    template = pages.platform.strategies.find("lent.py").id
    pages.platform.lives.create(owner_of(pages.platform), robot_settings(pages.platform, templates=(template,)))
    reply = owner.submit("/strategies/lent.py/delete")
    assert reply.status_code == 400
    assert "lent.py is used by" in reply.text


def test_keys_of_an_exchange_are_changed(pages: PagePlatform, owner: Client) -> None:
    exchanges = pages.platform.exchanges
    made = exchanges.create(
        "OKX", "to change", {"AccessKey": "old-access", "SecretKey": "old-secret", "Passphrase": "p"}
    )
    path = f"/exchanges/{made.id}/change"
    assert owner.submit(path, {"label": "renamed", "field.AccessKey": "", "field.SecretKey": " "}).status_code == 303
    assert (exchanges.get(made.id).label, exchanges.keys(made.id)["SecretKey"]) == ("renamed", "old-secret")
    half = owner.submit(path, {"label": "renamed", "field.AccessKey": "new-access"})
    assert half.status_code == 400
    assert "no value for SecretKey, Passphrase" in half.text
    assert "new-access" not in half.text
    assert exchanges.keys(made.id)["AccessKey"] == "old-access"
    keys = {"field.AccessKey": "new-access", "field.SecretKey": "new-secret", "field.Passphrase": "q"}
    assert owner.submit(path, {"label": "renamed", **keys}).status_code == 303
    assert exchanges.keys(made.id) == {"AccessKey": "new-access", "SecretKey": "new-secret", "Passphrase": "q"}
    assert owner.submit(path, {"label": "first"}).status_code == 400  # another one is called so
    for page in ("/exchanges", "/audit"):
        text = owner.see(page).text
        assert not any(key in text for key in ("new-access", "new-secret", "old-secret")), page
    assert "change the keys of exchange" in owner.see("/audit").text
    assert pages.client("ann").submit(path, {"label": "mine"}).status_code == 403
    assert owner.submit("/exchanges/999/change", {"label": "x"}).status_code == 400


def test_a_strategy_of_a_robot_is_not_deleted(pages: PagePlatform, owner: Client) -> None:
    reply = owner.submit("/strategies/waits.py/delete")
    assert reply.status_code == 400
    assert "waits.py is used by" in reply.text
    assert pages.platform.strategies.find("waits.py").file == "waits.py"


def test_keys_of_exchanges_are_never_shown_again(pages: PagePlatform, owner: Client) -> None:
    fields = {"field.AccessKey": "the-access-key", "field.SecretKey": "the-secret-key"}
    form = {"eid": "Binance", "label": f"mine {EVIL}", **fields}
    assert owner.submit("/exchanges", form).status_code == 303
    number = pages.platform.exchanges.all()[-1].id
    for path in ("/exchanges", "/exchanges?eid=Binance", "/robots/new?strategy=grid.py", "/audit", "/"):
        text = owner.see(path).text
        assert "the-secret-key" not in text
        assert "the-access-key" not in text
    assert owner.submit("/exchanges", {**form, "label": "x", "field.SecretKey": ""}).status_code == 400
    assert owner.submit("/exchanges/1/delete").status_code == 400  # robots use it
    assert owner.submit(f"/exchanges/{number}/delete").status_code == 303


def test_a_key_of_the_api_is_shown_once(pages: PagePlatform, owner: Client) -> None:
    made = owner.submit("/keys", {"label": EVIL, "methods": "CommandRobot", "addresses": "10.0.0.0/8"}).text
    access, secret = (part.partition("<code>")[2].partition("</code>")[0] for part in made.split("<dt>")[1:3])
    assert len(access) == len(secret) == 32
    key = pages.platform.api_keys.find(access)
    assert key is not None
    assert pages.platform.api_keys.secret(key) == secret
    page = owner.see("/keys").text
    assert access in page
    assert secret not in page
    assert owner.submit("/keys", {"label": "x", "methods": "*", "addresses": "nonsense"}).status_code == 400
    owner.submit(f"/keys/{key.id}/enable", {"enabled": "no"})
    assert pages.platform.api_keys.find(access).disabled  # type: ignore[union-attr]
    owner.submit(f"/keys/{key.id}/delete")
    assert pages.platform.api_keys.find(access) is None


def test_ways_of_pushing_are_added_and_not_shown_again(pages: PagePlatform, owner: Client) -> None:
    form = {"kind": "url", "name": "bot", "url.url": "http://127.0.0.1:9/secret-token?text={body}"}
    assert owner.submit("/settings/channels", form).status_code == 303
    assert "secret-token" not in owner.see("/settings").text
    (channel,) = pages.platform.pushes.channels.all()
    owner.submit(f"/settings/channels/{channel.id}", {"disabled": "yes"})
    assert pages.platform.pushes.channels.all()[0].disabled
    assert owner.submit(f"/settings/channels/{channel.id}/delete").status_code == 303
    assert pages.platform.pushes.channels.all() == []
    assert owner.submit("/settings/channels", {"kind": "pigeon"}).status_code == 400


def test_nodes_and_groups(pages: PagePlatform, owner: Client) -> None:
    assert (
        owner.submit(
            "/settings/nodes", {"kind": "dask", "name": "cluster", "dask.scheduler": "tcp://127.0.0.1:1"}
        ).status_code
        == 303
    )
    node = next(one for one in pages.platform.node_table.all() if one.name == "cluster")
    assert pages.platform.node(node.id)[0] == node.id
    assert owner.submit(f"/settings/nodes/{node.id}/delete").status_code == 303
    with pytest.raises(UnknownName):  # also what was connected to it
        pages.platform.node(node.id)
    assert owner.submit("/settings/nodes/1/delete").status_code == 400  # this machine
    assert owner.submit("/settings/groups", {"name": "added"}).status_code == 303
    assert owner.submit("/settings/groups", {"name": "added", "delete": "yes"}).status_code == 303
    assert "added" not in [one.name for one in pages.platform.groups.all()]


def test_the_log_is_read_page_by_page_and_exported(pages: PagePlatform, owner: Client) -> None:
    number = fresh_robot(pages)
    fill_log(pages.platform, number, 2500, text="=cmd|line")
    first = owner.see(f"/robots/{number}/log.json?most=1000").json()
    assert [first["rows"][0][0], first["rows"][-1][0], first["more"]] == [2500, 1501, True]
    last = owner.see(f"/robots/{number}/log.json?most=1000&before=501").json()
    assert [last["rows"][0][0], last["rows"][-1][0], last["more"]] == [500, 1, False]
    assert owner.see(f"/robots/{number}/log.json?before=1").json()["rows"] == []
    found = owner.see(f"/robots/{number}/log.json?word=line 24&kinds=5,3").json()["rows"]
    assert len(found) == 111
    rows = list(csv.reader(io.StringIO(owner.see(f"/robots/{number}/log.csv?kinds=5").text)))
    assert len(rows) == 2501
    assert rows[1][0] == "1"
    assert rows[1][-1] == "'=cmd|line 1"  # a spreadsheet runs no formula


def test_an_export_of_a_damaged_log_says_what_is_wrong(
    pages: PagePlatform, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply broke off, and the browser kept a file that looked whole."""
    number = fresh_robot(pages)
    fill_log(pages.platform, number, 1500)
    real, damaged_from = pages.platform.reader.log_after, 1000

    def log_after(actor: Any, robot_id: int, after: int, **more: Any) -> Any:
        if robot_id == number and after >= damaged_from:
            raise OperationFailed("the database is damaged")
        return real(actor, robot_id, after, **more)

    monkeypatch.setattr(pages.platform.reader, "log_after", log_after)
    rows = list(csv.reader(io.StringIO(owner.see(f"/robots/{number}/log.csv").text)))
    assert len(rows) == 1002
    assert rows[-1][-1] == "the log cannot be read further: the database is damaged"
    damaged_from = 0
    reply = owner.see(f"/robots/{number}/log.csv")
    assert reply.status_code == 502
    assert "the database is damaged" in reply.text


def events(owner: Client, path: str, **headers: str) -> Iterator[tuple[str, str, object]]:
    """The events of a stream: kind, id, data."""
    with owner.get(
        owner.url + path, stream=True, timeout=60, headers={"accept": "text/event-stream", **headers}
    ) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        kind = number = data = ""
        for raw in reply.iter_lines(chunk_size=1, decode_unicode=True):
            name, _, value = raw.partition(": ")
            if name == "event":
                kind = value
            elif name == "id":
                number = value
            elif name == "data":
                data = value
            elif not raw and kind:
                yield kind, number, json.loads(data)
                kind = number = data = ""


def test_a_stream_goes_on_after_the_last_line_that_the_reader_has(pages: PagePlatform, owner: Client) -> None:
    number = fresh_robot(pages)
    fill_log(pages.platform, number, 700)
    seen: list[int] = []
    last = ""
    for kind, id, data in events(owner, f"/robots/{number}/live?after=100"):
        if kind == "log":
            assert isinstance(data, list)
            seen += [row[0] for row in data]
            last = id
            if seen[-1] == 700:
                break
    assert seen == list(range(101, 701))
    assert last == "700"
    fill_log(pages.platform, number, 30, first=701)  # while nobody was connected
    again: list[int] = []
    kinds = set()
    for kind, _, data in events(owner, f"/robots/{number}/live?after=100", **{"last-event-id": last}):
        kinds.add(kind)
        if kind == "log":
            assert isinstance(data, list)
            again += [row[0] for row in data]
        if again and again[-1] == 730 and {"state", "status", "charts"} <= kinds:
            break
    assert again == list(range(701, 731))


def test_a_stream_ends_with_the_session(pages: PagePlatform) -> None:
    pages.platform.accounts.create("ends", "a password of tests")
    reader = pages.client("ends")
    found = []
    for kind, _, _ in events(reader, "/robots/1/live"):
        found.append(kind)
        if len(found) == 1:
            account = next(one for one in pages.platform.accounts.all() if one.name == "ends")
            pages.platform.accounts.change(account.id, disabled=True)
    assert found  # and the loop has ended: the server closed the stream


@pytest.mark.parametrize("change", [{"robots": frozenset({2})}, {"role": "reader"}])
def test_a_stream_ends_when_its_reader_gets_other_rights(pages: PagePlatform, change: dict[str, Any]) -> None:
    name = f"loses-{'-'.join(change)}"
    account = pages.platform.accounts.create(name, "a password of tests", "operator", frozenset({1}))
    client = pages.client(name)
    found = []
    for kind, _, _ in events(client, "/robots/1/live"):
        found.append(kind)
        if len(found) == 1:
            pages.platform.accounts.change(account.id, **change)
    assert found  # and the loop has ended: the server closed the stream
    assert client.see("/robots/1").status_code == (403 if "robots" in change else 200)
