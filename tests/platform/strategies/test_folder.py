"""The strategies' folder, and its history."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from fmzthreads.errors import InputError, UnknownName
from fmzthreads.platform.access import NotPermitted
from fmzthreads.platform.service import Platform
from tests.helpers.platforms import fake_platform, owner_of


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with fake_platform(tmp_path) as (made, _):
        yield made


@pytest.mark.parametrize(
    "name",
    [
        "../x.py",
        "/etc/x.py",
        "a/b.py",
        "a\\b.py",
        "..py",
        ".x.py",
        "x",
        "x.sh",
        "x.py\n",
        "x\0.py",
        "-x.py",
        "x" * 200 + ".py",
        "",
        "CON:.py",
    ],
)
def test_names_that_are_not_files_of_the_folder_are_refused(platform: Platform, name: str) -> None:
    with pytest.raises(InputError, match="cannot be called"):
        platform.strategies.write(owner_of(platform), name, "x")


def test_files_are_told_apart(platform: Platform) -> None:
    owner, write = owner_of(platform), platform.strategies.write
    assert write(owner, "网格 1.py", "def main():\n    pass\n").kind == "strategy"
    assert write(owner, "lib.py", "ext.f = 1\n").kind == "template"
    assert write(owner, "script.py", "def main():\n    pass\nmain()\n").kind == "script"
    broken = write(owner, "broken.py", "def main(:\n")
    assert broken.kind == "broken"
    assert "line 1" in broken.error
    assert platform.strategies.text(broken.id) == "def main(:\n", "it can be mended"
    (platform.strategies.path / "link.py").symlink_to("/etc/passwd")
    assert "link.py" not in [one.file for one in platform.strategies.all()]
    with pytest.raises(InputError, match="is a link"):
        write(owner, "link.py", "x")
    number = platform.strategies.find("lib.py").id
    assert write(owner, "lib.py", "def main():\n    pass\n").id == number
    assert platform.strategies.get(number).kind == "strategy"
    platform.strategies.delete(owner, number)
    with pytest.raises(UnknownName, match="is gone"):
        platform.strategies.get(number)
    with pytest.raises(NotPermitted):
        write(attrs.evolve(owner, role="operator"), "mine.py", "x")
    with pytest.raises(InputError, match="bytes"):
        write(owner, "large.py", "x" * 3_000_000)


def test_javascript(platform: Platform) -> None:
    pytest.importorskip("quickjs")
    owner, write = owner_of(platform), platform.strategies.write
    assert write(owner, "a.js", "function main() {}\n").kind == "strategy"
    assert write(owner, "b.js", "$.f = function() {};\n").kind == "template"
    assert write(owner, "c.js", "function main( {\n").kind == "broken"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_versions(platform: Platform) -> None:
    owner, strategies = owner_of(platform), platform.strategies
    for text in ("one\n", "two\n", "two\n"):
        strategies.write(owner, "网.py", text, f"wrote {text.strip()}")
    versions = strategies.versions.of("网.py")
    assert [(one.author, one.subject) for one in versions] == [("owner", "wrote two"), ("owner", "wrote one")]
    assert strategies.versions.text("网.py", versions[1].id) == "one\n"
    assert "-one\n+two" in strategies.versions.diff("网.py", versions[1].id, versions[0].id)
    strategies.write(owner, "网.py", "three\n")
    assert "+three" in strategies.versions.diff("网.py", versions[0].id)
    for version in ("--output=/tmp/x", "HEAD", "abc", "0" * 40):
        with pytest.raises(InputError):
            strategies.versions.text("网.py", version)
    with pytest.raises(InputError):
        strategies.versions.text("../../platform.sqlite3", versions[0].id)


def test_without_git_there_are_no_versions(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform.strategies.versions, "_git", None)
    platform.strategies.write(owner_of(platform), "x.py", "x\n")
    assert not platform.strategies.versions.kept
    assert platform.strategies.versions.of("x.py") == []
    with pytest.raises(InputError, match="git is not installed"):
        platform.strategies.versions.text("x.py", "0" * 40)
