"""Strategies: the list, a file with its lines, edits, versions and what changed between them."""

from __future__ import annotations

import difflib
from typing import Any

from ....errors import FmzError, InputError
from ...strategies.folder import mark_of
from ..parameter_fields import field_groups
from ..rendering import Renderer
from ..replies import download, html
from ..site import SitePage, redirect
from ..visit import PageVisit

__all__ = ["StrategyPages", "diff_lines"]

_MOST_DIFF = 4000
STARTER = '''"""Watches price and account of each exchange, and draws the price."""


def main():
    names = [one.GetName() + " " + one.GetCurrency() for one in exchanges]
    chart = Chart({"title": {"text": "Last price"}, "series": [{"name": name, "data": []} for name in names]})
    Log("watching", ", ".join(names))
    while True:
        rows = []
        for number, one in enumerate(exchanges):
            ticker, account = one.GetTicker(), one.GetAccount()
            if ticker and account:
                chart.add(number, [int(time.time() * 1000), ticker.Last])
                rows.append([names[number], ticker.Buy, ticker.Sell, ticker.Last, account.Balance])
        table = {"type": "table", "title": "Prices", "cols": ["Exchange", "Bid", "Ask", "Last", "Balance"], "rows": rows}
        LogStatus(_D(), "`" + json.dumps(table) + "`")
        Sleep(2000)
'''


class StrategyPages:
    """The pages of strategies.

    Args:
        renderer: Makes HTML.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def pages(self) -> list[SitePage]:
        """The pages."""
        base = "/strategies/{name}"
        return [
            SitePage("/strategies", self._list),
            SitePage("/strategies", self._upload, "owner", "POST"),
            SitePage(base, self._show),
            SitePage(base, self._save, "owner", "POST"),
            SitePage(f"{base}/file", self._file),
            SitePage(f"{base}/diff", self._diff),
            SitePage(f"{base}/delete", self._delete, "owner", "POST"),
        ]

    def _list(self, visit: PageVisit) -> Any:
        text = self._renderer.page(
            visit, "strategies/list.html", strategies=visit.service.strategies(), starter=STARTER, problem=""
        )
        return html(text)

    def _upload(self, visit: PageVisit) -> Any:
        name, text = visit.form.text("name").strip(), visit.form.text("text")
        if visit.form.text("file.name"):
            name, text = name or visit.form.text("file.name"), visit.form.text("file")
        if any(one.name == name for one in visit.service.strategies()) and not visit.form.has("replace"):
            raise InputError(f"there is a strategy {name[:100]!r}: open it to change it")
        visit.service.save_strategy(name, text.replace("\r\n", "\n"), "uploaded")
        return redirect(f"/strategies/{name}?said=saved")

    def _show(self, visit: PageVisit) -> Any:
        name, version = visit.params["name"], visit.query.text("version")
        return self._editor(visit, visit.service.source(name, version), version, "")

    def _editor(self, visit: PageVisit, text: str, version: str, problem: str, status: int = 200) -> Any:
        service, name = visit.service, visit.params["name"]
        groups, broken, base = [], "", ""
        try:
            base = mark_of(service.source(name))
            groups = field_groups(service.parameters(name), {}, visit.language)
        except FmzError as error:
            broken = str(error)
        page = self._renderer.page(
            visit,
            "strategies/file.html",
            name=name,
            text=text,
            lines=text.count("\n") + 1,
            version=version,
            versions=service.versions(name),
            groups=groups,
            problem=problem or broken,
            base=base,
            robots=[one for one in service.robots() if one.strategy == name],
            may_edit=visit.person.role == "owner" and not version,
        )
        return html(page, status=status)

    def _save(self, visit: PageVisit) -> Any:
        name, text = visit.params["name"], visit.form.text("text").replace("\r\n", "\n")
        try:
            visit.service.save_strategy(name, text, visit.form.text("note").strip(), visit.form.text("base"))
        except FmzError as error:
            return self._editor(visit, text, "", str(error), 400)
        return redirect(f"/strategies/{name}?said=saved")

    def _file(self, visit: PageVisit) -> Any:
        name = visit.params["name"]
        text = visit.service.source(name, visit.query.text("version"))
        return download([text.encode("utf-8", "replace")], name, "text/plain; charset=utf-8")

    def _diff(self, visit: PageVisit) -> Any:
        name = visit.params["name"]
        old, new = visit.query.text("old"), visit.query.text("new")
        lines = diff_lines(visit.service.source(name, old), visit.service.source(name, new))
        versions = {one.id: one for one in visit.service.versions(name)}
        text = self._renderer.page(
            visit, "strategies/diff.html", name=name, lines=lines[:_MOST_DIFF], cut=len(lines) > _MOST_DIFF, old=versions.get(old), new=versions.get(new)
        )  # fmt: skip
        return html(text)

    def _delete(self, visit: PageVisit) -> Any:
        visit.service.delete_strategy(visit.params["name"])
        return redirect("/strategies?said=deleted")


def diff_lines(old: str, new: str) -> list[tuple[str, str, str, str]]:
    """What changed, with three lines around it, as ``(kind, old number, new number, text)``.

    The kind is ``same``, ``removed``, ``added`` or ``gap``.
    """
    before, after = old.splitlines(), new.splitlines()
    found: list[tuple[str, str, str, str]] = []
    for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(3):
        if found:
            found.append(("gap", "", "", ""))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [("same", str(i + 1), str(j1 + i - i1 + 1), before[i]) for i in range(i1, i2)]
                continue
            found += [("removed", str(i + 1), "", before[i]) for i in range(i1, i2)]
            found += [("added", "", str(j + 1), after[j]) for j in range(j1, j2)]
    return found
