"""The walk: order, who counts as loaded already, whose run paths count, what is said if something is missing."""

from __future__ import annotations

from typing import Any

import pytest

from machochain.dyld.config import HARDENED, RESTRICTED, Security
from machochain.dyld.profile import profile_for
from machochain.model.result import LoadedImage, Origin, Outcome, UnknownKind
from machochain.model.search import SearchRule
from machochain.model.version import Version
from tests.factory import (
    MachO,
    build_version,
    bundle,
    delayed,
    dylib,
    executable,
    fat,
    lazy,
    load,
    reexport,
    upward,
    use,
)
from tests.graph.modelled import (
    CRYPTEX,
    DYLD4,
    GENERATIONS,
    LIBSYSTEM,
    dlopen,
    examine,
    image_at,
    launch,
    libraries,
    load_of,
    make_mac,
    paths,
    served,
    tried,
)

every = pytest.mark.parametrize("macos", GENERATIONS)
dyld4 = pytest.mark.parametrize("macos", DYLD4)
Tree = dict[str, bytes | str | None]


def plain(links: dict[str, list[Any]], **main: Any) -> Tree:
    """Libraries ``/l/NAME`` that load each other; ``main`` is the program ``/app/main``."""
    return {
        "/app/main" if name == "main" else f"/l/{name}": (
            executable(*(x if not isinstance(x, str) else f"/l/{x}" for x in asks), **main)
            if name == "main"
            else dylib(f"/l/{name}", *(x if not isinstance(x, str) else f"/l/{x}" for x in asks))
        )
        for name, asks in links.items()
    }


def order(walked: Any) -> str:
    return "".join(p.rpartition("/")[2] for p in paths(walked)[1:])


# -- order --


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        # JustInTimeLoader.cpp: loadDependents(): the level first, then each of it; dyld2's ImageLoader.cpp is the same
        ({"main": ["A", "B"], "A": ["C"], "C": ["D"], "B": ["E"], "D": [], "E": []}, "ABCDE"),
        ({"main": ["A", "B", "C"], "A": ["C", "D"], "B": ["D"], "C": [], "D": ["E"], "E": []}, "ABCDE"),
        ({"main": ["A"], "A": ["B"], "B": ["A", "C"], "C": ["main"]}, "ABC"),
        ({"main": ["B", "A", "B"], "A": [], "B": ["A"]}, "BA"),
    ],
)
@every
def test_a_level_is_loaded_before_what_is_below_it(macos: str, links: dict[str, list[Any]], expected: str) -> None:
    links = {k: [x for x in v if x != "main"] for k, v in links.items()}
    assert order(launch(make_mac(plain(links)), macos=macos)) == expected


@every
def test_every_kind_of_command_loads_in_file_order_and_lazy_ones_do_not(macos: str) -> None:
    names = {
        "A": upward("/l/A"), "B": reexport("/l/B"), "C": load("/l/C", weak=True), "D": delayed("/l/D"),
        "E": use("/l/E", 2), "F": lazy("/l/F"), "G": load("/l/G"),
    }  # fmt: skip
    tree: Tree = {f"/l/{n}": dylib(f"/l/{n}") for n in names}
    tree["/app/main"] = executable(*names.values())
    walked = launch(make_mac(tree), macos=macos)
    assert order(walked) == "ABCDEG"
    assert [x.dylib.ordinal for x in walked.loads if x.dylib.name.startswith("/l/")] == [1, 2, 3, 4, 5, 6]


@every
def test_an_image_without_dependents_gets_libsystem(macos: str) -> None:
    # UnsafeHeader.cpp: forEachLinkedDylib(); no load command, so no load is told of
    tree: Tree = {"/l/A": dylib("/l/A", libsystem=False), "/app/main": executable("/l/A", libsystem=False)}
    walked = launch(make_mac(tree), macos=macos)
    assert [i.path for i in walked.images] == ["/app/main", "/l/A", LIBSYSTEM]
    assert [x.dylib.name for x in walked.loads] == ["/l/A"]


def test_what_lies_below_usr_lib_system_gets_no_libsystem() -> None:
    inner = "/usr/lib/system/libx.dylib"
    tree: Tree = {inner: dylib(inner, libsystem=False), "/app/main": executable(inner, libsystem=False)}
    assert LIBSYSTEM not in [i.path for i in launch(make_mac(tree)).images]


# -- loaded already --


@every
def test_a_load_path_that_is_a_loaded_path_needs_no_file(macos: str) -> None:
    tree = plain({"main": ["A", "B"], "A": [], "B": ["A"]})
    walked = launch(make_mac(tree), macos=macos, environment={"DYLD_LIBRARY_PATH": "/none"})
    again = [x for x in walked.loads if x.dylib.name == "/l/A"][1]
    assert (again.outcome, again.to) == (Outcome.ALREADY_LOADED, 1)


@dyld4
def test_an_install_name_answers_before_the_file_of_that_path(macos: str) -> None:
    # matchesPath(): altInstallName
    tree: Tree = {
        "/l/A": dylib("/l/B"),
        "/l/B": dylib("/l/B"),
        "/app/main": executable("/l/A", "/l/B"),
    }
    walked = launch(make_mac(tree), macos=macos)
    assert served(walked, "/l/B") == "/l/A"
    assert load_of(walked, "/l/B").found is None


@every
def test_a_run_path_name_answers_before_any_run_path(macos: str) -> None:
    tree: Tree = {
        "/one/x": dylib("@rpath/x"),
        "/two/x": dylib("@rpath/x"),
        "/l/A": dylib("/l/A", "@rpath/x", rpaths=["/two"]),
        "/app/main": executable("/one/x", "/l/A", rpaths=["/one"]),
    }
    assert served(launch(make_mac(tree), macos=macos), "@rpath/x") == "/one/x"


@every
def test_two_names_of_one_file_are_one_image(macos: str) -> None:
    # getLoader(): already-loaded-by-inode-mtime
    tree: Tree = {
        "/l/real": dylib("/elsewhere/x"),
        "/l/link": "real",
        "/app/main": executable("/l/real", "/l/link"),
    }
    walked = launch(make_mac(tree), macos=macos)
    assert paths(walked) == ["/app/main", "/l/real"]
    assert load_of(walked, "/l/link").outcome is Outcome.ALREADY_LOADED


@every
def test_the_main_executable_can_be_linked_with_by_no_one(macos: str) -> None:
    tree: Tree = {"/l/A": dylib("/l/A", "/app/other"), "/app/other": executable(), "/app/main": executable("/l/A")}
    reason = tried(launch(make_mac(tree), macos=macos), "/app/other")[0][1]
    assert reason == ("not a dylib" if macos == "11" else "cannot link against a main executable '/app/other'")


@every
def test_a_library_loaded_by_two_aliases_of_the_os_is_one(macos: str) -> None:
    system = libraries("/usr/lib/libz.1.dylib")
    alias = {**system.paths, "/usr/lib/libz.dylib": "/usr/lib/libz.1.dylib"}
    tree: Tree = {"/app/main": executable("/usr/lib/libz.dylib", "/usr/lib/libz.1.dylib")}
    walked = launch(make_mac(tree, system=type(system)(alias)), macos=macos)
    assert [i.path for i in walked.images][1:] == ["/usr/lib/libz.1.dylib", LIBSYSTEM]
    assert [x.outcome for x in walked.loads[:2]] == [Outcome.LOADED, Outcome.ALREADY_LOADED]


def test_dyld2_prefers_what_is_loaded_even_by_a_later_permutation() -> None:
    # dyld2.cpp: load(): two passes
    tree: Tree = {
        "/over/x": dylib("/l/x"),
        "/l/x": dylib("/l/x"),
        "/l/A": dylib("/l/A", "@rpath/x", rpaths=["/over", "/l"]),
        "/app/main": executable("/l/x", "/l/A"),
    }
    assert served(launch(make_mac(tree), macos="11"), "@rpath/x") == "/l/x"
    assert served(launch(make_mac(tree), macos="12"), "@rpath/x") == "/over/x"


def test_dyld2_keeps_the_first_library_of_an_absolute_install_name() -> None:
    # dyld2.cpp: checkandAddImage()
    tree: Tree = {"/l/A": dylib("/same"), "/l/B": dylib("/same"), "/app/main": executable("/l/A", "/l/B")}
    assert served(launch(make_mac(tree), macos="11"), "/l/B") == "/l/A"
    assert served(launch(make_mac(tree), macos="12"), "/l/B") == "/l/B"


# -- run paths --


@every
def test_run_paths_of_the_whole_chain_serve_innermost_first(macos: str) -> None:
    tree: Tree = {
        "/l/in/x": dylib("/x1"), "/l/mid/x": dylib("/x2"), "/app/out/x": dylib("/x3"), "/l/mid/y": dylib("/y2"),
        "/app/out/y": dylib("/y3"), "/app/out/z": dylib("/z3"),
        "/l/B": dylib("/l/B", "@rpath/x", "@rpath/y", "@rpath/z", rpaths=["@loader_path/in"]),
        "/l/A": dylib("/l/A", "/l/B", rpaths=["@loader_path/mid"]),
        "/app/main": executable("/l/A", rpaths=["@loader_path/out"]),
    }  # fmt: skip
    walked = launch(make_mac(tree), macos=macos)
    assert [served(walked, f"@rpath/{n}") for n in "xyz"] == ["/l/in/x", "/l/mid/y", "/app/out/z"]
    found = load_of(walked, "@rpath/y").found
    assert found is not None
    owner = walked.images[found.image or 0]
    assert (found.rule, owner.path, found.run_path) == (SearchRule.RPATH, "/l/A", 0)


@every
def test_run_paths_of_other_branches_and_of_libraries_below_do_not_count(macos: str) -> None:
    tree: Tree = {
        "/other/x": dylib("/x"),
        "/l/A": dylib("/l/A", rpaths=["/other"]),
        "/l/C": dylib("/l/C", rpaths=["/other"]),
        "/l/B": dylib("/l/B", "/l/C", "@rpath/x"),
        "/app/main": executable("/l/A", "/l/B"),
    }
    assert served(launch(make_mac(tree), macos=macos), "@rpath/x") is None


@every
def test_the_chain_is_that_of_the_first_who_reached_the_image(macos: str) -> None:
    # an image is expanded once, with the stack of that moment
    tree: Tree = {
        "/other/x": dylib("/x"),
        "/l/X": dylib("/l/X", load("@rpath/x", weak=True)),
        "/l/A": dylib("/l/A", "/l/X"),
        "/l/B": dylib("/l/B", "/l/X", rpaths=["/other"]),
        "/app/main": executable("/l/A", "/l/B"),
    }
    assert served(launch(make_mac(tree), macos=macos), "@rpath/x") is None
    tree["/app/main"] = executable("/l/B", "/l/A")
    assert served(launch(make_mac(tree), macos=macos), "@rpath/x") == "/other/x"


@dyld4
def test_at_launch_the_program_s_run_paths_are_tried_twice(macos: str) -> None:
    tree: Tree = {"/app/main": executable("@rpath/x", rpaths=["@loader_path/a", "@loader_path/b"])}
    listed = [p for p, _ in tried(launch(make_mac(tree), macos=macos), "@rpath/x") if p.startswith("/app")]
    once = ["/app/a/x", "/app/b/x"] * 2
    assert listed == (once * 2 if macos == "13" else once)


def test_loader_path_is_beside_the_real_file_and_in_dyld2_beside_the_link_first() -> None:
    tree: Tree = {
        "/real/A": dylib("/l/A", "@loader_path/x"),
        "/l/A": "/real/A",
        "/l/x": dylib("/lx"),
        "/real/x": dylib("/realx"),
        "/app/main": executable("/l/A"),
    }
    mac = make_mac(tree)
    assert served(launch(mac, macos="12"), "@loader_path/x") == "/real/x"
    assert served(launch(mac, macos="11"), "@loader_path/x") == "/l/x"


# -- weak, wrong, delayed --


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"junk" * 2000,
        dylib("/l/A", arch="x86_64"),
        dylib("/l/A", platform=2),
        bundle(),
    ],
    ids=["directory", "empty", "junk", "other architecture", "other platform", "bundle"],
)
@every
def test_a_weak_library_may_be_unfit_in_any_way(macos: str, content: bytes | None) -> None:
    mac = make_mac({"/l/A": content, "/app/main": executable(load("/l/A", weak=True))})
    walked = launch(mac, macos=macos)
    assert (walked.message, load_of(walked, "/l/A").outcome) == (None, Outcome.WEAK_MISSING)
    strong = launch(make_mac({"/l/A": content, "/app/main": executable("/l/A")}), macos=macos)
    assert strong.message is not None


@every
def test_a_weak_library_that_is_there_must_find_what_it_needs(macos: str) -> None:
    mac = make_mac({"/l/A": dylib("/l/A", "/l/gone"), "/app/main": executable(load("/l/A", weak=True))})
    message = launch(mac, macos=macos).message or ""
    assert message.startswith("Library not loaded")
    assert "/l/A" in message.splitlines()[1]


@pytest.mark.parametrize(
    ("flags", "macos", "fatal"),
    [
        # JustInTimeLoader.cpp: "fix illegal combinations": the weak flag of a re-export is dropped
        (3, "14.4", True),
        (3, "26", True),
        (1, "26", False),
        (9, "26", False),
        (8, "26", True),
        # before dyld-1160.6 the command number alone counts, and ld writes a weak one for a weak flag
        (3, "14", False),
        (3, "12", False),
    ],
)
def test_flags_of_a_use_command(flags: int, macos: str, fatal: bool) -> None:
    walked = launch(make_mac({"/app/main": executable(use("/l/gone", flags))}), macos=macos)
    assert (walked.message is not None) is fatal


@every
def test_an_unfit_file_does_not_end_the_search(macos: str) -> None:
    tree: Tree = {
        "/one/x": dylib("/x", arch="x86_64"), "/two/x": b"junk" * 2000, "/three/x": dylib("/x"),
        "/app/main": executable("@rpath/x", rpaths=["/one", "/two", "/three"]),
    }  # fmt: skip
    walked = launch(make_mac(tree), macos=macos)
    assert served(walked, "@rpath/x") == "/three/x"
    reasons = [(p, r) for p, r in tried(walked, "@rpath/x") if p in {"/one/x", "/two/x"}]
    assert [p for p, _ in reasons] == ["/one/x", "/two/x"]
    assert "architecture" in reasons[0][1]


@every
def test_a_slice_of_another_process_is_another_image(macos: str) -> None:
    both = fat([dylib("/l/x", arch="x86_64"), dylib("/l/x", "/l/only-arm", arch="arm64")])
    tree: Tree = {
        "/l/x": both,
        "/l/only-arm": dylib("/l/only-arm"),
        "/app/main": fat([executable("/l/x", arch="x86_64"), executable("/l/x", arch="arm64")]),
    }
    mac = make_mac(tree)
    assert order(launch(mac, macos=macos, arch="arm64")) == "xonly-arm"
    assert order(launch(mac, macos=macos, arch="x86_64")) == "x"


@dyld4
def test_an_empty_file_has_an_empty_reason(macos: str) -> None:
    walked = launch(make_mac({"/l/x": b"", "/app/main": executable("/l/x")}), macos=macos)
    assert "'/l/x' ()" in (walked.message or "")


# -- what is said --


def block(mac: Any, macos: str, library: str, requester: str) -> str:
    """The text for an absolute path at which nothing lies, asked for by a file of the model."""
    from machochain.dyld.profile import profile_for
    from machochain.model.version import Version

    profile = profile_for(Version.parse(macos))
    image = image_at(mac, requester).image
    assert image is not None
    places = [library, CRYPTEX + library, library] if profile.cryptex else [library]
    if not profile.default_fallbacks_need_old_sdk:
        leaf = library.rpartition("/")[2]
        places += [f"/usr/local/lib/{leaf}", f"/usr/lib/{leaf}"]
    reason = "tried: " + ", ".join(f"'{p}' (no such file)" for p in places)
    if macos == "11":
        return f"Library not loaded: {library}\n  Referenced from: {requester}\n  Reason: image not found"
    q = "'" if profile.wording == "quoted" else ""
    uuid = f"<{image.uuid_text}> " if profile.uuids else ""
    return f"Library not loaded: {q}{library}{q}\n  Referenced from: {uuid}{q}{requester}{q}\n  Reason: {reason}"


@every
def test_of_several_in_one_image_the_first_is_told(macos: str) -> None:
    mac = make_mac({"/app/main": executable("/gone/1", "/gone/2")})
    assert launch(mac, macos=macos).message == block(mac, macos, "/gone/1", "/app/main")


@every
def test_of_several_branches_dyld2_tells_the_first_dyld4_all_and_current_dyld_the_last(macos: str) -> None:
    # Diagnostics.cpp: error() appends in dyld-940 to 1286.10 and starts afresh from dyld-1323.3 on; what a branch
    # below a failed image needs is not looked at, but its siblings still are
    tree: Tree = {
        "/l/A": dylib("/l/A", "/l/D", "/gone/A"),
        "/l/B": dylib("/l/B", "/l/E"),
        "/l/C": dylib("/l/C", "/gone/C"),
        "/l/D": dylib("/l/D", "/gone/D"),
        "/l/E": dylib("/l/E", "/gone/E"),
        "/app/main": executable("/l/A", "/l/B", "/l/C"),
    }
    mac = make_mac(tree)
    first, last = block(mac, macos, "/gone/A", "/l/A"), block(mac, macos, "/gone/C", "/l/C")
    generation = profile_for(Version.parse(macos))
    expected = first if generation.classic else first + last if generation.errors_accumulate else last
    walked = launch(mac, macos=macos)
    assert walked.message == expected
    missing = [x.dylib.name for x in walked.loads if x.outcome is Outcome.MISSING]
    assert missing == ["/gone/A", "/gone/D", "/gone/E", "/gone/C"], "the result tells all that is missing"


@dyld4
def test_what_is_below_an_inserted_library_is_not_looked_at_if_the_program_fails(macos: str) -> None:
    # dyldMain.cpp: prepare(): the loop over top-level loaders halts at the first that has an error
    tree: Tree = {"/l/I": dylib("/l/I", "/gone/I"), "/app/main": executable("/gone/main")}
    mac = make_mac(tree)
    walked = launch(mac, macos=macos, environment={"DYLD_INSERT_LIBRARIES": "/l/I"})
    assert walked.message == block(mac, macos, "/gone/main", "/app/main")


@pytest.mark.parametrize("macos", ["13.3", "13.6"])
def test_macos_13_3_says_nothing_where_no_run_path_exists(macos: str) -> None:
    # dyld-1066.8: getLoader() leaves the diagnostic empty, loadDependents() looks at nothing else
    mac = make_mac({"/app/main": executable("@rpath/x", "/gone", sdk="14.0")})
    walked = launch(mac, macos=macos)
    assert load_of(walked, "@rpath/x").outcome is Outcome.MISSING
    assert walked.message == block(mac, macos, "/gone", "/app/main")
    alone = launch(make_mac({"/app/main": executable("@rpath/x", sdk="14.0")}), macos=macos)
    assert alone.message is None
    assert [u.kind for u in alone.unknowns] == [UnknownKind.SILENT]


@pytest.mark.parametrize(
    ("macos", "reason"),
    [
        ("12.3", "tried: '/usr/local/lib/x' (no such file), '/usr/lib/x' (no such file)"),
        ("13", f"tried: '{CRYPTEX}@rpath/x' (no such file)"),
        ("14", "no LC_RPATH's found"),
        ("26", "no LC_RPATH's found"),
    ],
)
def test_what_is_said_where_no_run_path_exists(macos: str, reason: str) -> None:
    walked = launch(make_mac({"/app/main": executable("@rpath/x")}), macos=macos)
    assert (walked.message or "").endswith(f"\n  Reason: {reason}")


@pytest.mark.parametrize(("sdk", "said"), [("15.0", False), ("13.0", True)])
def test_an_unknown_variable_is_passed_over_in_silence_unless_fallbacks_are_tried(sdk: str, said: bool) -> None:
    walked = launch(make_mac({"/app/main": executable("@bogus/x", sdk=sdk)}), macos="26")
    assert (walked.message is not None) is said
    assert load_of(walked, "@bogus/x").outcome is Outcome.MISSING


@pytest.mark.parametrize(
    ("macos", "said"),
    [("11", False), ("15.4", False), ("26", True)],
)
def test_only_macos_26_refuses_a_malformed_program(macos: str, said: bool) -> None:
    main = executable("/gone", rpaths=["/a", "/a"], sdk="26.0")
    walked = launch(make_mac({"/app/main": main}), macos=macos)
    refused = "duplicate LC_RPATH '/a' in /app/main\nduplicate LC_RPATH '/a'"
    assert (walked.message == refused) is said
    assert load_of(walked, "/gone").outcome is Outcome.MISSING, "what is missing is told all the same"


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "could not load inserted library '/gone' because image not found\n"),
        ("12.3", "terminating because inserted dylib '/gone' could not be loaded: {0}\n{0}"),
        ("26", "terminating because inserted dylib '/gone' could not be loaded: {0}\n{0}"),
    ],
)
def test_an_inserted_library_that_is_missing_ends_the_launch(macos: str, text: str) -> None:
    walked = launch(make_mac({"/app/main": executable()}), macos=macos, environment={"DYLD_INSERT_LIBRARIES": "/gone"})
    tries = (
        ["/gone", CRYPTEX + "/gone", "/gone"] if macos == "26" else ["/gone", "/usr/local/lib/gone", "/usr/lib/gone"]
    )
    listed = "tried: " + ", ".join(f"'{p}' (no such file)" for p in tries)
    assert walked.message == text.format(listed)


# -- processes of other kinds --


@pytest.mark.parametrize("macos", ["11", "12", "15", "26"])
@pytest.mark.parametrize(("platform", "name"), [(3, "tvOS"), (4, "watchOS"), (11, "visionOS")])
def test_the_libraries_of_a_mac_fit_no_program_for_another_device(macos: str, platform: int, name: str) -> None:
    # JustInTimeLoader.cpp: makeJustInTimeLoaderDyldCache(); dyld2.cpp: loadPhase5load()
    mac = make_mac({"/app/main": executable(platform=platform)})
    message = launch(mac, macos=macos).message or ""
    if macos != "11":
        assert "'/usr/lib/libSystem.B.dylib' (wrong platform to load into process)" in message
    else:
        assert "/usr/lib/libSystem.B.dylib: mach-o, but not built for platform " in message
        assert name in message or platform == 11


@dyld4
def test_a_simulator_program_needs_its_root(macos: str) -> None:
    # dyldMain.cpp: prepare()
    mac = make_mac({"/app/main": executable("/gone", platform=7)})
    assert launch(mac, macos=macos).message == "DYLD_ROOT_PATH not set for simulator program"
    rooted = launch(mac, macos=macos, environment={"DYLD_ROOT_PATH": "/sim"})
    assert "'/sim/gone' (no such file)" in (rooted.message or "")


@every
def test_other_programs_may_set_a_root_path_to_no_effect_but_with_dyld2(macos: str) -> None:
    # addEnvVar() takes it for simulator programs only, so the halt for others is never reached; not so loadPhase0()
    mac = make_mac({"/sim/l/A": dylib("/l/A"), "/app/main": executable("/l/A")})
    environment = {"DYLD_ROOT_PATH": "/sim"}
    found = served(launch(mac, macos=macos, environment=environment), "/l/A")
    assert found == ("/sim/l/A" if macos == "11" else None)


@every
def test_a_catalyst_program_finds_what_is_for_it_first(macos: str) -> None:
    support = "/System/iOSSupport/usr/lib/libx.dylib"
    main = executable("/usr/lib/libx.dylib", platform=6, minos="15.0", sdk="18.0")
    mac = make_mac({"/app/main": main}, system=libraries("/usr/lib/libx.dylib", support))
    assert served(launch(mac, macos=macos), "/usr/lib/libx.dylib") == support


@dyld4
def test_a_zippered_library_goes_into_both_kinds_of_process(macos: str) -> None:
    both = dylib("/l/A", build=[build_version(1, "12.0", "15.0"), build_version(6, "15.0", "18.0")])
    for platform in (1, 6):
        mac = make_mac({"/l/A": both, "/app/main": executable("/l/A", platform=platform)})
        assert launch(mac, macos=macos).message is None


NOT_RELATIVE = "'lib/x' (relative path not allowed in hardened program)"


@pytest.mark.parametrize(
    ("macos", "reason"),
    [
        ("11", "unsafe use of relative rpath lib/x in /app/main with restricted binary"),
        ("12.3", f"tried: {NOT_RELATIVE}, '/usr/lib/x' (no such file)"),
        # isFileRelativePath(): with the cryptex in front a path is not relative any more
        ("26", f"tried: {NOT_RELATIVE}, '{CRYPTEX}lib/x' (no such file), {NOT_RELATIVE}"),
    ],
)
def test_a_hardened_program_opens_nothing_relative(macos: str, reason: str) -> None:
    walked = launch(make_mac({"/app/main": executable("lib/x")}), macos=macos, security=HARDENED)
    message = walked.message or ""
    assert message.endswith(reason if macos == "11" else f"\n  Reason: {reason}")


NOT_EXPANDED = ", (security policy does not allow @ path expansion)"


@pytest.mark.parametrize(
    ("macos", "path", "reason"),
    [
        ("26", "@executable_path/x", NOT_EXPANDED),
        ("12.3", "@executable_path/x", "tried: '/usr/lib/x' (no such file)" + NOT_EXPANDED),
        ("26", "@rpath/x", NOT_EXPANDED),
    ],
)
def test_a_restricted_program_is_told_that_variables_are_not_expanded(macos: str, path: str, reason: str) -> None:
    mac = make_mac({"/app/main": executable(path, rpaths=["@executable_path"])})
    assert (launch(mac, macos=macos, security=RESTRICTED).message or "").endswith(f"\n  Reason: {reason}")


@pytest.mark.parametrize(
    ("security", "macos", "kept"), [(HARDENED, "26", True), (HARDENED, "15", False), (Security(), "26", False)]
)
def test_a_hardened_program_keeps_the_os_s_libsystem(security: Security, macos: str, kept: bool) -> None:
    # dyld-1378, Loader.cpp: isProtectedLibSystemPath(); the way in is the program's own variable
    main = executable(LIBSYSTEM, dyld_env=["DYLD_LIBRARY_PATH=/over"])
    mac = make_mac(
        {"/over/libSystem.B.dylib": dylib(LIBSYSTEM, "/l/x", libsystem=False), "/l/x": dylib("/l/x"), "/app/main": main}
    )
    walked = launch(mac, macos=macos, security=security)
    assert (served(walked, LIBSYSTEM) == LIBSYSTEM) is kept
    if kept:
        assert tried(walked, LIBSYSTEM)[0] == ("/over/libSystem.B.dylib", "cannot override a protected system dylib")


# -- dlopen, libraries in a process nobody knows --


@dyld4
def test_a_dependent_of_an_opened_library_has_the_library_twice_then_caller_and_main(macos: str) -> None:
    tree: Tree = {
        "/l/T": bundle("@rpath/x", rpaths=["@loader_path/t"]),
        "/app/main": executable(rpaths=["@loader_path/m"]),
    }
    walked = dlopen(make_mac(tree), "/l/T", macos=macos)
    listed = [p for p, _ in tried(walked, "@rpath/x") if p.startswith(("/l", "/app"))]
    assert listed == ["/l/t/x", "/l/t/x", "/app/m/x", "/app/m/x"] * (2 if macos == "13" else 1)
    assert (walked.message or "").startswith("dlopen(/l/T, 0x0002): Library not loaded")


def test_dlopen_texts_have_their_mode() -> None:
    mac = make_mac({"/app/main": executable()})
    assert (dlopen(mac, "/gone", macos="11", mode=10).message or "") == "dlopen(/gone, 10): image not found"
    assert (dlopen(mac, "/gone", macos="12", mode=10).message or "").startswith("dlopen(/gone, 0x000A): tried: ")


@every
def test_a_bundle_may_be_opened_and_a_program_that_fails_opens_nothing(macos: str) -> None:
    mac = make_mac({"/l/T": bundle(), "/app/main": executable(), "/app/bad": executable("/gone")})
    assert paths(dlopen(mac, "/l/T", macos=macos))[-1] == "/l/T"
    failed = dlopen(mac, "/l/T", "/app/bad", macos)
    assert "/l/T" not in paths(failed)
    assert failed.message == launch(mac, "/app/bad", macos).message


def test_what_depends_on_the_process_is_unknown_without_one() -> None:
    tree: Tree = {"/l/A": dylib("/l/A", "@rpath/x", "@executable_path/y", "@loader_path/z"), "/l/z": dylib("/l/z")}
    walked = examine(make_mac(tree), "/l/A")
    assert walked.message is None
    assert [x.outcome for x in walked.loads][:3] == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.LOADED]
    assert len(walked.unknowns) == 2


def test_an_absolute_path_is_missing_in_any_process() -> None:
    walked = examine(make_mac({"/l/A": dylib("/l/A", "/gone")}), "/l/A")
    assert (walked.message or "").startswith("Library not loaded: /gone")


# -- what is not known --


def test_a_place_nobody_looked_at_leaves_the_answer_open() -> None:
    mac = make_mac({"/app/main": executable("/opt/x")}, unseen=["/opt"])
    walked = launch(mac)
    assert (walked.message, load_of(walked, "/opt/x").outcome) == (None, Outcome.UNKNOWN)
    assert all(a.unseen for a in load_of(walked, "/opt/x").tried if a.candidate.path == "/opt/x")


def test_a_find_behind_a_place_nobody_looked_at_is_told_with_a_doubt() -> None:
    tree: Tree = {"/l/x": dylib("/x"), "/app/main": executable("@rpath/x", rpaths=["/opt", "/l"])}
    walked = launch(make_mac(tree, unseen=["/opt"]))
    assert served(walked, "@rpath/x") == "/l/x"
    assert any("/opt/x comes before /l/x" in u.text for u in walked.unknowns)


def test_an_os_library_the_catalogue_does_not_reach_is_unknown() -> None:
    name = "/System/Library/PrivateFrameworks/X.framework/X"
    mac = make_mac({"/app/main": executable(name)}, system=libraries(unseen=[name]))
    assert load_of(launch(mac), name).outcome is Outcome.UNKNOWN


def test_versioned_directories_nobody_looked_into_are_told() -> None:
    mac = make_mac({"/app/main": executable()}, unseen=["/opt"])
    walked = launch(mac, environment={"DYLD_VERSIONED_LIBRARY_PATH": "/opt/new:/none"})
    assert [u for u in walked.unknowns if "/opt/new" in u.values]
    assert not [u for u in walked.unknowns if "/none" in u.values]


def test_whether_a_versioned_library_replaces_the_os_s_own_is_not_known() -> None:
    mac = make_mac(
        {
            "/new/libz.dylib": dylib("/usr/lib/libz.dylib", id_current="2000"),
            "/app/main": executable("/usr/lib/libz.dylib"),
        },
        system=libraries("/usr/lib/libz.dylib"),
    )
    walked = launch(mac, environment={"DYLD_VERSIONED_LIBRARY_PATH": "/new"})
    assert served(walked, "/usr/lib/libz.dylib") == "/usr/lib/libz.dylib"
    assert len(walked.unknowns) == 1


# -- size --

_SELF, _NEXT = "/l/selfself", "/l/nextnext"
_TEMPLATE = MachO(install_name=_SELF, loads=[_NEXT, LIBSYSTEM], data=False, uuid=bytes(16)).bytes()


def tiny(name: int, wants: int) -> bytes:
    """A dylib that wants another, without laying it out anew."""
    return _TEMPLATE.replace(_SELF.encode(), b"/l/%08d" % name).replace(_NEXT.encode(), b"/l/%08d" % wants)


@pytest.mark.parametrize(("macos", "depth"), [("11", 2_000), ("15", 2_000), ("26", 10_000)])
def test_a_long_chain_of_libraries(macos: str, depth: int) -> None:
    tree: Tree = {f"/l/{i:08}": tiny(i, i + 1) for i in range(depth)}
    tree[f"/l/{depth:08}"] = tiny(depth, 0)
    tree["/app/main"] = executable("/l/00000000")
    walked = launch(make_mac(tree), macos=macos)
    assert (len(paths(walked)), walked.message) == (depth + 2, None)


@pytest.mark.parametrize("macos", ["11", "26"])
def test_a_wide_fan_of_libraries(macos: str) -> None:
    width = 2_000
    tree: Tree = {f"/l/{i:08}": tiny(i, 0) for i in range(width)}
    tree["/app/main"] = executable(*(f"/l/{i:08}" for i in range(width)))
    assert len(paths(launch(make_mac(tree), macos=macos))) == width + 1


def test_images_keep_their_origin() -> None:
    walked = launch(make_mac({"/app/main": executable()}))
    origins: list[tuple[LoadedImage, Origin]] = [(i, i.origin) for i in walked.images]
    assert [o for _, o in origins] == [Origin.DISK, Origin.OS]


# -- what processes and releases share ----------------------------------------------------------------------------


def test_a_release_that_comes_to_the_same_shares_the_walk() -> None:
    mac = make_mac({"/app/main": executable("@loader_path/a"), "/app/a": dylib("/a")})
    first = launch(mac, macos="13.3")
    assert launch(mac, macos="14", like=first) is first
    assert launch(mac, macos="11", like=first) is not first


def test_a_release_that_fails_alike_shares_what_is_missing() -> None:
    mac = make_mac({"/app/main": executable("@loader_path/a", "/gone"), "/app/a": dylib("/a", "/lost")})
    first = launch(mac, macos="15")
    again = launch(mac, macos="15.4", like=first)
    alone = launch(mac, macos="15.4")
    assert again.loads is first.loads
    assert (again.message, again.loads, again.unknowns) == (alone.message, alone.loads, alone.unknowns)
    assert first.message is not None


def test_flags_of_use_commands_keep_releases_apart() -> None:
    mac = make_mac({"/app/main": executable(use("@loader_path/a", 8)), "/app/a": dylib("/a")})
    before, after = launch(mac, macos="14"), launch(mac, macos="14.4")
    assert (before.loads[0].dylib.use_flags, after.loads[0].dylib.use_flags) == (None, 8)
    for macos, like in (("14.4", before), ("14", after)):
        assert launch(mac, macos=macos, like=like).loads == launch(mac, macos=macos).loads != like.loads


def test_a_process_does_not_follow_another_past_an_image_that_answers() -> None:
    """The first program passes /app/one by; in the second something loaded has that very install name."""
    tree: Tree = {
        "/app/first": executable("@rpath/a", rpaths=["/app/one", "/app/two"]),
        "/app/second": executable("/app/odd", "@rpath/a", rpaths=["/app/one", "/app/two"]),
        "/app/two/a": dylib("@rpath/b"),
        "/app/odd": dylib("/app/one/a"),
    }
    mac = make_mac(tree)
    assert paths(launch(mac, "/app/first", "12")) == ["/app/first", "/app/two/a"]
    assert paths(launch(mac, "/app/second", "12")) == ["/app/second", "/app/odd"]


def test_a_release_that_takes_fewer_variables_from_the_program_walks_anew() -> None:
    """Up to macOS 14.3 LC_DYLD_ENVIRONMENT inserts nothing: only names that end in _PATH count there."""
    main = executable(dyld_env=["DYLD_INSERT_LIBRARIES=/app/a"])
    mac = make_mac({"/app/main": main, "/app/a": dylib("/app/a")})
    before, after = launch(mac, macos="14"), launch(mac, macos="14.4")
    assert [x.dylib.name for x in after.loads if x.inserted] == ["/app/a"]
    for macos, like in (("14.4", before), ("14", after)):
        assert launch(mac, macos=macos, like=like).loads == launch(mac, macos=macos).loads != like.loads


def test_a_process_does_not_follow_another_past_run_paths_of_its_own() -> None:
    """What the first program finds by a fallback, the second finds earlier by its run path."""
    tree: Tree = {
        "/app/first": executable("/app/lib", sdk="12.0"),
        "/app/second": executable("/app/lib", sdk="12.0", rpaths=["/app/own"]),
        "/app/lib": dylib("/app/lib", "@rpath/a", sdk="12.0"),
        "/app/own/a": dylib("@rpath/a"),
        "/usr/local/lib/a": dylib("@rpath/a"),
    }
    for macos in DYLD4:
        mac = make_mac(tree)
        assert paths(launch(mac, "/app/first", macos))[-1] == "/usr/local/lib/a"
        assert paths(launch(mac, "/app/second", macos))[-1] == "/app/own/a"


def test_a_process_does_not_follow_another_into_its_own_directory() -> None:
    """A directory of the environment may begin with a variable: each program has another."""
    tree: Tree = {
        "/one/tool": executable("/lib/x"),
        "/two/tool": executable("/lib/x"),
        "/lib/x": dylib("/lib/x", "/gone/a"),
        "/one/a": dylib("/one/a"),
        "/two/a": dylib("/two/a"),
    }
    environment = {"DYLD_LIBRARY_PATH": "@executable_path"}
    for macos in DYLD4:
        mac = make_mac(tree)
        for folder in ("/one", "/two"):
            walked = launch(mac, f"{folder}/tool", macos, environment=environment)
            assert paths(walked)[-1] == f"{folder}/a"
