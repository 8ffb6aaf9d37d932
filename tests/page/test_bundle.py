"""What is packed for the browser: all that is imported, nothing else, the same every time."""

from __future__ import annotations

import io
import json
import marshal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from docs.page.build import FOUND_AT_RUN_TIME, application, roots
from docs.page.bundle import bundle, compiled, imports_of, module_of, needed

LIBRARY = {
    "base.py": b"import inner.one\n",
    "inner/__init__.py": b"",
    "inner/one.py": b"from . import two\n",
    "inner/two.py": b"X = 1\n",
    "unused.py": b"",
    "unittest/__init__.py": b"",
}


def test_a_module_is_called_as_python_calls_it() -> None:
    assert module_of("a/b.py") == "a.b"
    assert module_of("a/__init__.py") == "a"
    assert module_of("a/data.bin") is None


def test_imports_are_found_wherever_they_stand_but_for_type_checkers() -> None:
    source = b"""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import shown
else:
    import real
def late():
    from ..up import name
    try:
        import tried.deep
    except ImportError:
        pass
"""
    found = set(imports_of(source, "p.q.r", package=False))
    assert {"typing", "real", "p.up", "p.up.name", "tried.deep"} <= found
    assert "shown" not in found
    assert "p.q.up" in set(imports_of(b"from .up import x", "p.q", package=True))


def test_what_is_needed_is_followed_through_packages() -> None:
    assert set(needed(LIBRARY, ["base"])) == {"base", "inner", "inner.one", "inner.two"}


def test_bytecode_runs_and_has_neither_docstrings_nor_assertions() -> None:
    made = compiled({"m.py": b'"""Words."""\nassert False\nX = 42\n'}, ["m.py"])
    names: dict[str, object] = {}
    exec(marshal.loads(made["m.pyc"][16:]), names)
    assert names["X"] == 42
    assert names.get("__doc__") is None


def test_each_file_is_packed_once_and_the_same_every_time() -> None:
    application = {
        "app/__init__.py": b"import base, unittest\n",
        "app/data.bin": b"\0",
        "app/spare.py": b"import unused",
    }
    one, two = (bundle(LIBRARY, application, ["app"], ["base", "sys"]) for _ in range(2))
    assert one == two
    early = set(zipfile.ZipFile(io.BytesIO(one[0])).namelist())
    with tarfile.open(fileobj=io.BytesIO(one[1])) as archive:
        late = set(archive.getnames())
    assert early == {"base.pyc"}
    assert late == {
        "inner/__init__.pyc", "inner/one.pyc", "inner/two.pyc",
        "site-packages/app/__init__.pyc", "site-packages/app/data.bin",
    }  # fmt: skip


def test_every_module_an_answer_imports_is_in_the_bundle(tmp_path: Path) -> None:
    """In a process of its own, because the tests have imported everything."""
    script = """
import json, sys, zipfile
from pathlib import Path
from docs.page.answer import handle
folder, hello = Path(sys.argv[1]), Path(sys.argv[2])
with zipfile.ZipFile(folder / "x-1.0-py3-none-any.whl", "w") as wheel:
    wheel.write(hello / "lib/libgreet.1.dylib", "x/libgreet.1.dylib")
    wheel.writestr("x-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: x\\nVersion: 1.0\\n")
    wheel.writestr("x-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
(folder / "tool").write_bytes((hello / "bin/greeter-universal").read_bytes())
(folder / "empty").mkdir()
for names in (["tool"], ["x-1.0-py3-none-any.whl"]):
    handle(json.dumps({"kind": "files", "folder": str(folder), "names": names, "empty": str(folder / "empty")}))
    for form in ("text", "markdown", "json", "sarif", "html"):
        assert json.loads(handle(json.dumps({"kind": "render", "form": form})))["kind"] == "rendered"
handle(json.dumps({"kind": "text", "text": "dyld: Library not loaded: /x"}))
print(json.dumps(sorted(sys.modules)))
"""
    hello = Path(__file__).parents[2] / "testdata" / "hello"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(hello)], capture_output=True, text=True, check=True
    )
    imported = {
        name
        for name in json.loads(done.stdout)
        if name.partition(".")[0] in {"machochain", "attr", "attrs", "packaging", "docs"}
    }
    assert len(imported) > 100
    import attr

    files = application(Path(attr.__file__).parents[1])
    assert imported - set(needed(files, roots(files))) == set()
    heavy = {"lief", "macholib", "networkx", "click", "yaml", "rich", "cryptography"}
    assert not heavy & set(json.loads(done.stdout))


def test_rooms_that_are_imported_by_name_are_there() -> None:
    top = Path(__file__).parents[2] / "machochain"
    for room in FOUND_AT_RUN_TIME:
        assert (top / room).is_dir(), room
