"""Accounts on exchanges, and the keys of the extended API."""

from __future__ import annotations

from typing import Any

from ....errors import FmzError
from ..rendering import Renderer
from ..replies import html
from ..site import SitePage, redirect
from ..visit import PageVisit

__all__ = ["AccountPages"]


class AccountPages:
    """The pages of exchanges and keys.

    Args:
        renderer: Makes HTML.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def pages(self) -> list[SitePage]:
        """The pages."""
        return [
            SitePage("/exchanges", self._exchanges, "owner"),
            SitePage("/exchanges", self._add_exchange, "owner", "POST"),
            SitePage("/exchanges/{number:int}/change", self._change_exchange, "owner", "POST"),
            SitePage("/exchanges/{number:int}/delete", self._delete_exchange, "owner", "POST"),
            SitePage("/keys", self._keys, "owner"),
            SitePage("/keys", self._add_key, "owner", "POST"),
            SitePage("/keys/{number:int}/enable", self._enable, "owner", "POST"),
            SitePage("/keys/{number:int}/delete", self._delete_key, "owner", "POST"),
        ]

    def _exchanges(self, visit: PageVisit) -> Any:
        return self._exchange_page(visit, "")

    def _exchange_page(self, visit: PageVisit, problem: str, status: int = 200) -> Any:
        kinds = visit.service.exchange_kinds()
        chosen = (visit.form if problem else visit.query).text("eid")
        kind = next((one for one in kinds if one.eid == chosen), None)
        text = self._renderer.page(
            visit,
            "accounts/exchanges.html",
            accounts=visit.service.exchanges(),
            kinds=kinds,
            fields_of={one.eid: one.fields for one in kinds},
            kind=kind,
            problem=problem,
        )
        return html(text, status=status)

    def _add_exchange(self, visit: PageVisit) -> Any:
        form, given = visit.form, _typed_fields(visit)
        try:
            visit.service.add_exchange(
                form.text("eid"), form.text("label").strip(), given, is_simulated=form.has("simulated")
            )
        except FmzError as error:
            return self._exchange_page(visit, str(error), 400)
        return redirect("/exchanges?said=saved")

    def _change_exchange(self, visit: PageVisit) -> Any:
        try:
            visit.service.change_exchange(
                visit.params["number"], visit.form.text("label").strip(), _typed_fields(visit)
            )
        except FmzError as error:
            return self._exchange_page(visit, str(error), 400)
        return redirect("/exchanges?said=saved")

    def _delete_exchange(self, visit: PageVisit) -> Any:
        visit.service.delete_exchange(visit.params["number"])
        return redirect("/exchanges?said=deleted")

    def _keys(self, visit: PageVisit) -> Any:
        return html(self._renderer.page(visit, "accounts/keys.html", keys=visit.service.keys(), made=None, problem=""))

    def _add_key(self, visit: PageVisit) -> Any:
        form = visit.form
        made, problem = None, ""
        try:
            made = visit.service.add_key(
                form.text("label").strip(), form.text("methods").strip(), form.text("addresses")
            )
        except FmzError as error:
            problem = str(error)
        # Shown in the reply to the form and nowhere else: not in a URL, and not after a redirect.
        text = self._renderer.page(visit, "accounts/keys.html", keys=visit.service.keys(), made=made, problem=problem)
        return html(text, status=400 if problem else 200)

    def _enable(self, visit: PageVisit) -> Any:
        visit.service.set_key(visit.params["number"], is_enabled=visit.form.text("enabled") == "yes")
        return redirect("/keys")

    def _delete_key(self, visit: PageVisit) -> Any:
        visit.service.delete_key(visit.params["number"])
        return redirect("/keys?said=deleted")


def _typed_fields(visit: PageVisit) -> dict[str, str]:
    """The fields of an account that were typed."""
    form = visit.form
    fields = {name.removeprefix("field."): form.text(name) for name in form.names() if name.startswith("field.")}
    return {name: text for name, text in fields.items() if text.strip()}
