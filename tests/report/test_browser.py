"""The page in a real browser: the graph is drawn, the filter works, no request leaves the page."""

from __future__ import annotations

import re
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from machochain.report.html import render_html
from tests.report.audits import audit, finding, hello
from tests.report.test_html import large

pytestmark = pytest.mark.browser

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
LEAKS = "<img src='http://leak.test/image'><script>fetch('http://leak.test/fetch');document.title='owned'</script>"


class Browser:
    """Headless Chromium, whose every request goes to a proxy that writes it down and answers nothing."""

    def __init__(self, folder: Path, port: int, asked: list[str]) -> None:
        self.folder = folder
        self.port = port
        self.asked = asked

    def dom(self, html: str, fragment: str = "") -> str:
        page = self.folder / "page.html"
        page.write_text(html, encoding="utf-8")
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += [f"--user-data-dir={self.folder}/profile", f"--proxy-server=127.0.0.1:{self.port}"]
        command += ["--window-size=1280,900", "--virtual-time-budget=3000", "--dump-dom", f"file://{page}{fragment}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout

    def leaked(self) -> list[str]:
        return [line for line in self.asked if "leak.test" in line]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if not BROWSER:
        pytest.skip("no Chromium here")
    asked: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline(4096).decode("latin-1"))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Browser(tmp_path, server.server_address[1], asked)
        server.shutdown()


def boxes(dom: str) -> dict[str, set[str]]:
    """File name to the classes of its box."""
    found = re.findall(r'<a class="(node[^"]*)"[^>]*data-name="([^" ]*)', dom)
    return {name.rpartition("/")[2]: set(classes.split()) for classes, name in found}


def element(dom: str, pattern: str) -> str:
    match = re.search(pattern, dom, re.DOTALL)
    assert match is not None
    return match.group(1)


def test_the_graph_is_drawn_and_the_script_runs_under_the_policy(browser: Browser) -> None:
    dom = browser.dom(render_html(hello()))
    assert element(dom, r'<body class="([^"]*)"') == "with-script"
    assert set(boxes(dom)) == {
        "greeter",
        "greeter-broken",
        "greeter-universal",
        "libgreet.1.dylib",
        "libSystem.B.dylib",
    }
    assert dom.count('<path class="edge') >= 4


def test_the_filter_marks_what_fits_and_counts_it(browser: Browser) -> None:
    dom = browser.dom(render_html(hello()), "#q=LIBSYSTEM")
    assert {name for name, classes in boxes(dom).items() if "hit" in classes} == {"libSystem.B.dylib"}
    assert re.search(r'id="tally"[^>]*>1 of 6<', dom)
    assert "filtered" in element(dom, r"<svg ([^>]*)>")
    unfiltered = browser.dom(render_html(hello()))
    assert not any("hit" in classes for classes in boxes(unfiltered).values())


def test_choosing_an_image_shows_its_details_and_what_it_is_joined_with(browser: Browser) -> None:
    html = render_html(hello())
    wanted = element(html, r'data-id="(image-\d+)" data-name="[^"]*/greeter-broken"')
    dom = browser.dom(html, f"#{wanted}")
    assert {name for name, classes in boxes(dom).items() if "chosen" in classes} == {"greeter-broken"}
    details = element(dom, r'<div id="chosen"[^>]*>(.*?)</div>')
    assert "@rpath/libgreet.1.dylib" in details
    assert "missing on macOS" in details
    near = {name for name, classes in boxes(dom).items() if "near" in classes}
    assert "greeter" not in near
    assert {"greeter-broken", "libSystem.B.dylib"} <= near


def shown(dom: str) -> set[str]:
    """Return the files of the large picture that are drawn."""
    found = re.findall(r'<a class="(node[^"]*)"[^>]*data-folder="[^"]*" data-name="([^" ]*)', dom)
    return {name.rpartition("/")[2] for classes, name in found if "away" not in classes.split()}


def test_of_many_files_those_of_a_folder_or_a_program_are_drawn_alone(browser: Browser) -> None:
    html = render_html(large())
    assert len(shown(browser.dom(html))) == 71
    good = element(html, r'data-id="(folder-\d+)" data-name="good"')
    dom = browser.dom(html, f"#{good}")
    assert shown(dom) == {"libx.dylib", *(f"p{n}.so" for n in range(35))}
    assert "good: 35 files, and 1 elsewhere that they load." in element(dom, r'<p [^>]*id="focus"[^>]*>(.*?)</p>')
    assert "open" in element(dom, r'<details id="files"([^>]*)>')
    one = element(html, r'data-id="(image-\d+)" data-folder="[^"]*" data-name="/opt/app/good/p7.so"')
    dom = browser.dom(html, f"#{one}")
    assert shown(dom) == {"libx.dylib", "p7.so"}
    assert "p7.so: loads 1 of these files, is loaded by 0." in element(dom, r'<p [^>]*id="focus"[^>]*>(.*?)</p>')
    size = re.search(r'<svg [^>]*height="(\d+)', dom[dom.index('<div id="canvas"') :])
    assert size is not None
    assert int(size[1]) < 100


def test_no_request_leaves_the_page_even_if_markup_got_in(browser: Browser) -> None:
    page = render_html(hello())
    browser.dom(f"<title>control</title>{LEAKS}")
    assert len(browser.leaked()) >= 2, "the proxy must see what a page without a policy asks for"
    browser.asked.clear()
    dom = browser.dom(page.replace("</main>", f"{LEAKS}</main>"))
    assert "leak.test" in dom
    assert "owned" not in element(dom, "<title>(.*?)</title>")
    assert browser.leaked() == []


def test_hostile_names_stay_text(browser: Browser) -> None:
    one: Any = finding(message=f"loads {LEAKS}", subject=LEAKS)
    dom = browser.dom(render_html(audit(evolve(one, processes=(LEAKS,)))))
    assert "&lt;img src='http://leak.test/image'&gt;" in dom or "&lt;img" in dom
    assert "owned" not in element(dom, "<title>(.*?)</title>")
    assert browser.leaked() == []
