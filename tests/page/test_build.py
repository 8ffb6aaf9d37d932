"""The site from made-up parts: names with hashes, no address of others, a policy, nothing that is not asked for."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from docs.page import build
from docs.page.build import BuildError, Parts, releases, write


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    pyodide = tmp_path / "pyodide"
    pyodide.mkdir()
    (pyodide / "package.json").write_text('{"version": "1.2.3"}', encoding="utf-8")
    lock = {"info": {"python": "3.14.2", "arch": "wasm32"}, "packages": {"numpy": {}}}
    (pyodide / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    (pyodide / "pyodide.asm.wasm").write_bytes(b"\0asm" * 1000)
    (pyodide / "pyodide.mjs").write_bytes(b"export {};\n//# sourceMappingURL=pyodide.mjs.map\n")
    (pyodide / "pyodide.asm.mjs").write_bytes(b"export default 1;\n")
    return Parts(pyodide, b"boot", b"rest", b"facts")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_parts_make_the_same_site_and_other_parts_other_names(parts: Parts, tmp_path: Path) -> None:
    write(parts, tmp_path / "one")
    write(parts, tmp_path / "two")
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    (parts.pyodide / "pyodide.asm.mjs").write_bytes(b"export default 2;\n")
    write(parts, tmp_path / "two")
    folders = {name.split("/")[0] for name in one if "/" in name}
    assert not folders & {name.split("/")[0] for name in contents(tmp_path / "two") if "/" in name}


def test_every_file_the_page_names_is_there(parts: Parts, tmp_path: Path) -> None:
    write(parts, tmp_path / "out")
    site = contents(tmp_path / "out")
    index = site["index.html"].decode()
    for address in re.findall(r'(?:src|href)="([^"#]*)"', index):
        if not address.startswith("https://"):
            assert address in site, address
    page = next(name.split("/")[0] for name in site if name.startswith("page-"))
    for name, data in site.items():
        if name.startswith(f"{page}/") and name.endswith(".js"):
            for imported in re.findall(r'from "\./([^"]+)"', data.decode()):
                assert f"{page}/{imported}" in site
    assert "@" not in re.sub(r"@(rpath|loader_path)|@media", "", index)


def test_the_service_worker_keeps_every_file(parts: Parts, tmp_path: Path) -> None:
    write(parts, tmp_path / "out")
    site = contents(tmp_path / "out")
    kept = re.search(r"JSON.parse\('(.*?)'\)", site["serviceworker.js"].decode())
    assert kept is not None
    assert set(json.loads(kept[1])) == (site.keys() | {"./"}) - {"index.html", "serviceworker.js"}


def test_the_policy_lets_nothing_in_but_its_own(parts: Parts, tmp_path: Path) -> None:
    write(parts, tmp_path / "out")
    site = contents(tmp_path / "out")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', site["index.html"].decode())
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules.pop("default-src") == "'none'"
    allowed = {word for value in rules.values() for word in value.split()}
    assert allowed == {"'self'", "'none'", "'wasm-unsafe-eval'", "blob:"}
    assert rules["connect-src"] == "'self'"
    assert "blob:" not in rules["script-src"]
    # Nothing is fetched by an absolute address, and the page has no script or style of its own in it.
    ours = {name: data.decode() for name, data in site.items() if name.endswith((".js", ".css", ".html"))}
    for name, text in ours.items():
        assert not re.findall(r"(?:fetch|import|url)\(\s*['\"]?https?:", text), name
    assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", ours["index.html"])


def test_what_is_compressed_is_what_was_given(parts: Parts, tmp_path: Path) -> None:
    sizes = write(parts, tmp_path / "out")
    site = contents(tmp_path / "out")
    assert sizes == {name: len(data) for name, data in site.items()}
    engine = next(name.split("/")[0] for name in site if name.startswith("engine-"))
    assert gzip.decompress(site[f"{engine}/wasm.bin"]) == b"\0asm" * 1000
    assert b"sourceMappingURL" not in site[f"{engine}/pyodide.mjs"]


def test_a_folder_with_something_else_in_it_is_left_alone(parts: Parts, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(BuildError, match="something else"):
        write(parts, mine)
    assert (mine / "thesis.txt").exists()


def test_without_npm_the_builder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BuildError, match="npm is not installed here"):
        build.fetch(tmp_path)


def test_every_release_can_be_chosen_the_newest_first() -> None:
    values = [value for value, _ in releases()]
    assert values[0] == "27"
    assert values[1:] == ["26..26", "15..15", "14..14", "13..13", "12..12", "11..11"]


def test_what_is_fetched_is_pinned_with_hashes() -> None:
    lock = json.loads((build.HERE / "package-lock.json").read_text(encoding="utf-8"))
    wanted = json.loads((build.HERE / "package.json").read_text(encoding="utf-8"))
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        entry = lock["packages"][f"node_modules/{name}"]
        assert entry["version"] == version
        assert entry["integrity"].startswith("sha512-")
    lines = (build.HERE / "requirements.txt").read_text(encoding="utf-8").split("\n")
    named = [line for line in lines if "==" in line]
    assert [line.partition("==")[0] for line in named] == ["attrs", "packaging"]
    assert sum("--hash=sha256:" in line for line in lines) >= len(named)
