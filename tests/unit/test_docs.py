"""The docs: every link within the repository leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from strata.environment import PROJECT

PAGES = [*sorted((PROJECT / "docs").rglob("*.md")), PROJECT / "README.md"]


def headings(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", h.lower()).strip().replace(" ", "-") for h in found}


def broken(page: Path) -> Iterator[str]:
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if link.startswith("http"):
            continue
        if not target.exists() or (anchor and anchor not in headings(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken(page)) == []
