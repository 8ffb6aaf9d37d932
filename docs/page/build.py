"""Put the page together: what stands here, Pyodide, machochain compiled for it. See docs/try.md.

What comes from registries is pinned with hashes (``package-lock.json``, ``requirements.txt``) and goes into a folder of
the cache, never into the checkout. The same sources give the same files.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from docs.page import bundle
from machochain._version import __version__
from machochain.dyld.profile import NAMES, is_unread, majors
from machochain.model.value import frozen
from machochain.model.version import Version

HERE: Final = Path(__file__).parent
TOP: Final = HERE.parent.parent
STATIC: Final = HERE / "static"
_LEFT_OUT: Final = ("cli", "__main__.py", "__pycache__", "py.typed")
_HEX: Final = 12

FOUND_AT_RUN_TIME: Final = ("findings/rules", "world/archives/containers", "world/archives/packages", "diagnosis")
"""Rooms whose modules are imported by name, so that no import statement leads to them."""
FACTS: Final = "machochain/world/system/data/catalogue.bin"
FORMATS: Final = ("text", "audit_json", "audit_text", "sarif", "markdown", "html", "diagnosis", "resolution")
"""Renderers the page asks for, which are imported by name, too."""
CODECS: Final = (
    "ascii", "charmap", "cp437", "cp1252", "idna", "latin_1", "mac_roman", "punycode", "raw_unicode_escape",
    "unicode_escape", "utf_8", "utf_8_sig", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le",
)  # fmt: skip
"""Encodings, which are looked up by name: those of zip, of disk images, of property lists, of messages."""


@frozen
class Parts:
    """What the page is put together from.

    Attributes:
        pyodide: The npm package, unpacked.
        boot: The modules that start Python, as a zip.
        rest: All others, as a compressed tar.
        facts: What is known of macOS's libraries: a quarter of all bytes, and only needed by the first question.
    """

    pyodide: Path
    boot: bytes
    rest: bytes
    facts: bytes


class BuildError(Exception):
    """The page cannot be built here; says what is missing."""


def fetch(cache: Path) -> tuple[Path, Path]:
    """Fetch Pyodide and what machochain needs, unless the cache has them.

    Returns:
        The npm package, unpacked; a folder with the Python packages.

    Raises:
        BuildError: No npm, or a registry cannot be reached, or gives other files than those that were pinned.
    """
    pins = [HERE / "package.json", HERE / "package-lock.json", HERE / "requirements.txt"]
    digest = hashlib.sha256(b"\0".join(pin.read_bytes() for pin in pins)).hexdigest()[:_HEX]
    folder = cache / f"page-{digest}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for pin in pins:
            shutil.copy(pin, folder)
        _run("npm", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        pip += ["--only-binary", ":all:", "--no-deps", "--no-compile", "--target", "python"]
        _run("pip", [*pip, "-r", "requirements.txt"], folder)
        (folder / "complete").touch()
    return folder / "node_modules" / "pyodide", folder / "python"


def _run(tool: str, command: list[str], folder: Path) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise BuildError(f"{tool} is not installed here")
    done = subprocess.run(  # noqa: S603  # npm, pip or node, with arguments of ours
        [program, *command[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"{tool} failed in {folder}:\n{(done.stderr or done.stdout)[-2000:]}")


def application(python: Path, top: Path = TOP) -> dict[str, bytes]:
    """Return the files that run in the browser: machochain but for its command line, what it needs, the page's own."""
    files = dict(_tree(top / "machochain", "machochain", _LEFT_OUT))
    for package in ("attr", "attrs", "packaging"):
        files |= dict(_tree(python / package, package, ("__pycache__", "py.typed")))
    files = {name: data for name, data in files.items() if not name.endswith(".pyi")}
    files["docs/__init__.py"] = b""
    for name in ("__init__.py", "answer.py", "cards.py"):
        files[f"docs/page/{name}"] = (HERE / name).read_bytes()
    return files


def _tree(folder: Path, name: str, left_out: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.is_file() and not set(left_out) & {inner.parts[0], path.name, path.parent.name}:
            yield f"{name}/{inner.as_posix()}", path.read_bytes()


def roots(files: Mapping[str, bytes]) -> list[str]:
    """Return the modules the page starts from."""
    found = {"docs.page.answer", *(f"machochain.report.{name}" for name in FORMATS)}
    found |= {f"encodings.{name}" for name in CODECS}
    for path in files:
        module = bundle.module_of(path)
        if module is not None and path.removeprefix("machochain/").startswith(FOUND_AT_RUN_TIME):
            found.add(module)
    return sorted(found)


def compile_parts(pyodide: Path, files: Mapping[str, bytes]) -> Parts:
    """Compile and pack what runs in the browser, with the Python that will run it.

    Raises:
        BuildError: No node, or it failed.
    """
    with tempfile.TemporaryDirectory(prefix="machochain-page-") as name:
        work = Path(name)
        for path, data in files.items():
            if path == FACTS:
                continue
            target = work / "application" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (work / "roots.json").write_text(json.dumps(roots(files)), encoding="utf-8")
        shutil.copy(HERE / "bundle.py", work)
        _run("node", ["node", str(HERE / "bundle.mjs"), str(pyodide), str(work)], work)
        return Parts(pyodide, (work / "boot.zip").read_bytes(), (work / "rest.tar.xz").read_bytes(), files[FACTS])


def write(parts: Parts, out: Path) -> dict[str, int]:
    """Write the site.

    Args:
        parts: What it is put together from.
        out: The folder; what is in it is replaced, but a folder with something else in it is left alone.

    Returns:
        How many bytes a first visit transfers, by file.

    Raises:
        BuildError: The folder holds something else.
    """
    if out.exists() and any(out.iterdir()) and not (out / "serviceworker.js").exists():
        raise BuildError(f"{out} holds something else: name an empty folder, or one this command wrote")
    shutil.rmtree(out, ignore_errors=True)
    engine = _engine_files(parts)
    engine_name = _named("engine", engine)
    page = _page_files(parts, engine, engine_name)
    page_name = _named("page", page)
    site = {f"{engine_name}/{name}": data for name, data in engine.items()}
    site |= {f"{page_name}/{name}": data for name, data in page.items()}
    facts = {"@PAGE@": page_name, "@VERSION@": __version__, "@PYODIDE@": _package(parts)["version"]}
    site["index.html"] = _filled("index.html", facts)
    kept = json.dumps(["./", *sorted(site.keys() - {"index.html"})])
    site["serviceworker.js"] = _filled("serviceworker.js", {**facts, "@FILES@": kept})
    for name, data in site.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {name: len(data) for name, data in sorted(site.items())}


def _engine_files(parts: Parts) -> dict[str, bytes]:
    """Return what runs Python. What is fetched by us is compressed here, because not every host does it."""
    wasm = (parts.pyodide / "pyodide.asm.wasm").read_bytes()
    return {
        "pyodide.mjs": _without_map(parts.pyodide / "pyodide.mjs"),
        "pyodide.asm.mjs": _without_map(parts.pyodide / "pyodide.asm.mjs"),
        "wasm.bin": gzip.compress(wasm, 9, mtime=0),
        "boot.bin": gzip.compress(parts.boot, 9, mtime=0),
        "rest.bin": parts.rest,
        "facts.bin": parts.facts,
    }


def _without_map(path: Path) -> bytes:
    lines = path.read_bytes().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"//# sourceMappingURL="))


def _page_files(parts: Parts, engine: Mapping[str, bytes], engine_name: str) -> dict[str, bytes]:
    shown = ("main.js", "engine.js", "intake.js", "worker.js", "page.css", "icon.svg")
    files = {name: (STATIC / name).read_bytes() for name in shown}
    for name in ("report.css", "report.js"):
        files[name] = (TOP / "machochain" / "report" / "assets" / name).read_bytes()
    samples, described = examples()
    files |= {f"examples/{name}": data for name, data in samples.items()}
    files["notices.txt"] = (STATIC / "notices.txt").read_bytes() + b"\n" + (TOP / "LICENSE").read_bytes()
    lock = json.loads((parts.pyodide / "pyodide-lock.json").read_text(encoding="utf-8"))
    library = "/lib/python" + ".".join(lock["info"]["python"].split(".")[:2])
    built: dict[str, Any] = {
        "ENGINE": f"../{engine_name}/",
        "FILES": [{"name": name, "size": len(engine[name])} for name in ("wasm.bin", "boot.bin", "rest.bin")],
        "PYTHON": library,
        "FACTS": f"{library}/site-packages/{FACTS}",
        "LOCK": {"info": lock["info"], "packages": {}},
        "RELEASES": releases(),
        "EXAMPLES": described,
    }
    lines = [f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n" for name, value in built.items()]
    files["built.js"] = "".join(lines).encode()
    return files


def releases() -> list[tuple[str, str]]:
    """Return what can be chosen of macOS, the newest first: what is asked for, and what it is called."""
    names = {number: name.title() for name, number in NAMES.items()}
    found = []
    for major in sorted(majors(), reverse=True):
        unread = is_unread(Version.of(major))
        words = f"{major} {names.get(major, '')}".rstrip() + (" (by the rules of the one before)" if unread else "")
        found.append((str(major) if unread else f"{major}..{major}", words))
    return found


MESSAGE: Final = """dyld[514]: Library not loaded: @rpath/libgreet.1.dylib
  Referenced from: <20C9CAAB-D1FA-3534-B96D-6C089EF2842C> /Users/user/Downloads/greeter-broken
  Reason: no LC_RPATH's found
zsh: abort      ./greeter-broken
"""


def examples() -> tuple[dict[str, bytes], list[dict[str, object]]]:
    """Return files to try the page with, and how they are offered."""
    hello = TOP / "testdata" / "hello"
    inside = ("bin/greeter", "lib/libgreet.1.dylib")
    files = {
        "hello.zip": _zip({f"hello/{name}": (hello / name).read_bytes() for name in inside}),
        "greeter-broken": (hello / "bin" / "greeter-broken").read_bytes(),
        "message.txt": MESSAGE.encode(),
    }
    offered: list[dict[str, object]] = [
        {"words": "a zip that works", "name": "hello.zip", "text": False},
        {"words": "a program that cannot find its library", "name": "greeter-broken", "text": False},
        {"words": "what a Mac said", "name": "message.txt", "text": True},
    ]
    return files, [{**each, "file": f"./examples/{each['name']}"} for each in offered]


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return out.getvalue()


def _package(parts: Parts) -> dict[str, str]:
    found: dict[str, str] = json.loads((parts.pyodide / "package.json").read_text(encoding="utf-8"))
    return found


def _filled(name: str, values: Mapping[str, str]) -> bytes:
    text = (STATIC / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(key, value)
    return text.encode()


def _named(kind: str, files: Mapping[str, bytes]) -> str:
    """Return a name that changes with what is in a folder, so that what a browser kept is never out of date."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return f"{kind}-{digest.hexdigest()[:_HEX]}"


def default_cache() -> Path:
    """Return where what was fetched is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "machochain"


def build(out: Path, cache: Path | None = None) -> dict[str, int]:
    """Build the page.

    Args:
        out: The folder to write.
        cache: Where what is fetched is kept.

    Returns:
        The files and their sizes.

    Raises:
        BuildError: Something it needs is missing.
    """
    pyodide, python = fetch(cache or default_cache())
    return write(compile_parts(pyodide, application(python)), out)
