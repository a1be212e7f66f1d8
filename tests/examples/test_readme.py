"""README and docs tell the truth: their blocks run, the script is the example, commands and links exist, the table matches the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest

from fmzthreads import Exchange
from fmzthreads.strategy import bot_globals, exports, not_built
from fmzthreads.strategy import globals as globals_room
from tests.helpers.runs import fmzthreads
from tests.helpers.shared_data import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}


# Names of ours on FMZ's objects; README and docs explain them, the table is of FMZ's.
ADDED = {
    f"exchange.{name}"
    for name in (
        "CancelAll",
        "DismissOrder",
        "GetFundingPayments",
        "GetLastError",
        "GetUpdates",
        "Kill",
        "Killed",
        "Reconcile",
        "Release",
        "Subscribe",
        "Subscriptions",
        "UnknownOrders",
        "Unsubscribe",
    )
}
# They are there, and spot venues answer that they have none.


def blocks_of(page: str) -> list[str]:
    """The blocks of Python; what cannot run against the simulators is marked as something else (``text``)."""
    return re.findall(r"^```python\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


def anchors_of(page: str) -> set[str]:
    """The names by which a page's headings are linked."""
    headings = re.findall(r"^#+ (.+)$", PAGES[page], re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_ten_line_script_is_the_example() -> None:
    script = (ROOT / "examples" / "plain_script.py").read_text(encoding="utf-8")
    assert script in blocks_of("README.md")
    assert len(script.splitlines()) <= 10


@pytest.mark.example
@pytest.mark.parametrize(
    ("page", "number"), [(page, number) for page in PAGES for number in range(len(blocks_of(page)))]
)
def test_block(page: str, number: int, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="the blocks run against the simulator, which needs the extra server")
    script = tmp_path / f"block_{number}.py"
    script.write_text(blocks_of(page)[number], encoding="utf-8")
    done = fmzthreads("run", str(script), "--simulated", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), f"block {number} of {page} said nothing"
    if "except " not in script.read_text(encoding="utf-8"):  # such a block shows what goes wrong
        assert "error" not in done.stdout.lower(), done.stdout


def test_the_readme_links_the_documentation_and_each_page_is_in_its_contents() -> None:
    assert "](docs/index.md)" in README
    contents = re.findall(r"^```{toctree}\n(.*?)^```", PAGES["docs/index.md"], re.MULTILINE | re.DOTALL)
    listed = {f"docs/{line}.md" for block in contents for line in block.split("\n") if line and line[0] != ":"}
    assert listed == set(PAGES) - {"README.md", "docs/index.md"}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_project_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        linked = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors_of(linked.relative_to(ROOT).as_posix()), target


def test_the_table_names_every_function_of_fmz_that_is_built_and_no_other() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", README, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w.]+?)`", row)}
    built = (
        set(globals_room.__all__) | set(bot_globals.__all__) | {name for name in exports.__all__ if name != "Exchange"}
    )
    built |= {f"exchange.{name}" for name in dir(Exchange) if name[0].isupper()}
    assert named == built - ADDED


def test_every_name_that_is_not_built_says_so() -> None:
    words = re.search(r"^Not there yet: (.*?)\n\n", README, re.MULTILINE | re.DOTALL)
    assert words
    named = set(re.findall(r"`(?:exchange\.)?([A-Za-z]\w+)`", words[1]))
    assert named - {"ta"} == set(not_built.__all__) - {"NotBuilt"}


def test_every_file_that_the_pages_name_exists() -> None:
    for page, text in PAGES.items():
        for path in re.findall(r"`((?:tests|examples|benchmarks)/[\w./]+)`", text):
            assert (ROOT / path).exists(), f"{path} in {page}"


def test_every_name_that_something_was_renamed_to_exists() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| (.*) \|$", changes, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(fmzthreads[\w.]+)`", row)]
    assert len(names) > 15
    for name in names:
        assert resolve_name(name) is not None, name


def test_every_command_that_the_readme_types_exists() -> None:
    for command in sorted(
        set(re.findall(r"(?:python -m )?fmzthreads (run|status|command|stop|logs|demo|simulate|plugin)\b", README))
    ):
        done = subprocess.run(
            [sys.executable, "-m", "fmzthreads", command, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert command in done.stdout
