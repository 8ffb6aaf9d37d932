"""What the pages about Go print is what the commands print."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from machochain.findings import RULES
from tests.cli.running import run
from tests.toolchain import Toolchain, build_cgo, greet_library, install, write_module

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "go.md"
_BLOCK: Final = re.compile(r"```console\n\$ machochain ([^\n]*)\n(.*?)```", re.DOTALL)


@frozen
class Block:
    """A command of a page and what stands below it."""

    command: str
    output: str

    @property
    def arguments(self) -> list[str]:
        return shlex.split(self.command)

    @property
    def needs_programs(self) -> bool:
        return "testdata/" not in self.command


def blocks(text: str) -> list[Block]:
    return [Block(*match.groups()) for match in _BLOCK.finditer(text)]


BLOCKS: Final = blocks(PAGE.read_text())


def build(chain: Toolchain, module: Path, root: Path) -> None:
    """Make the Mac of the page: programs in /src/bin, the library in /src/lib."""
    dylib = greet_library(chain, module, install_name="@rpath/libgreet.1.dylib")
    for place in ("src/lib", "src/bin", "src/greet"):
        (root / place).mkdir(parents=True)
    shutil.copy(dylib, root / "src" / "lib")
    programs = root / "src" / "bin"
    build_cgo(chain, module, programs / "hello", rpaths=("@loader_path/../lib",))
    build_cgo(chain, module, programs / "hello-leaf", install_name="libgreet.1.dylib")
    build_cgo(chain, module, programs / "hello-plain", install_name="/opt/greet/lib/libgreet.1.dylib")


def told(output: str, folder: Path) -> str:
    """Name the folders a program was built in, which its build information holds, as the page does."""
    stubs = str(Path.home() / ".cache" / "machochain-tests" / "stubs")
    return re.sub(r"/src/lib-arm64-\w+", "/src/lib", output.replace(f"{folder}/module", "/src").replace(stubs, "/sdk"))


def regenerate(root: Path) -> None:
    """Write the outputs into the page anew: ``python -m tests.cli.test_scenario_documents FOLDER``."""
    import contextlib
    import os

    build(install(), write_module(root / "module"), root / "mac")
    os.environ["COLUMNS"] = "80"

    def filled(match: re.Match[str]) -> str:
        block = Block(match.group(1), "")
        with contextlib.chdir(root / "mac" if block.needs_programs else ROOT):
            return f"```console\n$ machochain {block.command}\n{told(run(*block.arguments).stdout, root)}```"

    PAGE.write_text(_BLOCK.sub(filled, PAGE.read_text()))


def test_the_page_shows_commands_with_their_outputs() -> None:
    assert len(BLOCKS) == 4
    assert all(block.output for block in BLOCKS)


@pytest.mark.parametrize("block", [b for b in BLOCKS if not b.needs_programs], ids=lambda b: b.command)
def test_outputs_on_files_of_this_repository_are_real(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")

    assert run(*block.arguments).stdout == block.output


@pytest.fixture(scope="module")
def mac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    build(install(), write_module(folder / "module"), folder / "mac")
    return folder / "mac"


@pytest.mark.toolchain
@pytest.mark.parametrize("block", [b for b in BLOCKS if b.needs_programs], ids=lambda b: b.command)
def test_outputs_on_programs_made_by_go_are_real(block: Block, mac: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mac)
    monkeypatch.setenv("COLUMNS", "80")

    assert told(run(*block.arguments).stdout, mac.parent) == block.output


@pytest.mark.parametrize("page", ["go.md", "folklore.md"])
def test_pages_name_rules_that_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    links = re.findall(r"\[(MC\d+)\]\(rules/(MC\d+)\.md\)", text)

    assert links
    for shown, linked in links:
        assert shown == linked
        assert shown in RULES
        assert (ROOT / "docs" / "rules" / f"{linked}.md").exists()


if __name__ == "__main__":
    import sys

    regenerate(Path(sys.argv[1]))
