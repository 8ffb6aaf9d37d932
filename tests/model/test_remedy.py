"""Remedies are values, and become words for whoever reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from machochain.model.location import Location
from machochain.model.paths import HostPath, TargetPath
from machochain.model.remedy import FILE, Remedy, RemedyKind, Step, StepKind, steps
from machochain.model.shell import quoted

PLACE = "/app/bin/tool"
ADD = "install_name_tool -add_rpath"
SIGN = f"codesign -f -s - {PLACE}"


def texts(*remedies: Remedy, at: Location | None = None) -> list[str]:
    return [step.line for step in steps(remedies, at)]


@pytest.mark.parametrize(
    ("kind", "argument", "value", "command"),
    [
        (RemedyKind.ADD_RUN_PATH, "@loader_path/..", "", f"{ADD} @loader_path/.. {PLACE} && {SIGN}"),
        (RemedyKind.DELETE_RUN_PATH, "/a b", "", f"install_name_tool -delete_rpath '/a b' {PLACE} && {SIGN}"),
        (RemedyKind.REPLACE_RUN_PATH, "/a", "/b", f"install_name_tool -rpath /a /b {PLACE} && {SIGN}"),
        (
            RemedyKind.SPLIT_RUN_PATH, "/a:/b", "",
            f"install_name_tool -delete_rpath /a:/b -add_rpath /a -add_rpath /b {PLACE} && {SIGN}",
        ),
        (RemedyKind.CHANGE_LOAD, "/a", "@rpath/a", f"install_name_tool -change /a @rpath/a {PLACE} && {SIGN}"),
        (RemedyKind.SET_INSTALL_NAME, "", "@rpath/a", f"install_name_tool -id @rpath/a {PLACE} && {SIGN}"),
        (RemedyKind.SIGN, "", "", SIGN),
        (RemedyKind.SIGN, "IDENTITY", "", f"codesign -f -s IDENTITY {PLACE}"),
        (RemedyKind.REMOVE_SLICE, "i386", "", f"lipo -remove i386 -output {PLACE} {PLACE}"),
    ],
)  # fmt: skip
def test_each_kind_that_changes_a_file_is_one_command(
    kind: RemedyKind, argument: str, value: str, command: str
) -> None:
    assert steps([Remedy(kind, PLACE, argument, value)]) == (Step(StepKind.COMMAND, command),)
    assert kind.changes_file


def test_a_file_is_named_as_it_lies_on_this_machine() -> None:
    here = Location(HostPath("-odd/tool"), (), TargetPath(PLACE))

    assert texts(Remedy(RemedyKind.SIGN, PLACE), at=here) == ["codesign -f -s - ./-odd/tool"]


def test_a_member_of_a_wheel_is_changed_between_unpacking_and_packing() -> None:
    here = Location(HostPath("dist/pkg-1.0-cp312-cp312-any.whl"), ("pkg/x.so",), TargetPath("/s/pkg/x.so"))

    assert texts(Remedy(RemedyKind.SIGN, "/s/pkg/x.so"), at=here) == [
        "python3 -m wheel unpack dist/pkg-1.0-cp312-cp312-any.whl",
        "codesign -f -s - pkg-1.0/pkg/x.so",
        "python3 -m wheel pack pkg-1.0",
    ]


def test_a_member_of_another_archive_is_changed_between_unpacking_and_packing() -> None:
    here = Location(HostPath("my app.zip"), ("inner.zip", "A.app/Contents/MacOS/A"), TargetPath("/Applications/A"))

    assert [(s.kind, s.text) for s in steps([Remedy(RemedyKind.SIGN, "/Applications/A")], here)] == [
        (StepKind.TEXT, "unpack 'my app.zip' and, in it, inner.zip, and go to the folder it is unpacked to"),
        (StepKind.COMMAND, "codesign -f -s - A.app/Contents/MacOS/A"),
        (StepKind.TEXT, "pack 'my app.zip' again"),
    ]


def test_advice_needs_no_unpacking() -> None:
    here = Location(HostPath("x.zip"), ("tool",), TargetPath(PLACE))

    assert texts(Remedy(RemedyKind.ADVICE, argument="build it for arm64"), at=here) == ["build it for arm64"]


def test_advice_names_another_file_of_the_tree_as_the_reader_has_it() -> None:
    advice = Remedy(RemedyKind.ADVICE, argument=f"put it into {FILE}", value="/app/lib")

    assert texts(advice, at=Location(HostPath("out/bin/tool"), (), TargetPath(PLACE))) == ["put it into out/lib"]
    assert texts(advice, at=Location(HostPath("tool"), (), TargetPath(PLACE))) == ["put it into /app/lib"]
    assert texts(advice) == ["put it into /app/lib"]


def test_what_may_be_done_instead_is_a_comment_in_a_block_that_is_pasted() -> None:
    first, second, third = steps(
        [
            Remedy(RemedyKind.COMMAND, argument="go build"),
            Remedy(RemedyKind.COMMAND, argument="go build -a", also=True),
            Remedy(RemedyKind.ADVICE, argument="mind the cache"),
        ]
    )

    assert (first.pasted, second.pasted, third.pasted) == ("go build", "# or go build -a", "# mind the cache")


@pytest.mark.parametrize(
    "name", ["$(touch pwned)", "`touch pwned`", "a; touch pwned", "a\ntouch pwned", "a|touch pwned"]
)
def test_pasting_what_is_for_people_runs_nothing_whatever_a_name_holds(name: str, tmp_path: Path) -> None:
    advice = Remedy(RemedyKind.ADVICE, argument=f"put {quoted(name)} beside {FILE}", value=f"/app/{name}", also=True)
    (step,) = steps([advice])

    for text in (step.text, step.line, step.pasted):
        subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, check=False)  # our own text

    assert list(tmp_path.iterdir()) == []


def test_what_a_person_puts_into_a_wheel_goes_between_unpacking_and_packing() -> None:
    here = Location(HostPath("dist/pkg-1.0-cp312-cp312-any.whl"), ("pkg/x.so",), TargetPath("/s/pkg/x.so"))
    put = Remedy(RemedyKind.ADVICE, argument=f"put the library at {FILE}", value="/s/pkg/lib y.dylib")

    assert texts(put, at=here) == [
        "python3 -m wheel unpack dist/pkg-1.0-cp312-cp312-any.whl",
        "put the library at 'pkg-1.0/pkg/lib y.dylib'",
        "python3 -m wheel pack pkg-1.0",
    ]


def test_what_lies_outside_a_wheel_is_named_as_the_mac_names_it_and_nothing_is_unpacked_for_it() -> None:
    here = Location(HostPath("pkg-1.0-cp312-cp312-any.whl"), ("pkg/x.so",), TargetPath("/s/pkg/x.so"))
    put = Remedy(RemedyKind.ADVICE, argument=f"put the library at {FILE}", value="/opt/y.dylib")

    assert texts(put, at=here) == ["put the library at /opt/y.dylib"]
