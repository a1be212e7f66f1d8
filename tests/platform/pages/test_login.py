"""Logging in and out: cookies, delays, one-time codes, new passwords, share links."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

import pytest

from fmzthreads.platform.security.one_time_codes import code_at, new_secret
from tests.helpers.page_platforms import PASSWORD, Client, PagePlatform, page_platform


def person(pages: PagePlatform, name: str, role: str = "owner") -> Client:
    """Somebody of the test's own, who is logged in."""
    pages.platform.accounts.create(name, PASSWORD, "owner" if role == "owner" else "reader")
    return pages.client(name)


def test_a_cookie_is_for_this_site_and_no_script(pages: PagePlatform) -> None:
    reply = Client(pages.url).log_in("owner", PASSWORD)
    cookie = reply.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=strict", "path=/", "fmzthreads_session="):
        assert word in cookie
    assert reply.headers["location"] == "/"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "x"]
)
def test_a_login_leads_to_own_pages_only(pages: PagePlatform, target: str) -> None:
    assert Client(pages.url).log_in("owner", PASSWORD, next=target).headers["location"] == "/"
    assert Client(pages.url).log_in("owner", PASSWORD, next="/robots/1?a=b").headers["location"] == "/robots/1?a=b"


def test_wrong_passwords_wait(tmp_path: Path) -> None:
    with page_platform(tmp_path) as pages:  # its own one: the delay holds for the address of all tests
        stranger = Client(pages.url)
        statuses = [stranger.log_in("eve", "wrong password").status_code for _ in range(3)]
        last = [stranger.log_in("eve", "x") for _ in range(6)]
        assert statuses == [401] * 3
        assert 429 in {one.status_code for one in last}
        assert "eve" in last[-1].text
        entries = pages.platform.audit.all(word="log in")
        assert any(not one.done and one.account == "eve" for one in entries)


def test_logging_out_ends_the_session(pages: PagePlatform) -> None:
    carl = person(pages, "carl")
    token = carl.cookies["fmzthreads_session"]
    assert carl.submit("/logout").status_code == 303
    carl.cookies.set("fmzthreads_session", token)
    assert carl.see("/").status_code == 303


def test_a_new_password_ends_all_sessions(pages: PagePlatform) -> None:
    first, second = person(pages, "dora"), pages.client("dora")
    form = {"old": PASSWORD, "new": "another password", "again": "another password"}
    assert first.submit("/settings/password", {**form, "old": "wrong"}).status_code == 400
    assert first.submit("/settings/password", {**form, "again": "differs"}).status_code == 400
    assert first.submit("/settings/password", {**form, "new": "short", "again": "short"}).status_code == 400
    assert second.see("/settings").status_code == 200
    assert first.submit("/settings/password", form).headers["location"] == "/login?said=password"
    assert second.see("/settings").status_code == 303
    assert pages.client("dora", "another password").see("/settings").status_code == 200


def test_a_password_that_was_set_elsewhere_ends_sessions_too(pages: PagePlatform) -> None:
    erik = person(pages, "erik")
    account = next(one for one in pages.platform.accounts.all() if one.name == "erik")
    pages.platform.accounts.set_password(account.id, "another password")
    assert erik.see("/").status_code == 303
    pages.platform.accounts.set_password(account.id, PASSWORD)
    again = pages.client("erik")
    pages.platform.accounts.change(account.id, disabled=True)
    assert again.see("/").status_code == 303


def test_a_clock_that_was_put_back_locks_nobody_out(pages: PagePlatform) -> None:
    """The password was made while the clock was ahead: sessions that begin now are newer all the same."""
    old = person(pages, "ahead")
    account = next(one for one in pages.platform.accounts.all() if one.name == "ahead")
    ahead_ms = int(time.time() * 1000) + 8 * 3_600_000
    pages.platform.database.execute("UPDATE accounts SET changed_ms = ? WHERE id = ?", (ahead_ms, account.id))
    assert old.see("/").status_code == 303
    new = pages.client("ahead")
    assert new.see("/").status_code == 200
    pages.platform.accounts.set_password(account.id, PASSWORD)
    assert new.see("/").status_code == 303
    assert pages.client("ahead").see("/").status_code == 200


def test_one_time_codes_are_asked_for(pages: PagePlatform) -> None:
    fred = person(pages, "fred")
    secret = new_secret()
    step = int(time.time() // 30)
    form = {"secret": secret, "password": PASSWORD}
    assert fred.submit("/settings/codes", {**form, "code": "000000x"}).status_code == 400
    assert fred.submit("/settings/codes", {**form, "code": code_at(secret, step), "password": "no"}).status_code == 400
    assert fred.submit("/settings/codes", {**form, "code": code_at(secret, int(time.time() // 30))}).status_code == 303
    assert secret not in fred.see("/settings").text
    stranger = Client(pages.url)
    assert stranger.log_in("fred", PASSWORD).status_code == 401
    code = code_at(secret, int(time.time() // 30))
    assert stranger.log_in("fred", PASSWORD, code=code).status_code == 303
    assert Client(pages.url).log_in("fred", PASSWORD, code=code).status_code == 401  # each code once
    assert fred.submit("/settings/codes", {"end": "yes", "password": PASSWORD}).status_code == 303
    assert not next(one for one in pages.platform.accounts.all() if one.name == "fred").has_totp


def test_an_owner_adds_a_person(pages: PagePlatform) -> None:
    greta = person(pages, "greta")
    page = greta.submit("/settings/people", {"name": "hugo", "role": "operator", "robot": ["1", "2"]})
    password = page.text.partition("shown this once: ")[2].split("<")[0].strip()
    hugo = pages.client("hugo", password)
    assert [hugo.see(f"/robots/{number}").status_code for number in (1, 3)] == [200, 403]
    account = next(one for one in pages.platform.accounts.all() if one.name == "hugo")
    greta.submit(f"/settings/people/{account.id}", {"role": "reader", "robot": ["3"]})
    assert [hugo.see(f"/robots/{number}").status_code for number in (1, 3)] == [403, 200]
    assert hugo.submit("/robots/3/stop").status_code == 403
    greta.submit(f"/settings/people/{account.id}", {"role": "reader", "all_robots": "on", "disabled": "on"})
    assert hugo.see("/").status_code == 303


def test_a_share_link_shows_one_robot_until_it_ends(pages: PagePlatform) -> None:
    owner = pages.client()
    assert owner.submit("/robots/3/share", {"days": "0"}).status_code == 400
    made = owner.submit("/robots/3/share", {"days": "7"}).text
    path = "/shared/" + made.partition('value="/shared/')[2].partition('"')[0]
    stranger = Client(pages.url)
    page = stranger.see(path)
    assert page.status_code == 200
    assert "first" not in page.text  # neither accounts nor arguments
    assert "data-command" not in page.text or "disabled" in page.text
    assert [row[0] for row in stranger.see(f"{path}/log.json").json()["rows"]] == [7, 6, 5, 4, 3, 2, 1]
    assert "for its owner only" in owner.see("/robots/3/log.json").text
    assert stranger.see(f"{path}/charts.json").json()["figures"]
    for other in ("/robots/1", "/robots/1/log.json"):
        assert stranger.see(other).status_code in (303, 401)
    assert stranger.see(f"/shared/{quote('x' * 32)}").status_code == 404
    number = owner.see("/robots/3").text.partition("/robots/3/share/")[2].partition("/")[0]
    assert owner.submit(f"/robots/3/share/{number}/end").status_code == 303
    assert stranger.see(path).status_code == 404


def test_language_and_theme_are_kept(pages: PagePlatform) -> None:
    visitor = Client(pages.url)
    assert "Passwort" not in visitor.see("/login").text
    assert "密码" in visitor.see("/login", headers={"accept-language": "zh-CN,en;q=0.5"}).text
    assert visitor.submit("/look", {"language": "zh", "theme": "dark", "next": "//evil"}).headers["location"] == "/"
    page = visitor.see("/login").text
    assert 'lang="zh"' in page
    assert 'data-theme="dark"' in page
    assert visitor.submit("/look", {"language": "<b>"}).headers.get("set-cookie") is None


def locked(pages: PagePlatform) -> None:
    """Locks the vault, as it is after each start of the platform."""
    pages.platform.vault._fernet = None


def test_a_vault_under_a_password_is_unlocked_in_the_settings(tmp_path: Path) -> None:
    with page_platform(tmp_path) as pages:
        owner, vault = pages.client(), pages.platform.vault
        form = {"password": PASSWORD, "vault": "of the vault", "again": "of the vault"}
        for wrong in ({"password": "wrong"}, {"again": "differs"}, {"vault": "short", "again": "short"}):
            assert owner.submit("/settings/vault", {**form, **wrong}).status_code == 400
            assert not vault.is_protected
        assert owner.submit("/settings/vault", form).status_code == 303
        assert vault.is_protected
        assert "of the vault" not in owner.see("/settings").text
        locked(pages)
        assert "The vault is locked" in owner.see("/settings").text
        assert "The vault is locked" not in pages.client("bob").see("/settings").text
        assert pages.client("bob").submit("/settings/vault", {"vault": "of the vault"}).status_code == 403
        assert owner.submit("/settings/vault", {"vault": "wrong"}).status_code == 400
        assert vault.locked
        assert owner.submit("/settings/vault", {"vault": "of the vault"}).status_code == 303
        assert not vault.locked
        entries = pages.platform.audit.all(word="vault")
        assert [(one.what, one.done) for one in entries] == [
            ("unlock the vault", True), ("unlock the vault", False), ("protect the vault", True),
        ]  # fmt: skip


def test_an_owner_unlocks_the_vault_at_the_login_and_the_secret_of_the_codes_with_it(tmp_path: Path) -> None:
    with page_platform(tmp_path) as pages:
        assert 'name="vault"' not in Client(pages.url).see("/login").text
        secret = new_secret()
        pages.platform.accounts.set_totp(1, secret)
        pages.platform.vault.protect("of the vault")
        locked(pages)
        assert 'name="vault"' in Client(pages.url).see("/login").text
        reply = Client(pages.url).log_in("owner", PASSWORD, code=code_at(secret, int(time.time()) // 30))
        assert reply.status_code == 503
        assert "vault is locked" in reply.text
        assert Client(pages.url).log_in("bob", PASSWORD, vault="of the vault").status_code == 303
        assert pages.platform.vault.locked, "only an owner unlocks it"
        assert Client(pages.url).log_in("owner", PASSWORD, vault="wrong").status_code == 401
        assert pages.platform.vault.locked
        done = Client(pages.url).log_in(
            "owner", PASSWORD, code=code_at(secret, int(time.time()) // 30), vault="of the vault"
        )
        assert done.status_code == 303
        assert not pages.platform.vault.locked
