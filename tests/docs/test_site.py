"""The site of the documentation: it builds without a warning, needs nobody else, and no link of it leads nowhere."""

from __future__ import annotations

import subprocess
import sys
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from machochain._docs import rule_page
from machochain.cli import cli
from machochain.findings import RULES

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """What a page links to, what it loads, and the names of its places."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        self.loads |= {found["src"]} if "src" in found else set()
        if tag == "link" and found.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loads.add(found["href"])


class Site:
    """The built site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pages(self) -> dict[Path, Page]:
        return {file: Page(file.read_text(encoding="utf-8")) for file in self.folder.rglob("*.html")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    out = tmp_path_factory.mktemp("site")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    built = subprocess.run(
        [*sphinx, "-b", "html", "-d", out / "trees", "docs", out / "html"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (built.returncode, built.stderr) == (0, "")
    return Site(out / "html")


def test_every_rule_has_its_address(site: Site) -> None:
    for rule in RULES:
        address = rule_page(rule).replace("docs/", "").replace(".md", ".html")
        assert (site.folder / "rules" / address.rpartition("/")[2]).is_file()


def test_no_link_leads_nowhere(site: Site) -> None:
    lost = []
    for file, page in site.pages.items():
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            place = unquote(parts.fragment)
            there = target.is_file() and (not place or target not in site.pages or place in site.pages[target].places)
            if not there:
                lost.append((file.name, link))
    assert lost == []


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    assert {load for page in site.pages.values() for load in page.loads if urlsplit(load).netloc} == set()


def test_the_reference_has_every_command_and_every_public_name(site: Site) -> None:
    import machochain

    commands = site.pages[site.folder / "reference" / "command-line.html"].places
    assert {f"machochain-{name}" for name in cli.COMMANDS} <= commands
    names = site.pages[site.folder / "reference" / "python.html"].places
    public = {name for name in machochain.__all__ if name[0] != "_"}
    assert {name for name in public if not any(place.endswith(f".{name}") for place in names)} == set()


def test_the_schemas_lie_beside_the_pages(site: Site) -> None:
    assert {file.name for file in (site.folder / "schema").iterdir()} == {
        file.name for file in (ROOT / "docs" / "schema").iterdir()
    }
