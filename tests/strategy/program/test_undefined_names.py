"""The names that a strategy reads and nothing defines are found, and no others."""

from pathlib import Path

import pytest

from fmzthreads.strategy.namespace import strategy_names
from fmzthreads.strategy.program.loader import usual_names
from fmzthreads.strategy.program.undefined_names import undefined_names


def missing(text: str, **names: object) -> dict[str, int]:
    known: dict[str, object] = {
        "__name__": "__main__",
        "__file__": "bot.py",
        "ext": None,
        **usual_names(),
        **strategy_names([]),
        **names,
    }
    exec(compile(text, "bot.py", "exec"), known)
    return undefined_names(text, Path("bot.py"), known)


def test_each_is_named_with_its_first_line() -> None:
    text = "def main():\n    Sleep(1)\n    Foo(BAR)\nclass A:\n    x = 1\n    def f(self):\n        return [BAR for _ in range(3)] + [typo]\n"
    assert missing(text) == {"BAR": 3, "Foo": 3, "typo": 7}


@pytest.mark.parametrize(
    "text",
    [
        "def main():\n    Log(exchange.GetTicker(), exchanges, TA.MA([1]), json.dumps(null), ORDER_STATE_CLOSED, ext.f)\n",
        "def main():\n    global state\n    state = 1\ndef onexit():\n    Log(state)\n",
        "def main():\n    for i in range(3):\n        with open('x') as file:\n            pass\n    [file, i]\n    lambda a, *b, **c: (a, b, c)\n",
        "import os.path as p\nfrom math import *\ndef main():\n    import queue\n    p, sin(1), queue\n",
        "class A:\n    x = 1\n    y = x\ndef main(): A.z\n",
        "def main():\n    def inner():\n        nonlocal a\n        a = 2\n    a = 1\n    try:\n        pass\n    except ValueError as error:\n        error\n",
        "def main():\n    if (b := 3):\n        return {b: __name__, __file__: print}\n",
        "def main():\n    globals()['Made'] = 1\n    Made\n",
        "def main():\n    exec('Made = 1')\n    Made\n",
        "def main(x: int = n) -> None:\n    amount\n",
    ],
)
def test_what_is_defined_somewhere_is_not_named(text: str) -> None:
    assert missing(text, n=1, amount=2) == {}


def test_a_name_that_only_another_scope_writes_is_missing() -> None:
    assert missing("def f():\n    local = 1\nclass A:\n    y = 2\ndef main():\n    local, y\n") == {"local": 6, "y": 6}
