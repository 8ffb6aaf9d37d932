"""What a program linked from an archive will load, and what it must be linked with: stated, not recorded."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import machochain
from machochain.findings import Checker
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target
from machochain.model.arch import Arch
from machochain.model.errors import InputError
from machochain.model.image import FileType
from machochain.model.prediction import Prediction
from machochain.model.result import Outcome, Result
from machochain.source.archive import predict_archive
from machochain.world.memory import MemoryFileSystem
from machochain.world.placement import World
from machochain.world.system.catalogue import EmbeddedCatalogue
from tests.factory import Import, MachO, fat
from tests.findings.golang_cases import ARCHIVE, Symbols, ar, obj
from tests.findings.scenes import System

GREET = "@rpath/libgreet.1.dylib"
DATA = Path(__file__).parents[2] / "testdata" / "go"
DYLIB = MachO(install_name=GREET, signed=True).bytes()
STUB = """--- !tapi-tbd
tbd-version: 4
targets: [ arm64-macos ]
install-name: '{name}'
exports:
  - targets: [ arm64-macos ]
    symbols: [ {symbols} ]
...
"""


def go_archive(*pragmas: Sequence[str], objects: Sequence[tuple[str, bytes]] = (), goarch: str = "arm64") -> bytes:
    """A package archive with these pragmas."""
    head = f'go object darwin {goarch} go1.27.3 X:none\nbuild id "a/b"\n\n'.encode()
    section = b"\n$$\n\n$$\n\n\n$$  // cgo\n" + json.dumps(list(pragmas)).encode() + b"\n\n$$\n\n\n!\n"
    return ar(("__.PKGDEF", head + b"\n$$B\nu"), ("_go_.o", head + section + b"\0go120ld"), *objects)


def flags(*words: str) -> list[list[str]]:
    return [["cgo_ldflag", w] for w in words]


def resolve(
    root: Path, data: bytes, tree: Mapping[str, bytes | str] | None = None, *, sdk: Path | None = None, **target: Any
) -> list[Result]:
    """Resolve an archive that lies at /src/pkg.a of a Mac with nothing but these files."""
    for place, content in {"/src/pkg.a": data, **(tree or {})}.items():
        file = root / place[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    report = machochain.resolve(
        root / "src" / "pkg.a",
        target=machochain.Target(**target),
        world=World(root=root, sdks=[sdk] if sdk is not None else []),
    )
    if report.errors:
        raise report.errors[0]
    return list(report.results)


def predicted(*arguments: Any, **more: Any) -> tuple[Result, Prediction]:
    (result,) = resolve(*arguments, **more)
    assert result.prediction is not None
    return result, result.prediction


def loads(result: Result) -> dict[str, Outcome]:
    return {load.dylib.name: load.outcome for load in result.loads if load.source == 0}


def rules(result: Result) -> set[str]:
    return {f.rule for f in result.findings}


LIBSYSTEM = "/usr/lib/libSystem.B.dylib"


def test_the_install_names_cmd_go_recorded_are_searched_by_the_flags_run_paths(tmp_path: Path) -> None:
    data = (DATA / "greet.a").read_bytes()
    there, prediction = predicted(tmp_path, data, {"/opt/greet/lib/libgreet.1.dylib": DYLIB})

    assert prediction.kind == "package"
    assert prediction.go_version == "go1.27.3"
    assert prediction.from_imports
    assert loads(there) == {GREET: Outcome.LOADED, LIBSYSTEM: Outcome.LOADED}
    assert there.launches is None, "nobody has linked it: other objects and flags go in as well"
    assert (there.path, there.images[0].path) == ("/src/pkg.a", "/src/pkg")
    assert "MC609" in rules(there)


def test_without_the_library_the_program_to_come_will_not_launch(tmp_path: Path) -> None:
    gone, _ = predicted(tmp_path, (DATA / "greet.a").read_bytes())

    assert gone.launches is False
    assert gone.message is not None
    assert gone.message.startswith(f"Library not loaded: {GREET}\n")
    assert "tried: '/opt/greet/lib/libgreet.1.dylib' (no such file)" in gone.message


def test_where_nothing_was_recorded_the_flags_are_followed_as_the_linker_would(tmp_path: Path) -> None:
    data = (DATA / "greet-loader-rpath.a").read_bytes()
    found, prediction = predicted(
        tmp_path, data, {"/opt/greet/lib/libgreet.1.dylib": DYLIB, "/lib/libgreet.1.dylib": DYLIB}
    )

    assert not prediction.from_imports
    assert prediction.unresolved == ()
    assert prediction.refused == ("-Wl,-rpath,@loader_path/../lib",)
    assert loads(found) == {GREET: Outcome.LOADED, LIBSYSTEM: Outcome.LOADED}
    # The run path is seen from the program beside the archive: /src/../lib.
    assert found.images[1].path == "/lib/libgreet.1.dylib"


def test_a_library_the_linker_would_not_find_leaves_the_answer_open(tmp_path: Path) -> None:
    result, prediction = predicted(tmp_path, (DATA / "greet-loader-rpath.a").read_bytes())

    assert prediction.unresolved == ("-lgreet.1",)
    assert result.launches is None
    assert "nothing was found for -lgreet.1" in [u.text for u in result.unknowns]
    assert "MC610" in rules(result)


def test_flags_lead_to_stubs_dylibs_archives_and_the_oss_own_libraries(tmp_path: Path) -> None:
    words = ("-L/opt/x", "-lstub", "-lstatic", "-weak-lweak", "-lresolv", "-framework", "CoreFoundation", "-lnothing")
    tree = {
        "/opt/x/libstub.tbd": STUB.format(name="/opt/x/libstub.2.dylib", symbols="_a"),
        "/opt/x/libstub.dylib": DYLIB,
        "/opt/x/libstatic.a": ar(("a.o", obj())),
        "/opt/x/libweak.dylib": MachO(install_name="/opt/x/libweak.dylib").bytes(),
    }
    result, prediction = predicted(tmp_path, go_archive(*flags(*words)), tree)

    assert list(loads(result)) == [
        "/opt/x/libstub.2.dylib",
        "/opt/x/libweak.dylib",
        "/usr/lib/libresolv.9.dylib",
        "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation",
        LIBSYSTEM,
    ]
    assert next(x.dylib.weak for x in result.loads if x.dylib.name == "/opt/x/libweak.dylib")
    assert prediction.static == ("/opt/x/libstatic.a",)
    assert prediction.unresolved == ("-lnothing",)


def test_paths_inside_an_sdk_of_the_build_machine_stand_for_the_oss_libraries(tmp_path: Path) -> None:
    root = "/Applications/Xcode.app/Contents/Developer/SDKs/MacOSX15.sdk"
    result, prediction = predicted(tmp_path, go_archive(*flags("-isysroot", root, "-lz")))

    assert "/usr/lib/libz.1.dylib" in loads(result)
    assert prediction.unresolved == ()


def test_repeated_run_paths_are_written_once(tmp_path: Path) -> None:
    words = ("-Wl,-rpath,/a", "-Wl,-rpath,/b", "-Wl,-rpath,/a")
    result, _ = predicted(tmp_path, go_archive(*flags(*words)))

    assert result.images[0].image is not None
    assert [r.path for r in result.images[0].image.run_paths] == ["/a", "/b"]


def test_the_architecture_comes_from_gos_header(tmp_path: Path) -> None:
    assert [r.arch for r in resolve(tmp_path, go_archive(goarch="amd64"))] == ["x86_64"]
    with pytest.raises(InputError, match=r"nothing in it that could be linked for arm64 \(it has x86_64\)"):
        resolve(tmp_path, go_archive(goarch="amd64"), arch="arm64")


def test_a_c_archive_is_told_what_to_link_with(tmp_path: Path) -> None:
    wanted = ["_malloc", "_pthread_create", "_res_9_ninit", "_CFRelease", "_SecTrustEvaluateWithError", "_dlopen"]
    result, prediction = predicted(tmp_path, ar(("a.o", obj(*wanted))))

    # What libSystem and its parts export needs no flag.
    assert prediction.flags == ("-lresolv", "-framework CoreFoundation", "-framework Security")
    assert prediction.unprovided == ()
    assert result.launches is None
    assert set(loads(result).values()) == {Outcome.LOADED}
    (finding,) = [f for f in result.findings if f.rule == "MC611"]
    assert finding.message.endswith("link with -lresolv -framework CoreFoundation -framework Security")


def test_a_part_of_a_framework_is_linked_through_the_framework(tmp_path: Path) -> None:
    _, prediction = predicted(tmp_path, ar(("a.o", obj("_FSEventStreamCreate", "_LSOpenCFURLRef"))))

    assert prediction.flags == ("-framework CoreServices",)


def test_of_several_providers_those_that_are_needed_anyway_are_taken(tmp_path: Path) -> None:
    _, alone = predicted(tmp_path, ar(("a.o", obj("_objc_msgSend", "_NSLog", "_OBJC_CLASS_$_NSString"))))

    assert alone.flags == ("-lobjc", "-framework Foundation")


def test_what_the_members_define_is_not_missing_and_the_rest_is(tmp_path: Path) -> None:
    data = ar(("a.o", obj("_greet_add", "_helper")), ("b.o", obj(exports=["_helper"])))
    result, prediction = predicted(tmp_path, data)

    assert prediction.unprovided == ("_greet_add",)
    assert [(m.symbol, m.source) for m in result.missing_symbols] == [("_greet_add", 0)]
    assert result.launches is None
    words = [u.text for u in result.unknowns]
    assert "no library of the OS has _greet_add: what else is linked must define it" in words


def test_a_weak_reference_needs_nobody(tmp_path: Path) -> None:
    weak = MachO(file_type=FileType.MH_OBJECT, imports=[Import("_maybe", weak=True)], libsystem=False).bytes()
    assert predicted(tmp_path, ar(("a.o", weak)))[1].unprovided == ()
    # Another member that cannot do without decides.
    assert predicted(tmp_path, ar(("a.o", weak), ("b.o", obj("_maybe"))))[1].unprovided == ("_maybe",)


def test_an_sdk_knows_libraries_that_the_catalogue_does_not(tmp_path: Path) -> None:
    sdk = tmp_path / "sdk"
    (sdk / "usr" / "lib").mkdir(parents=True)
    (sdk / "usr" / "lib" / "libmine.tbd").write_text(STUB.format(name="/usr/lib/libmine.1.dylib", symbols="_of_mine"))
    (sdk / "usr" / "lib" / "libother.tbd").write_text(STUB.format(name="/usr/lib/libother.dylib", symbols="_other"))
    data = ar(("a.o", obj("_of_mine")))

    assert predicted(tmp_path / "a", data)[1].unprovided == ("_of_mine",)
    _, prediction = predicted(tmp_path / "b", data, sdk=sdk)
    assert prediction.unprovided == ()
    assert prediction.sources == (("/usr/lib/libmine.1.dylib", "_of_mine"),)


def test_each_architecture_of_a_universal_archive_is_predicted(tmp_path: Path) -> None:
    intel = MachO(file_type=FileType.MH_OBJECT, arch="x86_64", imports=["_compress"], libsystem=False).bytes()
    data = fat([ar(("a.o", obj("_compress"))), ar(("a.o", intel))], archs=[Arch.named("arm64"), Arch.named("x86_64")])
    results = resolve(tmp_path, data)

    assert [(r.arch, r.prediction and r.prediction.flags) for r in results] == [
        ("arm64", ("-lz",)),
        ("x86_64", ("-lz",)),
    ]


def test_each_release_is_predicted(tmp_path: Path) -> None:
    results = resolve(tmp_path, go_archive(), macos=("12", "26"))
    assert [str(r.macos) for r in results] == ["12.0", "26.0"]


def test_a_broken_member_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    data = ar(("a.o", obj("_compress")), ("b.o", b"\xcf\xfa\xed\xfe" + bytes(8)))[:-3]
    result, prediction = predicted(tmp_path, data)

    assert prediction.flags == ("-lz",)
    assert prediction.facts
    assert "MC614" in rules(result)


def test_broken_pragmas_are_told_and_the_program_is_predicted_without_them(tmp_path: Path) -> None:
    data = go_archive().replace(b"$$  // cgo\n[]", b"$$  // cgo\n[}")
    result, prediction = predicted(tmp_path, data)

    assert any("JSON" in fact for fact in prediction.facts)
    assert list(loads(result)) == [LIBSYSTEM]


def test_an_archive_without_objects_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it has no object file"):
        resolve(tmp_path, ar(("README", b"hello")))


_SEEDS = (
    (DATA / "greet-loader-rpath.a").read_bytes(),
    ar(("go.o", obj("_compress", minos="13.0")), ("a.o", obj("_greet_add", exports=["_x"]))),
)


@given(seed=st.sampled_from(_SEEDS), at=st.integers(0, 1 << 16), change=st.binary(min_size=1, max_size=8))
def test_no_damage_makes_a_prediction_fail(seed: bytes, at: int, change: bytes) -> None:
    at %= len(seed)
    mac = Mac(MemoryFileSystem({ARCHIVE: seed[:at] + change + seed[at + len(change) :]}), System())
    checker = Checker()
    with contextlib.suppress(InputError):
        for result in predict_archive(mac, mac.look(ARCHIVE), ARCHIVE, Target(), Symbols(), stages=(checker.stage,)):
            assert result.prediction is not None


def test_no_tool_is_named_for_a_program_that_does_not_exist_yet(tmp_path: Path) -> None:
    gone, prediction = predicted(tmp_path, (DATA / "greet.a").read_bytes())
    steps = [step for f in gone.findings for step in f.remedy]

    assert prediction.directories == ("/opt/greet/lib",)
    assert any("go build" in step for step in steps)
    assert not any("install_name_tool" in step or "codesign" in step for step in steps)


def test_a_class_and_its_metaclass_are_both_found_in_the_os() -> None:
    names = ["_OBJC_CLASS_$_NSView", "_OBJC_METACLASS_$_NSView"]
    found = EmbeddedCatalogue().providers(names)

    assert all(found[name] for name in names)
    assert found[names[0]] == found[names[1]]
