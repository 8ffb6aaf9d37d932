"""Public cgo modules as facts: names of files, constraints, ``#cgo`` lines, and what ``go list`` made of them.

``testdata/modules/*.json`` holds one module at one commit each. No source is kept: of a Go file its constraints, its
package clause and the ``#cgo`` lines above ``import "C"``; of any other file its name and its constraints. They are
picked line by line, not by the reader that is tested. ``python -m tests.golang.golden GO DIR=NAME@COMMIT …`` writes
the files anew and holds the reader against ``go list`` on the whole source, too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from machochain.golang.constraint import BuildContext, release_tags
from machochain.golang.package import Heads, read_package
from machochain.golang.settings import Settings, feature_tags

FOLDER: Final = Path(__file__).parent.parent.parent / "testdata" / "modules"
ROOT: Final = "/module"
MINOR: Final = 27
TARGETS: Final = ("darwin/arm64", "darwin/amd64", "linux/amd64")
LISTS: Final = {
    "GoFiles": "go_files", "CgoFiles": "cgo_files", "IgnoredGoFiles": "ignored_go_files", "CFiles": "c_files",
    "CXXFiles": "cxx_files", "MFiles": "m_files", "HFiles": "h_files", "FFiles": "f_files", "SFiles": "s_files",
    "SwigFiles": "swig_files", "SwigCXXFiles": "swigcxx_files", "SysoFiles": "syso_files",
    "TestGoFiles": "test_go_files", "XTestGoFiles": "xtest_go_files", "InvalidGoFiles": "invalid_go_files",
    "IgnoredOtherFiles": "ignored_other_files",
}  # fmt: skip
VERBS: Final = {
    "CgoCFLAGS": "CFLAGS", "CgoCPPFLAGS": "CPPFLAGS", "CgoCXXFLAGS": "CXXFLAGS", "CgoFFLAGS": "FFLAGS",
    "CgoLDFLAGS": "LDFLAGS", "CgoPkgConfig": "pkg-config",
}  # fmt: skip
_EXTENSIONS: Final = frozenset(
    {
        ".go", ".c", ".cc", ".cpp", ".cxx", ".m", ".h", ".hh", ".hpp", ".hxx", ".f", ".F", ".for", ".f90", ".s", ".S",
        ".sx", ".swig", ".swigcxx", ".syso", ".mm", ".C", ".c++", ".inl",
    }
)  # fmt: skip
_CONSTRAINT: Final = re.compile(r"//go:build\s.*|//\s*\+build\s.*")
_PACKAGE: Final = re.compile(r"package\s+(\w+)")
_IMPORT_C: Final = re.compile(r'(?:import\s+)?"C"\s*(?://.*)?')
_DIRECTIVE: Final = re.compile(r"(?://|/?\*+)?\s*(#cgo\s.*?)(?:\s*\*/)?")
_CODE: Final = re.compile(r"(?:func|type|var|const)\b")


def pick(text: str, *, go: bool) -> list[str]:
    """Pick the lines of a file that are facts; the package clause and ``"C"`` stand for themselves."""
    picked: list[str] = []
    waiting: list[str] = []
    named = inside = False
    for raw in text.removeprefix("\ufeff").splitlines():
        line = raw.strip()
        if not named and not inside and _CONSTRAINT.fullmatch(line):
            picked.append(line)
        elif go and named and _IMPORT_C.fullmatch(line):
            picked += [*waiting, 'import "C"']
            waiting = []
        elif go and named and (found := _DIRECTIVE.fullmatch(line)) and (inside or line.startswith(("//", "/*"))):
            waiting.append(found[1])
        elif go and not named and not inside and (found := _PACKAGE.match(line)):
            picked.append(f"package {found[1]}")
            named = True
        elif not inside and ((named and _CODE.match(line)) or (not go and line and not line.startswith(("/", "*")))):
            break
        if not line.startswith("//"):
            inside = ("/*" in line and "*/" not in line) or (inside and "*/" not in line)
    return picked


def skeleton(lines: Sequence[str]) -> bytes:
    """Make a file of what was picked."""
    text = ""
    for line in lines:
        if line.startswith("package "):
            text += f"\n{line}\n\n"
        elif line.startswith("#cgo"):
            text += f"// {line}\n"
        else:
            text += f"{line}\n\n" if line.startswith("import") else f"{line}\n"
    return f"{text}\n".encode("utf-8", "surrogateescape")


def context_of(target: str) -> BuildContext:
    """Return the context Go 1.27 has for a target, without settings of its user."""
    goos, goarch = target.split("/")
    return BuildContext(goos, goarch, True, release_tags(MINOR) | feature_tags(Settings({}, {}), goarch))


def read(directory: str, files: Mapping[str, bytes], context: BuildContext) -> dict[str, list[str]]:
    """Read a directory; return its lists that are not empty, under the names of ``go list``."""
    package = read_package(directory, files, Heads(files.__getitem__), context)
    mine = {key: list(getattr(package, name)) for key, name in LISTS.items()}
    mine |= {key: list(package.flags(verb)) for key, verb in VERBS.items()}
    return shown(mine)


def shown(lists: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Leave out what ``go list`` leaves out for a directory without a Go file that counts, and empty lists."""
    counts = any(lists.get(key) for key in ("GoFiles", "CgoFiles", "TestGoFiles", "XTestGoFiles"))
    keys = [*LISTS, *VERBS] if counts else ["IgnoredGoFiles", "InvalidGoFiles"]
    return {key: list(lists[key]) for key in keys if lists.get(key)}


def replay(module: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, list[str]], dict[str, list[str]]]]:
    """Yield each directory and target of a recorded module with what is read and what ``go list`` said."""
    for name, each in module["packages"].items():
        files = {file: skeleton(lines) for file, lines in each["files"].items()}
        for target in TARGETS:
            said = each["go_list"].get(target, each["go_list"].get("all"))
            yield name, target, read(f"{ROOT}/{name}".removesuffix("/."), files, context_of(target)), said


def listed(go: str, module: Path, names: Sequence[str], target: str) -> dict[str, dict[str, list[str]]]:
    """Ask ``go list`` for directories of one module."""
    goos, goarch = target.split("/")
    environment = {
        **os.environ, "GOOS": goos, "GOARCH": goarch, "CGO_ENABLED": "1", "GOFLAGS": "-mod=mod", "GOPROXY": "off",
        "GOTOOLCHAIN": "local", "GOWORK": "off", "GOENV": "off",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as alone:
        # Requirements would have to be fetched; they change nothing in what a directory says.
        stand_in = Path(alone, "go.mod")
        stand_in.write_text(f"module example.org/m\n\ngo 1.{MINOR}\n")
        command = [go, "list", "-e", "-find", "-json", f"-modfile={stand_in}", *(f"./{name}" for name in names)]
        done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    decoder, at, found = json.JSONDecoder(), 0, {}
    while done.stdout[at:].strip():
        at += len(done.stdout[at:]) - len(done.stdout[at:].lstrip())
        value, at = decoder.raw_decode(done.stdout, at)
        lists = {key: [w.replace(str(module), ROOT) for w in value.get(key) or []] for key in (*LISTS, *VERBS)}
        found[os.path.relpath(value["Dir"], module)] = shown(lists)
    if not found:
        raise SystemExit(f"go list says nothing of {module}: {done.stderr[:500]}")
    return found


def _directories(module: Path) -> Iterator[str]:
    for folder, below, names in os.walk(module):
        below[:] = [
            n for n in below
            if n not in ("testdata", "vendor") and n[0] != "." and not Path(folder, n, "go.mod").exists()
        ]  # fmt: skip
        if any(n.endswith(".go") for n in names):
            yield os.path.relpath(folder, module)


def _files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.suffix in _EXTENSIONS}


def _record(go: str, module: Path, title: str, commit: str) -> dict[str, Any]:
    names = sorted(_directories(module))
    said = {target: listed(go, module, names, target) for target in TARGETS}
    packages: dict[str, Any] = {}
    rows = differences = 0
    for name in names:
        files = _files(module / name)
        for target in TARGETS:
            real = read(str(module / name).removesuffix("/."), files, context_of(target))
            real = {key: [w.replace(str(module), ROOT) for w in value] for key, value in real.items()}
            rows += 1
            if real != said[target].get(name, {}):
                differences += 1
                print("source:", title, name, target, real, said[target].get(name))
        picked = {
            f: pick(data.decode("utf-8", "surrogateescape"), go=f.endswith(".go")) for f, data in sorted(files.items())
        }
        cgo = any('import "C"' in lines for lines in picked.values())
        if not cgo and all(f.endswith(".go") for f in files):
            continue
        answers = {target: said[target].get(name, {}) for target in TARGETS}
        same = all(answer == answers[TARGETS[0]] for answer in answers.values())
        packages[name] = {"files": picked, "go_list": {"all": answers[TARGETS[0]]} if same else answers}
    print(f"{title}: {rows} comparisons on the whole source, {differences} differences; {len(packages)} packages kept")
    return {"module": title, "commit": commit, "go": f"1.{MINOR}", "packages": packages}


def main(go: str, *modules: str) -> None:
    """Write the records of modules, given as ``DIR=NAME@COMMIT``."""
    for each in modules:
        folder, _, name = each.rpartition("=")
        title, _, commit = name.partition("@")
        record = _record(go, Path(folder), title, commit)
        wrong = [row for row in replay(record) if row[2] != row[3]]
        for row in wrong:
            print("record:", *row)
        target = FOLDER / f"{title.removeprefix('github.com/').replace('/', '_')}.json"
        lines = (f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in record.pop("packages").items())
        head = json.dumps(record)[:-1]
        target.write_text(head + ', "packages": {\n' + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).absolute()), *sys.argv[2:])
