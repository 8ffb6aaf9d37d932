"""Files by folder: few groups, each a folder a person knows."""

from __future__ import annotations

from machochain.report.folders import folders

TOP = "/Library/Frameworks/Python.framework/Versions/3.13/lib/python3.13/site-packages"


def names(*paths: str, most: int = 24) -> dict[str, int]:
    return {f.name: len(f.keys) for f in folders(((n, 0, path) for n, path in enumerate(paths)), most)}


def test_what_all_files_lie_in_is_not_told() -> None:
    assert names(f"{TOP}/x/a.so", f"{TOP}/x/y/b.so", f"{TOP}/z/c.so") == {"x": 1, "x/y": 1, "z": 1}


def test_a_framework_is_one_thing_in_the_folder_that_holds_it() -> None:
    paths = [f"{TOP}/Qt/lib/{n}.framework/Versions/A/{n}" for n in ("QtCore", "QtGui")]
    inner = f"{TOP}/Qt/lib/QtWeb.framework/Versions/A/Helpers/Web.app/Contents/MacOS/Web"
    assert names(*paths, inner, f"{TOP}/a.so") == {"site-packages": 1, "Qt/lib": 3}


def test_the_deepest_with_the_fewest_files_are_joined_until_there_are_few_enough() -> None:
    paths = [f"/x/qml/{n}/{m}/p.dylib" for n in range(3) for m in range(4)] + ["/x/lib/a", "/x/lib/b"]
    assert names(*paths, most=5) == {"lib": 2, "qml/0": 4, "qml/1": 4, "qml/2": 4}
    assert names(*paths, most=2) == {"lib": 2, "qml": 12}
    assert sum(names(*paths, most=1).values()) == 14


def test_inputs_stay_apart() -> None:
    found = folders([(0, 0, "/a/x/1"), (1, 0, "/a/y/1"), (2, 1, "/a/x/1")])
    assert [(f.name, f.keys) for f in found] == [("1: x", (0,)), ("1: y", (1,)), ("2: x", (2,))]


def test_a_file_without_a_folder_has_a_group_too() -> None:
    assert names("/a", "/b") == {".": 2}
    assert names() == {}
