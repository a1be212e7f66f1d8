from __future__ import annotations

import copy
import json
import os
import pickle
import sys

import pytest

from fmzthreads.errors import InputError, MissingCredentials, UnknownName
from fmzthreads.exchange.keys.credentials import Credentials, load_credentials, variable

SECRET = "s3cr3t-of-the-account"


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(json.dumps({"access_key": "a", "secret_key": SECRET, "passphrase": "p"}))
    path.chmod(0o600)
    return path


def test_keys_are_in_no_text():
    keys = Credentials(access_key="acc", secret_key=SECRET, passphrase="phrase")
    for text in (repr(keys), str(keys), f"{keys}"):
        assert "acc" not in text
        assert SECRET not in text
        assert "phrase" not in text


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
def test_keys_are_not_pickled_or_copied(act):
    with pytest.raises(TypeError, match="cannot be pickled"):
        act(Credentials(secret_key=SECRET))


def test_keys_cannot_be_changed():
    with pytest.raises(AttributeError):
        Credentials().secret_key = "other"  # type: ignore[misc]


@pytest.mark.parametrize("value", [SECRET + "\nX-Header: 1", 12345, None, b"bytes"])
def test_what_is_no_key_is_refused_without_being_shown(value):
    with pytest.raises(InputError) as caught:
        Credentials(secret_key=value)
    assert SECRET not in str(caught.value)
    assert "12345" not in str(caught.value)


def test_surrounding_blanks_are_taken_off():
    assert Credentials(secret_key=f" {SECRET}\n").secret_key == SECRET


def test_environment():
    found = Credentials.from_environment(
        "Futures_Binance", {"FMZ_FUTURES_BINANCE_ACCESS_KEY": "a", "FMZ_FUTURES_BINANCE_SECRET_KEY": "b", "OTHER": "c"}
    )
    assert (found.access_key, found.secret_key, found.passphrase) == ("a", "b", "")
    assert variable("OKX", "passphrase") == "FMZ_OKX_PASSPHRASE"


def test_a_missing_key_is_named_with_its_variable():
    with pytest.raises(MissingCredentials, match=r"OKX needs a passphrase .*FMZ_OKX_PASSPHRASE"):
        Credentials(access_key="a", secret_key="b").need("OKX", passphrase=True)
    with pytest.raises(MissingCredentials, match=r"needs an access_key.*FMZ_BINANCE_ACCESS_KEY"):
        Credentials().need("Binance")
    keys = Credentials(access_key="a", secret_key="b")
    assert keys.need("Binance") is keys


def test_file(key_file):
    found = Credentials.from_file(key_file)
    assert (found.access_key, found.secret_key, found.passphrase) == ("a", SECRET, "p")


def test_file_of_lines(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# my keys\n\naccess_key = a\nSECRET_KEY={SECRET}==\n")
    path.chmod(0o400)
    found = Credentials.from_file(path)
    assert (found.access_key, found.secret_key) == ("a", SECRET + "==")


@pytest.mark.skipif(os.name != "posix", reason="file modes mean nothing here")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_file_that_others_may_read_is_refused(key_file, mode):
    key_file.chmod(mode)
    with pytest.raises(InputError, match=f"mode {mode:04o}.*0600") as caught:
        Credentials.from_file(key_file)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text", [json.dumps({"secret_key": SECRET})[:-1], f"secret_key {SECRET}", json.dumps({"secret_key": [SECRET]})]
)
def test_a_broken_file_is_refused_without_showing_it(tmp_path, text):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InputError) as caught:
        Credentials.from_file(path)
    assert SECRET not in str(caught.value)


def test_an_unknown_name_in_the_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("secret = x\n")
    path.chmod(0o600)
    with pytest.raises(UnknownName, match=r"'secret'.*secret_key"):
        Credentials.from_file(path)


def test_a_bare_key_in_the_file_is_not_shown(tmp_path):
    path = tmp_path / "keys"
    for text in ("c2VjcmV0LW9mLXRoZS1hY2NvdW50==\n", json.dumps({"c2VjcmV0LW9mLXRoZS1hY2NvdW50": ""})):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(UnknownName, match="'access_key'") as caught:
            Credentials.from_file(path)
        assert "c2vjcmv0" not in str(caught.value).lower()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="FileNotFoundError"):
        Credentials.from_file(tmp_path / "none")


def test_the_first_place_that_has_keys_serves_alone(key_file):
    environ = {"FMZ_OKX_ACCESS_KEY": "ea", "FMZ_OKX_SECRET_KEY": "es", "FMZ_OKX_PASSPHRASE": "ep"}
    given = load_credentials("OKX", access_key="ga", secret_key="gs", key_file=str(key_file), environ=environ)
    assert given is not None
    assert (given.access_key, given.secret_key, given.passphrase) == ("ga", "gs", "ep")
    half = load_credentials("OKX", access_key="ga", environ=environ)
    assert half is not None
    assert (half.access_key, half.secret_key, half.passphrase) == ("ga", "", "")
    filed = load_credentials("OKX", key_file=key_file, environ=environ)
    assert filed is not None
    assert filed.access_key == "a"
    found = load_credentials("OKX", environ=environ)
    assert found is not None
    assert found.access_key == "ea"
    assert load_credentials("OKX", environ={}) is None


@pytest.mark.skipif(sys.platform == "win32", reason="the environment is case-blind there")
def test_the_process_environment_is_read(monkeypatch):
    monkeypatch.setenv("FMZ_BINANCE_ACCESS_KEY", "from-process")
    found = load_credentials("Binance")
    assert found is not None
    assert found.access_key == "from-process"
    assert found.secrets() == ("from-process",)
