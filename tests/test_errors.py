"""The error tree: its branches, its texts, and what it never shows."""

from __future__ import annotations

import pickle

import pytest

from fmzthreads import errors


def all_errors() -> list[type[errors.FmzError]]:
    found: list[type[errors.FmzError]] = []
    todo = [errors.FmzError]
    while todo:
        kind = todo.pop()
        found.append(kind)
        todo.extend(kind.__subclasses__())
    # Other rooms have kinds of their own (the simulator's refusals, say); this is about the tree.
    return sorted({kind for kind in found if kind.__module__ == errors.__name__}, key=lambda k: k.__name__)


def test_the_tree_drawn_in_the_module_names_every_error() -> None:
    drawn = errors.__doc__ or ""
    missing = [
        kind.__name__ for kind in all_errors() if kind.__module__ == "fmzthreads.errors" and kind.__name__ not in drawn
    ]
    assert missing == []


def test_what_may_be_repeated_and_what_was_refused_never_mix() -> None:
    for kind in all_errors():
        assert not (issubclass(kind, errors.OperationFailed) and issubclass(kind, errors.VenueRejected)), kind
    assert not issubclass(errors.OutcomeUnknown, (errors.OperationFailed, errors.VenueRejected))


@pytest.mark.parametrize("kind", all_errors(), ids=lambda k: k.__name__)
def test_every_error_carries_its_request_code_and_status(kind: type[errors.FmzError]) -> None:
    error = kind("went wrong", request="GET https://venue.example/time", code="-1", status=400)
    assert str(error) == "went wrong [GET https://venue.example/time]"
    assert (error.request, error.code, error.status) == ("GET https://venue.example/time", "-1", 400)
    assert str(kind("alone")) == "alone"


def test_errors_survive_pickling_with_their_fields() -> None:
    error = errors.RateLimited(
        "slow down", retry_after_s=2.5, request="GET https://venue.example/x", code="-1003", status=429
    )
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.retry_after_s, again.code, again.status) == (str(error), 2.5, "-1003", 429)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InputError, ValueError),
        (errors.UnknownName, AttributeError),
        (errors.TimedOut, TimeoutError),
        (errors.MissingExtra, ImportError),
        (errors.StopRequested, RuntimeError),
        (errors.TooManyHandles, RuntimeError),
        (errors.ConcurrentUse, RuntimeError),
        (errors.NotSupported, NotImplementedError),
        (errors.MissingField, KeyError),
        (errors.MissingField, AttributeError),
    ],
)
def test_errors_are_also_what_python_would_raise(kind: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(
    ("name", "valid", "words"),
    [
        ("GetDeph", ["GetDepth", "GetTicker"], "; did you mean 'GetDepth'?"),
        ("getdepth", ["GetDepth", "GetTicker"], "; did you mean 'GetDepth'?"),
        ("zzz", ["b", "a"], "; valid: 'a', 'b'"),
        ("zzz", [], ""),
        (
            "q",
            [f"name{i:02}" for i in range(20)],
            "; valid: " + ", ".join(f"'name{i:02}'" for i in range(12)) + ", ...",
        ),
    ],
)
def test_nearest(name: str, valid: list[str], words: str) -> None:
    assert errors.nearest(name, valid) == words


def test_excerpt_is_one_line_of_at_most_200_characters() -> None:
    assert errors.excerpt(b"<html>\n  <b>no</b>\xff" + b"x" * 1000).startswith("<html> <b>no</b>\ufffdx")
    assert len(errors.excerpt("y" * 200 + " y")) == 200


def test_a_missing_extra_says_how_to_install_it() -> None:
    with pytest.raises(errors.MissingExtra, match=r'python -m pip install "fmzthreads\[server\]"'):
        errors.require("no_such_package_here.part", "server")
    assert errors.require("json", "server").dumps([1]) == "[1]"
