"""Pick the modules the page needs, compile them, pack them. Runs in the Python the page runs: Pyodide's.

Bytecode, because a phone is slower at compiling than at reading; without docstrings and assertions, because nobody
reads them there. The same input gives the same bytes.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import lzma
import marshal
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping

Sources = Mapping[str, bytes]
"""Files by their path below a folder of ``sys.path``, ``/`` between names."""

NOT_IN_A_BROWSER = frozenset(
    {
        "_pyrepl", "bdb", "cProfile", "cmd", "code", "ctypes", "curses", "dbm", "doctest", "ensurepip", "ftplib",
        "http", "idlelib", "imaplib", "pdb", "poplib", "profile", "pydoc", "pydoc_data", "smtplib", "socketserver",
        "sqlite3", "ssl", "test", "tkinter", "turtle", "turtledemo", "unittest", "venv", "webbrowser", "wsgiref",
        "xmlrpc",
    }
)  # fmt: skip
"""Of the standard library: sockets, processes, terminals, and what only tests want."""


def module_of(path: str) -> str | None:
    """Return the name of the module a file holds; None if it holds none."""
    if not path.endswith(".py"):
        return None
    name = path.removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def imports_of(source: bytes, module: str, *, package: bool) -> Iterator[str]:
    """Yield what a module imports anywhere in it, for type checkers only left out; some are attributes, not modules."""
    parents = module.split(".") if package else module.split(".")[:-1]
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        todo += ast.iter_child_nodes(node)


def needed(sources: Sources, roots: Iterable[str]) -> dict[str, str]:
    """Return the modules some roots import, themselves and the packages around them included, each with its file."""
    files = {name: path for path in sources if (name := module_of(path)) is not None}
    found: dict[str, str] = {}
    todo = list(roots)
    while todo:
        parts = todo.pop().split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            if name in found or name not in files:
                continue
            path = found[name] = files[name]
            todo += imports_of(sources[path], name, package=path.endswith("__init__.py"))
    return found


def compiled(sources: Sources, paths: Iterable[str]) -> dict[str, bytes]:
    """Return the bytecode of some files under the names that stand for them where there is no source."""
    made = {}
    for path in sorted(paths):
        code = compile(sources[path], path, "exec", dont_inherit=True, optimize=2)
        # Flag 1: known by a hash that nobody checks (PEP 552).
        head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
        made[f"{path}c"] = head + marshal.dumps(code)
    return made


def packed_zip(files: Mapping[str, bytes]) -> bytes:
    """Return a zip that is not compressed, because it is as a whole when it is sent."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name])
    return out.getvalue()


def packed_tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar, compressed as a whole."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return lzma.compress(out.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def bundle(library: Sources, application: Sources, roots: Iterable[str], first: Iterable[str]) -> tuple[bytes, bytes]:
    """Return what starts the interpreter, and the rest.

    Args:
        library: The standard library.
        application: machochain, what it needs, and files of theirs that are no modules.
        roots: The modules of the application that are used.
        first: The modules that are there before the rest can be unpacked.

    Returns:
        A zip of the modules ``first``; a compressed tar of all others, of the application below ``site-packages/``.
    """
    usable = {path: data for path, data in library.items() if _top(path) not in NOT_IN_A_BROWSER}
    chosen = set(needed({**usable, **application}, [*roots, *first]).values())
    start = {path for name in first if (path := _file_of(usable, name)) is not None}
    early = compiled(usable, start)
    late = compiled(usable, (chosen & usable.keys()) - start)
    late |= {f"site-packages/{path}": data for path, data in compiled(application, chosen & application.keys()).items()}
    late |= {f"site-packages/{path}": data for path, data in application.items() if not path.endswith(".py")}
    return packed_zip(early), packed_tar(late)


def _top(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def _file_of(sources: Sources, name: str) -> str | None:
    base = name.replace(".", "/")
    return next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in sources), None)
