"""Headless Chromium over its DevTools pipe, and a server whose every request is written down. No library needed."""

from __future__ import annotations

import base64
import fcntl
import functools
import gzip
import http.server
import io
import itertools
import json
import os
import select
import shutil
import signal
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
]  # fmt: skip
PATIENCE = 60.0


class Tab:
    """One page: commands of the DevTools protocol, and what tests want of them."""

    def __init__(self, chromium: Chromium, session: str) -> None:
        self.chromium = chromium
        self.session = session

    def send(self, method: str, **params: Any) -> Any:
        return self.chromium.send(method, self.session, **params)

    def run(self, script: str) -> Any:
        """Return the value of an expression, awaited if it is a promise."""
        done = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in done:
            raise AssertionError(done["exceptionDetails"])
        return done["result"].get("value")

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)
        self.until("document.readyState == 'complete'")

    def until(self, script: str, patience: float = PATIENCE) -> Any:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                if value := self.run(script):
                    return value
            except AssertionError:
                pass  # the page is not there yet
            time.sleep(0.05)
        raise AssertionError(f"never came true: {script}; the page says {self.run('document.body.innerText')!r}")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def shot(self, file: Path, *, full: bool = False) -> None:
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=full)["data"]
        file.write_bytes(base64.b64decode(data))

    def key(self, name: str, *, code: int = 0, text: str = "", modifiers: int = 0) -> None:
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, modifiers=modifiers, **more
            )

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files in a field, as the dialogue of the system does."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drop(self, *files: Path) -> None:
        """Drop files as a person does: into the middle of the page."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=kind, x=200, y=200, data=data)

    def accessible(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = self.send("Accessibility.getFullAXTree")["nodes"]
        return [node for node in nodes if not node.get("ignored")]


class Chromium:
    """A browser with a profile of its own."""

    def __init__(self, profile: Path, proxy: int) -> None:
        self.ours_in, theirs_out = os.pipe()
        theirs_in, self.ours_out = os.pipe()

        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
        command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", f"--proxy-server=127.0.0.1:{proxy}", "about:blank"]
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, end, at) for at, end in zip((3, 4), high, strict=True)]
        actions += [(os.POSIX_SPAWN_OPEN, at, os.devnull, os.O_RDWR, 0) for at in (1, 2)]
        self.process = os.posix_spawn(BROWSER, command, os.environ, file_actions=actions)
        for end in high:
            os.close(end)
        os.close(theirs_out)
        os.close(theirs_in)
        self.numbers = itertools.count(1)
        self.rest = b""
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, session: str | None = None, **params: Any) -> Any:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self.ours_out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for said in self._heard(end):
                if said.get("id") != number:
                    self.events.append(said)
                elif "error" in said:
                    raise AssertionError(f"{method}: {said['error']}")
                else:
                    return said["result"]
        raise AssertionError(f"{method} was never answered")

    def _heard(self, end: float) -> Iterator[dict[str, Any]]:
        while b"\0" not in self.rest:
            if not select.select([self.ours_in], [], [], max(0.0, end - time.monotonic()))[0]:
                return
            data = os.read(self.ours_in, 1 << 20)
            if not data:
                raise AssertionError("the browser is gone")
            self.rest += data
        one, _, self.rest = self.rest.partition(b"\0")
        yield json.loads(one)

    def tab(self) -> Tab:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Runtime", "DOM", "Accessibility"):
            tab.send(f"{domain}.enable")
        return tab

    def close(self) -> None:
        os.kill(self.process, signal.SIGTERM)
        os.waitpid(self.process, 0)
        os.close(self.ours_in)
        os.close(self.ours_out)


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder below a path, as slowly as asked; writes down what it was asked for and what it sent."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, folder: Path, below: str, port: int = 0) -> None:
        self.asked: list[str] = []
        self.sent = 0
        self.rate: float = 0
        handler = functools.partial(_Handler, directory=str(folder), below=below)
        super().__init__(("127.0.0.1", port), handler)
        self.address = f"http://localhost:{self.server_port}{below}/"
        self.turn = threading.Lock()


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: Server

    def __init__(self, *args: Any, below: str, **more: Any) -> None:
        self.below = below
        super().__init__(*args, **more)

    def translate_path(self, path: str) -> str:
        if not path.startswith(f"{self.below}/"):
            return "/nowhere"
        return super().translate_path(path.removeprefix(self.below))

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        file = Path(self.translate_path(self.path))
        file = file / "index.html" if file.is_dir() else file
        if file.suffix in {".html", ".css", ".js", ".mjs", ".svg", ".txt"} and file.is_file():  # as static hosts do
            data = gzip.compress(file.read_bytes(), 6)
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(str(file)))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.copyfile(io.BytesIO(data), self.wfile)
        else:
            super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=600")
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        while data := source.read(1 << 14):
            if rate := self.server.rate:
                with self.server.turn:  # one line for all
                    time.sleep(len(data) / rate)
            outputfile.write(data)
            self.server.sent += len(data)

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # the browser went away
            super().handle()


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def proxy(asked: list[str]) -> Iterator[int]:
    """A proxy that answers nothing: whatever leaves this machine comes here, and is written down."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline(4096).decode("latin-1").strip())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, serving(server):
        yield server.server_address[1]
