"""README and docs tell the truth: their blocks run, the script is the example, commands and links exist, the table matches the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fmzthreads
from fmzthreads import Exchange
from tests.helpers.shared_data import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    page.name: page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}


def blocks_of(page: str) -> list[str]:
    """The blocks of Python; what cannot run in the sandbox is marked as something else (``text``)."""
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
    command = [sys.executable, "-m", "fmzthreads", "sandbox", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), f"block {number} of {page} said nothing"
    assert "error" not in done.stdout.lower(), done.stdout


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/([\w.]+)\)", README))
    assert linked == set(PAGES) - {"README.md"}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_project_leads_somewhere(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        assert not path or (folder / path).exists(), target
        if anchor:
            assert anchor in anchors_of(Path(path).name if path else page), target


def test_every_function_that_the_table_names_exists() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", README, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([\w.]+?)`", row)]
    assert len(names) > 40
    for name in names:
        owner, _, method = name.rpartition(".")
        assert hasattr(Exchange if owner == "exchange" else fmzthreads, method), name


def test_every_command_that_the_readme_types_exists() -> None:
    for command in sorted(set(re.findall(r"(?:python -m )?fmzthreads (demo|simulate|sandbox)\b", README))):
        done = subprocess.run(
            [sys.executable, "-m", "fmzthreads", command, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert command in done.stdout
