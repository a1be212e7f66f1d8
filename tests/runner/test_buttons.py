"""The commands of a status bar's buttons."""

from __future__ import annotations

import json

from fmzthreads.runner.buttons import button_commands


def test_buttons_are_found_wherever_a_status_text_has_them() -> None:
    pause = {"type": "button", "cmd": "pause", "name": "Pause"}
    amount = {"type": "button", "cmd": "amount", "name": "Amount", "input": {"name": "n", "type": "number"}}
    several = {"type": "button", "cmd": "open", "name": "Open", "group": [{"name": "a", "type": "number"}]}
    off = {"type": "button", "cmd": "off", "name": "Off", "disabled": True}
    table = {"type": "table", "cols": ["a"], "rows": [[pause], [[amount, off]], [{"body": several, "colspan": 2}]]}
    text = f"up `{json.dumps([table])}` and `{json.dumps(pause)}`"
    assert button_commands(text) == ["pause (Pause)", "amount:VALUE (Amount)", "open:{JSON} (Open)", "pause (Pause)"]
    assert button_commands("nothing `x` here") == []
