from __future__ import annotations

from collections.abc import Sequence

import pytest

from machochain.golang.predict import Found, PredictedLoad, predict_link, search_paths
from machochain.model.go import Directive, ImportDynamic, LdFlag


def flags(words: str) -> tuple[Directive, ...]:
    return tuple(LdFlag(word) for word in words.split())


class Disk:
    """Files of a linker's world: path -> install name, None for static ones."""

    def __init__(self) -> None:
        self.files: dict[str, str | None] = {}
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []

    def find(self, kind: str, name: str, directories: Sequence[str]) -> Found | None:
        self.asked.append((kind, name, tuple(directories)))
        for path in search_paths(kind, name, directories):
            if path in self.files:
                return path, self.files[path]
        return None


@pytest.fixture
def disk() -> Disk:
    made = Disk()
    made.files = {
        "/a/libz.a": None,
        "/b/libz.dylib": "@rpath/libz.1.dylib",
        "/usr/lib/libresolv.tbd": "/usr/lib/libresolv.9.dylib",
        "/F/X.framework/X.tbd": "@rpath/X.framework/Versions/A/X",
        "/p/libq.dylib": "libq.dylib",
        "/p/libs.a": None,
    }
    return made


def test_recorded_imports_are_the_loads(disk: Disk) -> None:
    link = predict_link(
        (
            *flags("-L/b -lz -Wl,-rpath,/r"),
            ImportDynamic("z", "z"),
            ImportDynamic("_", "_", "/usr/lib/libSystem.B.dylib"),
            ImportDynamic("_", "_", "@rpath/libz.1.dylib"),
            ImportDynamic("_", "_", "/usr/lib/libSystem.B.dylib"),
        ),
        disk.find,
    )
    assert [each.name for each in link.loads] == ["/usr/lib/libSystem.B.dylib", "@rpath/libz.1.dylib"]
    assert link.loads[1].source == 'cgo_import_dynamic _ _ "@rpath/libz.1.dylib"'
    assert (link.run_paths, link.unresolved, link.from_imports) == (("/r",), (), True)


def test_recorded_imports_learn_weakness_from_the_flag(disk: Disk) -> None:
    link = predict_link((*flags("-L/b -Wl,-weak-lz"), ImportDynamic("_", "_", "@rpath/libz.1.dylib")), disk.find)
    assert link.loads[0].weak


def test_without_imports_libraries_are_looked_for_in_the_linkers_order(disk: Disk) -> None:
    link = predict_link(flags("-lresolv -L/b -L/a -lz -F/F -framework X /p/libq.dylib /p/libs.a"), disk.find)
    assert link.loads == (
        PredictedLoad("/usr/lib/libresolv.9.dylib", False, "-lresolv (/usr/lib/libresolv.tbd)"),
        PredictedLoad("@rpath/libz.1.dylib", False, "-lz (/b/libz.dylib)"),
        PredictedLoad("@rpath/X.framework/Versions/A/X", False, "-framework X (/F/X.framework/X.tbd)"),
        PredictedLoad("libq.dylib", False, "/p/libq.dylib (/p/libq.dylib)"),
    )
    assert link.static == ("/p/libs.a",)
    assert not link.from_imports


def test_an_archive_in_an_earlier_directory_wins_over_a_dylib(disk: Disk) -> None:
    link = predict_link(flags("-L/a -L/b -lz"), disk.find)
    assert (link.loads, link.static) == ((), ("/a/libz.a",))


def test_what_is_not_found_is_named_with_its_flag(disk: Disk) -> None:
    link = predict_link(flags("-lnone -weak_framework None -Wl,-weak-lgone"), disk.find)
    assert link.unresolved == ("-lnone", "-weak_framework None", "-Wl,-weak-lgone")


def test_one_strong_mention_makes_a_library_strong(disk: Disk) -> None:
    assert predict_link(flags("-L/b -Wl,-weak-lz"), disk.find).loads[0].weak
    assert not predict_link(flags("-L/b -Wl,-weak-lz -lz"), disk.find).loads[0].weak
    assert not predict_link(flags("-L/b -lz -Wl,-weak-lz"), disk.find).loads[0].weak


def test_run_paths_repeat_as_the_flags_do(disk: Disk) -> None:
    assert predict_link(flags("-Wl,-rpath,/r -Wl,-rpath,/r"), disk.find).run_paths == ("/r", "/r")


def test_a_directory_that_an_sdk_has_is_replaced_by_it_and_so_are_the_systems(disk: Disk) -> None:
    predict_link(flags("-Wl,-syslibroot,/sdk -L/own -L/other -Lrelative -lz"), disk.find, {"/sdk/own"}.__contains__)
    assert disk.asked == [
        ("library", "z", ("/sdk/own", "/other", "relative", "/sdk/usr/lib", "/sdk/usr/local/lib")),
    ]


def test_in_a_directory_a_stub_comes_first_and_an_archive_last() -> None:
    assert list(search_paths("library", "z", ["/a/", "/b"])) == [
        "/a/libz.tbd", "/a/libz.dylib", "/a/libz.so", "/a/libz.a",
        "/b/libz.tbd", "/b/libz.dylib", "/b/libz.so", "/b/libz.a",
    ]  # fmt: skip
    assert list(search_paths("framework", "X", ["/F"])) == ["/F/X.framework/X.tbd", "/F/X.framework/X"]
    assert list(search_paths("library", "crt.o", ["/a"])) == ["/a/crt.o"]
    assert list(search_paths("file", "/p/x.dylib", [])) == ["/p/x.dylib"]
