"""The situations: a tree of files below a directory R, and what happens on a Mac."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import Factory, frozen

from tests.factory import dylib, executable, fat, load, reexport, upward

Tree = dict[str, bytes | str]
SYSTEM = ("/usr/lib/", "/System/")


@frozen
class Answer:
    """What a tool says of one process.

    Attributes:
        files: What is loaded besides the program, as real paths, the libraries of the OS left out.
        missing: Load paths that are not found and end the launch.
        fails: Whether the launch fails.
        warns: Whether anything is said about a library built for a newer macOS than the program.
    """

    files: frozenset[str]
    missing: frozenset[str] = frozenset()
    fails: bool = False
    warns: bool = False


@frozen
class Case:
    """One situation.

    Attributes:
        title: What it is about.
        tree: From R to what lies below it: contents, or the target of a link.
        expected: From R to the right answer, by architecture; ``""`` for the only one.
        start: The file that is asked about, below R.
        judges_system: Whether what is said about libraries of the OS counts.
        stubs: Files of an SDK that is given to who can use one.
    """

    title: str
    tree: Callable[[str], Tree]
    expected: Callable[[str], dict[str, Answer]]
    start: str = "bin/main"
    judges_system: bool = False
    stubs: dict[str, str] = Factory(dict)

    def build(self, root: Path) -> None:
        """Write the tree."""
        for name, what in self.tree(str(root)).items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(what, str):
                place.symlink_to(what)
            else:
                place.write_bytes(what)
                place.chmod(0o755)


def _loads(
    *names: str, missing: tuple[str, ...] = (), fails: bool | None = None, warns: bool = False
) -> Callable[[str], dict[str, Answer]]:
    """An answer for the only architecture; names are below R."""

    def expected(root: str) -> dict[str, Answer]:
        lost = frozenset(m.replace("R/", f"{root}/", 1) if m.startswith("R/") else m for m in missing)
        answer = Answer(frozenset(f"{root}/{n}" for n in names), lost, bool(lost) if fails is None else fails, warns)
        return {"": answer}

    return expected


def _tbd(name: str) -> str:
    targets = "targets: [ arm64-macos, x86_64-macos ]"
    return f"--- !tapi-tbd\ntbd-version: 4\n{targets}\ninstall-name: {name}\n...\n"


_GONE_FROM_OS = "/usr/lib/libnosuch.42.dylib"
_STUBS = {
    "SDKSettings.json": '{"CanonicalName":"macosx26.0","Version":"26.0","MaximumDeploymentTarget":"26.0.99"}',
    "usr/lib/libSystem.B.tbd": _tbd("/usr/lib/libSystem.B.dylib"),
    "usr/lib/libSystem.tbd": _tbd("/usr/lib/libSystem.B.dylib"),
    "usr/lib/libz.1.tbd": _tbd("/usr/lib/libz.1.dylib"),
    "usr/lib/libc++.1.tbd": _tbd("/usr/lib/libc++.1.dylib"),
    "usr/lib/libobjc.A.tbd": _tbd("/usr/lib/libobjc.A.dylib"),
    "System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation.tbd": _tbd(
        "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation"
    ),
}

CASES: dict[str, Case] = {
    "01": Case(
        "child has no run path, the program's finds it",
        lambda _: {
            "bin/main": executable("@rpath/liba", rpaths=["@executable_path/../lib"]),
            "lib/liba": dylib("@rpath/liba", "@rpath/libb"),
            "lib/libb": dylib("@rpath/libb"),
        },
        _loads("lib/liba", "lib/libb"),
    ),
    "02": Case(
        "child's own run path beats the program's",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba", rpaths=["@executable_path/../wrong"]),
            "lib/liba": dylib(f"{r}/lib/liba", "@rpath/libb", rpaths=["@loader_path/sub"]),
            "lib/sub/libb": dylib("@rpath/libb"),
            "wrong/libb": dylib("@rpath/libb"),
        },
        _loads("lib/liba", "lib/sub/libb"),
    ),
    "03": Case(
        "@rpath name already loaded: the child's run path is not asked",
        lambda r: {
            "bin/main": executable("@rpath/libb", f"{r}/lib/liba", rpaths=["@executable_path/../one"]),
            "one/libb": dylib("@rpath/libb"),
            "two/libb": dylib("@rpath/libb"),
            "lib/liba": dylib(f"{r}/lib/liba", "@rpath/libb", rpaths=["@loader_path/../two"]),
        },
        _loads("one/libb", "lib/liba"),
    ),
    "04": Case(
        "run path is exactly @loader_path",
        lambda _: {
            "bin/main": executable("@rpath/liba", rpaths=["@loader_path"]),
            "bin/liba": dylib("@rpath/liba"),
        },
        _loads("bin/liba"),
    ),
    "05": Case(
        "@executable_path inside a library",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba"),
            "lib/liba": dylib(f"{r}/lib/liba", "@executable_path/../other/libb"),
            "other/libb": dylib("@executable_path/../other/libb"),
        },
        _loads("lib/liba", "other/libb"),
    ),
    "06": Case(
        "re-exported and upward libraries are loaded too",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba"),
            "lib/liba": dylib(f"{r}/lib/liba", reexport(f"{r}/lib/libre"), upward(f"{r}/lib/libup")),
            "lib/libre": dylib(f"{r}/lib/libre"),
            "lib/libup": dylib(f"{r}/lib/libup"),
        },
        _loads("lib/liba", "lib/libre", "lib/libup"),
    ),
    "07": Case(
        "a weak library that is missing is no error",
        lambda r: {"bin/main": executable(load(f"{r}/lib/gone", weak=True))},
        _loads(),
    ),
    "08": Case(
        "a library without the program's architecture",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba"),
            "lib/liba": dylib(f"{r}/lib/liba", arch="x86_64"),
        },
        _loads(missing=("R/lib/liba",)),
    ),
    "09": Case(
        "one run path twice, built with SDK 26",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba", rpaths=["/a", "/a"], sdk="26.0"),
            "lib/liba": dylib(f"{r}/lib/liba"),
        },
        _loads("lib/liba", fails=True),
    ),
    "10": Case(
        "each slice of a universal program has its own dependents",
        lambda r: {
            "bin/main": fat([
                executable(f"{r}/lib/liba", arch="arm64"),
                executable(f"{r}/lib/libgone", arch="x86_64"),
            ]),
            "lib/liba": dylib(f"{r}/lib/liba"),
        },
        lambda r: {
            "arm64": Answer(frozenset({f"{r}/lib/liba"})),
            "x86_64": Answer(frozenset(), frozenset({f"{r}/lib/libgone"}), fails=True),
        },
    ),
    "11": Case(
        "plainly missing",
        lambda _: {"bin/main": executable("@rpath/gone", rpaths=["@executable_path/../lib"])},
        _loads(missing=("@rpath/gone",)),
    ),
    "12": Case(
        "the first run path finds another architecture, the second the right one",
        lambda _: {
            "bin/main": executable("@rpath/liba", rpaths=["@executable_path/../one", "@executable_path/../two"]),
            "one/liba": dylib("@rpath/liba", arch="x86_64"),
            "two/liba": dylib("@rpath/liba"),
        },
        _loads("two/liba"),
    ),
    "13": Case(
        "a path of the OS that is in no SDK",
        lambda _: {"bin/main": executable(_GONE_FROM_OS)},
        _loads(missing=(_GONE_FROM_OS,)),
        judges_system=True,
        stubs=_STUBS,
    ),
    "14": Case(
        "a leaked Homebrew path",
        lambda _: {"bin/main": executable("/opt/homebrew/opt/xz/lib/liblzma.5.dylib")},
        _loads(missing=("/opt/homebrew/opt/xz/lib/liblzma.5.dylib",)),
    ),
    "15": Case(
        "the program is reached through a link: @executable_path is its real directory",
        lambda _: {
            "real/bin/main": executable("@executable_path/../lib/liba"),
            "real/lib/liba": dylib("@executable_path/../lib/liba"),
            "bin/main": "../real/bin/main",
        },
        _loads("real/lib/liba"),
    ),
    "16": Case(
        "a circle of dependents ends",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba"),
            "lib/liba": dylib(f"{r}/lib/liba", f"{r}/lib/libb"),
            "lib/libb": dylib(f"{r}/lib/libb", f"{r}/lib/liba"),
        },
        _loads("lib/liba", "lib/libb"),
    ),
    "17": Case(
        "a library is built for a newer macOS than the program",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba", minos="11.0"),
            "lib/liba": dylib(f"{r}/lib/liba", minos="14.0"),
        },
        _loads("lib/liba", warns=True),
    ),
    "18": Case(
        "the program's @loader_path run path is relative to the program, not to the child",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba", rpaths=["@loader_path/lib"]),
            "lib/liba": dylib(f"{r}/lib/liba", "@rpath/libb"),
            "bin/lib/libb": dylib("@rpath/libb"),
            "lib/lib/libb": dylib("@rpath/libb"),
        },
        _loads("lib/liba", "bin/lib/libb"),
    ),
    "19": Case(
        "a library in the middle has the run path that a leaf three levels down needs",
        lambda r: {
            "bin/main": executable(f"{r}/lib/liba"),
            "lib/liba": dylib(f"{r}/lib/liba", f"{r}/lib/libb", rpaths=["@loader_path/deep"]),
            "lib/libb": dylib(f"{r}/lib/libb", f"{r}/lib/libc"),
            "lib/libc": dylib(f"{r}/lib/libc", "@rpath/libd"),
            "lib/deep/libd": dylib("@rpath/libd"),
        },
        _loads("lib/liba", "lib/libb", "lib/libc", "lib/deep/libd"),
    ),
}  # fmt: skip
