"""Signatures in texts: whole, cut off, in capitals, escaped; in errors, their attributes and log lines."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import random
import reprlib
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from fmzthreads import redaction
from fmzthreads.clock import ManualClock
from fmzthreads.errors import BadReply, OutcomeUnknown, RateLimited, excerpt
from fmzthreads.exchange.keys.signing import hmac_base64, hmac_hex
from fmzthreads.redaction import Secrets, cut_signatures, remember_signature
from fmzthreads.strategy.runtime import Runtime
from fmzthreads.strategy.store import Store
from tests.helpers.threads import side_by_side

RNG = random.Random(8)


def _base64() -> str:
    """A signature with both of base64's other characters, away from its beginning."""
    while True:
        made = hmac_base64("secret", RNG.randbytes(16))
        if "+" in made[12:] and "/" in made[12:] and made[:12].isalnum():
            return made


def _fragments(signature: str) -> list[str]:
    """What must not be left: each ten characters of it that stand side by side."""
    return [signature[at : at + 10].lower() for at in range(len(signature) - 9) if signature[at : at + 10].isalnum()]


def _is_clean(text: str, signature: str) -> bool:
    return not any(fragment in text.lower() for fragment in _fragments(signature))


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "url": lambda text: quote(text, safe=""),
    "url, lower case": lambda text: (
        quote(text, safe="").replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d")
    ),
    "url, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "form, decoded": lambda text: text.replace("+", " "),
    "json": json.dumps,
    "json of PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "json in json": lambda text: json.dumps(json.dumps({"x": text}).replace("/", "\\/")),
    "json for HTML": lambda text: text.replace("+", "\\u002b").replace("=", "\\u003d").replace("/", "\\u002F"),
    "html": lambda text: html.escape(text).replace("+", "&#43;").replace("=", "&#x3D;").replace("/", "&#x2F;"),
    "url-safe": lambda text: text.replace("+", "-").replace("/", "_"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("around", ["%s", "echo %s!", "a=1&x=%s&timestamp=5", "<b>%s</b>", "x%%3D%s", "v1:%s:%s"])
def test_a_signature_is_cut_out_in_every_form(form: str, around: str) -> None:
    for signature in (hmac_hex("secret", RNG.randbytes(16)), _base64()):
        shown = FORMS[form](signature)
        text = around % ((shown,) * around.count("%s"))
        cut = cut_signatures(text)
        assert "***" in cut
        assert _is_clean(cut, signature), (text, cut)
        assert not {cut[:4], cut[-1:]} & {"", shown[:4]} or around.startswith("%s")
        left = around.replace("%s", "").replace("%%", "%")
        assert all(piece in cut for piece in left.split() if "***" not in piece and piece.isalnum())


@pytest.mark.parametrize("length", [10, 14, 20, 27, 43, 63])
def test_a_signature_that_is_cut_off_is_cut_out(length: int) -> None:
    for _ in range(20):
        for signature in (hmac_hex("secret", RNG.randbytes(16)), _base64()):
            assert cut_signatures(f"refused: {signature[:length]}").startswith("refused: ***")
            assert _is_clean(cut_signatures(f"refused: {signature[:length]}"), signature)


@pytest.mark.parametrize("length", [14, 20, 33, 63])
def test_the_end_of_a_signature_is_cut_out(length: int) -> None:
    for _ in range(20):
        signature = hmac_hex("secret", RNG.randbytes(16))
        assert cut_signatures(f"{signature[-length:]} was refused") == "*** was refused"


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("GET /x?a=1&signature=0123456789abcdef", "GET /x?a=1&signature=***"),
        ('{"sign":"AbCdEfGh+/==", "a": 1}', '{"sign":"***", "a": 1}'),
        ("{'OK-ACCESS-SIGN': 'AbCdEfGh+/=='}", "{'OK-ACCESS-SIGN': '***'}"),
        ("ok-access-passphrase: some.pass_phrase", "ok-access-passphrase: ***"),
        ("X-MBX-APIKEY: vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", "X-MBX-APIKEY: ***"),
        (r"{\"signature\":\"00112233445566\"}", r"{\"signature\":\"***\"}"),
        ("signature%3D00112233445566%26x", "signature%3D***"),
        ('{"listenKey": "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"}', '{"listenKey": "***"}'),
        ("the design=1234567890 and a sign: up, upwards", "the design=1234567890 and a sign: up, upwards"),
        ("the passphrase: incorrect", "the passphrase: incorrect"),
        ("short", "short"),
        ("", ""),
    ],
)
def test_values_are_cut_out_by_their_names(text: str, cut: str) -> None:
    assert cut_signatures(text) == cut


def test_other_texts_are_left_alone() -> None:
    for _ in range(100):
        hmac_hex("secret", RNG.randbytes(16))
    for _ in range(200):
        text = " ".join(
            [RNG.randbytes(32).hex(), str(RNG.getrandbits(64)), base64.b64encode(RNG.randbytes(32)).decode()]
        )
        assert cut_signatures(text) == text


def test_errors_and_their_attributes_hold_no_signature() -> None:
    signature = hmac_hex("secret", b"payload")
    body = f"<html>{'x' * 150} /api?symbol=BTCUSDT&a={signature}"
    error = BadReply(
        f"expected JSON, got {excerpt(body)}", request=f"GET http://x/{signature}", code=signature, status=400
    )
    unknown = OutcomeUnknown(f"unknown: {signature}", client_order_id="x-1", request=signature)
    for each in (error, unknown, RateLimited(signature, retry_after_s=1.0)):
        assert _is_clean(f"{each} {each!r} {each.args} {vars(each)}", signature)
        assert "***" in str(each)
    assert error.request == "GET http://x/***"


def test_log_lines_and_the_last_error_hold_no_signature() -> None:
    runtime = Runtime(ManualClock(), console=False, store=Store(), name="t")
    signature = _base64()
    for shown in (signature, quote(signature, safe="")):
        runtime.journal.log("reply", {"echo": shown}, shown)
        runtime.journal.status(shown)
        runtime.journal.profit(1, shown)
        runtime.warning(shown)
        runtime.error(shown, source=shown)
        assert _is_clean(runtime.take_last_error() or signature, signature)
        assert _is_clean(runtime.journal.status_text, signature)
    assert _is_clean(repr(runtime.journal.lines()), signature)
    runtime.close()


def test_the_newest_signatures_are_remembered_and_the_oldest_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = redaction._Signatures()  # what other tests have signed is not counted
    monkeypatch.setattr(redaction, "_signatures", remembered)
    signatures = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(5_000)]
    for number, signature in enumerate(signatures):
        remember_signature(signature)
        if number % 700 == 0:
            assert cut_signatures(signature) == "***"
    assert {cut_signatures(signature) for signature in signatures[-2_048:]} == {"***"}
    assert cut_signatures(signatures[0]) == signatures[0]
    assert len(remembered._pieces) < 2_048 * 12


def test_many_threads_sign_and_cut_at_once() -> None:
    def work(index: int) -> None:
        for n in range(300):
            signature = hmac_hex("secret", f"{index}-{n}")
            assert cut_signatures(f"echo {signature} of {index}") == f"echo *** of {index}"

    side_by_side(8, work)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_cuts_what_it_and_its_parent_signed() -> None:
    code = """
import os, threading
from fmzthreads.exchange.keys.signing import hmac_hex
from fmzthreads.redaction import _signatures, cut_signatures
ours = hmac_hex("secret", b"parent")
held = threading.Event()
def hold():
    with _signatures._lock:
        held.set(); threading.Event().wait(60)
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    mine = hmac_hex("secret", b"child")
    os._exit(0 if cut_signatures(ours + " " + mine) == "*** ***" else 1)
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


# Keys that are cut off, and what is tested before a search


KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


@pytest.mark.parametrize("body", [str, str.encode], ids=["text", "bytes"])
def test_an_excerpt_never_ends_within_a_key_or_signature(body: Callable[[str], str | bytes]) -> None:
    signature = hmac_base64("secret", RNG.randbytes(16))
    for secret in (KEY, "my-passphrase!", signature, quote(quote(signature, safe=""), safe="")):
        for before in range(120, 210):
            for around in ('{"x": "%s"}', "<b>%s</b>", "a=%s&b=1"):
                shown = excerpt(body(" " + "x " * 60 + "y" * (before - 121) + " " + around % secret + " more" * 100))
                assert len(shown) <= 200
                assert not any(secret[:n] in shown and secret not in shown for n in range(4, len(secret))), shown


def test_an_excerpt_keeps_what_fits_and_the_start_of_what_has_no_end() -> None:
    assert excerpt("a b\n c") == "a b c"
    assert excerpt("x" * 200) == "x" * 200
    assert excerpt("x" * 1000, 150) == "x" * 23
    assert excerpt("word " * 100) == ("word " * 40).strip()
    assert excerpt("word " * 100, 203) == ("word " * 40).strip()


def test_a_part_of_a_key_is_cut_out_of_every_text() -> None:
    assert Secrets().cut(KEY[:30]) == KEY[:30]
    Secrets().add(KEY)
    for text in (KEY[:30], KEY[-24:], KEY[3:40].lower(), reprlib.repr(KEY)):
        assert _is_clean(cut_signatures(text), KEY), text
    Secrets().add("an ordinary long passphrase 12345678901234")
    assert cut_signatures("the passphrase, 12345678901234") == "the passphrase, 12345678901234"


def test_a_secret_is_cut_out_of_a_text_that_is_as_long() -> None:
    secrets = Secrets()
    assert secrets.add("abcdef")
    assert [secrets.cut(text) for text in ("abcdef", "abcde", "xabcdef", "")] == ["***", "abcde", "x***", ""]
    assert secrets.add("wxyz")
    assert [secrets.cut(text) for text in ("wxyz", "wxy")] == ["***", "wxy"]


def test_no_value_behind_a_name_is_missed_by_the_test_before_the_search() -> None:
    from fmzthreads.redaction import _named

    words = ["sign", "SIGNATURE", "apiKey", "api_key", "api-key", "OK-ACCESS-KEY", "ok-access-sign", "listenKey", "passphrase",
             "X-MBX-APIKEY", "Access-Passphrase", "=", ":", "%3D", "%253d", '"', "'", "\\", " ", "0123456789", "x", "é"]  # fmt: skip
    found = 0
    for _ in range(20_000):
        text = "".join(RNG.choices(words, k=RNG.randint(1, 6)))
        named = _named().sub(r"\1***", text)
        found += named != text
        assert cut_signatures(text) == named or len(text) < 10
    assert found > 500


def test_a_short_secret_is_cut_in_every_form_in_which_it_is_written() -> None:
    secret = 'p"ä /+\n'
    secrets = Secrets()
    assert secrets.add(secret)
    for form in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), repr(secret)[1:-1]):
        assert secrets.cut(f"before {form} after") == "before *** after"
    for form in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        assert secrets.cut(f"before {form} after") == "before *** after"
    assert not secrets.add("abc")
    assert secrets.cut("abcdef") == "abcdef"


def test_parts_of_short_secrets_are_left_alone() -> None:
    Secrets().add("short5and7plain9x")
    assert cut_signatures("5and7plain9 is text") == "5and7plain9 is text"
