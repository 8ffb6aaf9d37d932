"""What dyld's own test-suite asserts (tags 655 to 1066.8, testing/test-cases), told again on Macs in memory.

Only the facts are taken: which library is found and which is not. R is the directory the programs stand in.
"""

from __future__ import annotations

import pytest
from attrs import evolve

from machochain.dyld.config import HARDENED, RESTRICTED, UNRESTRICTED, Security
from machochain.dyld.profile import profile_for
from machochain.graph.resolve import Target, resolve_node, security_of
from machochain.graph.walked import Walk
from machochain.model.result import Outcome
from machochain.model.version import Version
from tests.factory import bundle, dylib, executable, load, reexport, upward
from tests.graph.modelled import (
    DYLD4,
    GENERATIONS,
    LIBSYSTEM,
    Libraries,
    dlopen,
    image_at,
    launch,
    libraries,
    load_of,
    make_mac,
    paths,
    served,
    tried,
)

R = "/R"
Tree = dict[str, bytes | str | None]
every = pytest.mark.parametrize("macos", GENERATIONS)
dyld4 = pytest.mark.parametrize("macos", DYLD4)
NOT_BUILT = {
    "dylib-re-export-old-format": "LC_SUB_LIBRARY of macOS 10.5; nothing that macOS 11 or later runs is built so",
    "dlopen-haswell": "asserts what the processor is, not what dyld looks for",
    "large-load-commands": "stress of the format; belongs to the reader",
    "chained-fixups-many-binds": "about fixups, not about finding libraries",
    "weak-coalesce-*, missing-weak-def, lazy-*, flat-namespace*, dlsym-*": "about symbols",
    "dyld_abort_payload": "about the kernel's exit reason",
    "dlopen-main-exe, dlopen-long-error-message, dlopen-fail-cleanly": "about handles and memory",
    "upward-links-initializers (order)": "initialisers do not run here; that the cycle loads is asserted below",
}


def finds(walked: Walk, name: str, path: str) -> None:
    assert walked.message is None
    assert served(walked, name) == path


def test_what_is_left_out_has_a_reason() -> None:
    assert all(NOT_BUILT.values())


# -- linking --


@every
def test_dylib_static_link(macos: str) -> None:
    mac = make_mac({f"{R}/libfoo.dylib": dylib(f"{R}/libfoo.dylib"), f"{R}/main": executable(f"{R}/libfoo.dylib")})
    finds(launch(mac, f"{R}/main", macos), f"{R}/libfoo.dylib", f"{R}/libfoo.dylib")


@every
def test_dylib_static_weak_link(macos: str) -> None:
    names = f"{R}/libfoo.dylib", f"{R}/libfoomissing.dylib"
    main = executable(*(load(n, weak=True) for n in names))
    walked = launch(make_mac({names[0]: dylib(names[0]), f"{R}/main": main}), f"{R}/main", macos)
    assert walked.message is None
    assert [load_of(walked, n).outcome for n in names] == [Outcome.LOADED, Outcome.WEAK_MISSING]


@every
def test_dylib_re_export(macos: str) -> None:
    tree = {
        f"{R}/libbar.dylib": dylib(f"{R}/libbar.dylib"),
        f"{R}/libfoo.dylib": dylib(f"{R}/libfoo.dylib", reexport(f"{R}/libbar.dylib")),
        f"{R}/main": executable(f"{R}/libfoo.dylib"),
    }
    walked = launch(make_mac(tree), f"{R}/main", macos)
    assert walked.message is None
    assert paths(walked) == [f"{R}/main", f"{R}/libfoo.dylib", f"{R}/libbar.dylib"]


@every
def test_upward_links_initializers_the_cycle_loads(macos: str) -> None:
    tree = {
        f"{R}/libup.dylib": dylib(f"{R}/libup.dylib", f"{R}/libdown.dylib"),
        f"{R}/libdown.dylib": dylib(f"{R}/libdown.dylib", upward(f"{R}/libup.dylib")),
        f"{R}/main": executable(f"{R}/libup.dylib"),
    }
    walked = launch(make_mac(tree), f"{R}/main", macos)
    assert paths(walked) == [f"{R}/main", f"{R}/libup.dylib", f"{R}/libdown.dylib"]
    assert load_of(walked, f"{R}/libup.dylib").outcome is Outcome.LOADED


# -- run paths --


@pytest.mark.parametrize("security", [UNRESTRICTED, RESTRICTED])
@every
def test_rpath_absolute_of_a_library_works_even_restricted(macos: str, security: Security) -> None:
    tree = {
        f"{R}/librpathabs.dylib": dylib("@rpath/librpathabs.dylib"),
        f"{R}/libfoo.dylib": dylib(f"{R}/libfoo.dylib", "@rpath/librpathabs.dylib", rpaths=[R]),
        f"{R}/main": executable(f"{R}/libfoo.dylib"),
    }
    walked = launch(make_mac(tree), f"{R}/main", macos, security=security)
    finds(walked, "@rpath/librpathabs.dylib", f"{R}/librpathabs.dylib")


@pytest.mark.parametrize("run_path", ["@executable_path", "@executable_path/", "@loader_path", "@loader_path/"])
@every
def test_rpath_relative_of_the_program_serves_its_libraries(macos: str, run_path: str) -> None:
    tree = {
        f"{R}/librel.dylib": dylib("@rpath/librel.dylib"),
        f"{R}/other/libfoo.dylib": dylib(f"{R}/other/libfoo.dylib", "@rpath/librel.dylib", rpaths=["/junk/"]),
        f"{R}/main": executable(f"{R}/other/libfoo.dylib", rpaths=[run_path]),
    }
    finds(launch(make_mac(tree), f"{R}/main", macos), "@rpath/librel.dylib", f"{R}/librel.dylib")


@every
def test_rpath_symlink_the_program_counts_where_it_really_is(macos: str) -> None:
    tree: Tree = {
        f"{R}/hide/bin/main": executable("@rpath/libfoo.dylib", rpaths=["@executable_path/../lib/"]),
        f"{R}/hide/lib/libfoo.dylib": dylib("@rpath/libfoo.dylib"),
        f"{R}/main": f"{R}/hide/bin/main",
    }
    finds(launch(make_mac(tree), f"{R}/main", macos), "@rpath/libfoo.dylib", f"{R}/hide/lib/libfoo.dylib")


@pytest.mark.parametrize("security", [UNRESTRICTED, RESTRICTED])
@every
def test_rpath_weak_missing(macos: str, security: Security) -> None:
    tree = {
        f"{R}/libfoo.dylib": dylib(f"{R}/libfoo.dylib", load("@rpath/libmissing.dylib", weak=True)),
        f"{R}/main": executable(),
    }
    walked = dlopen(make_mac(tree), f"{R}/libfoo.dylib", f"{R}/main", macos, security=security)
    assert walked.message is None
    assert load_of(walked, "@rpath/libmissing.dylib").outcome is Outcome.WEAK_MISSING


@pytest.mark.parametrize(
    ("security", "cwd", "found"), [(UNRESTRICTED, R, True), (UNRESTRICTED, "/", False), (RESTRICTED, R, False)]
)
@every
def test_atpath_restricted_a_relative_run_path_needs_cwd_and_permission(
    macos: str, security: Security, cwd: str, found: bool
) -> None:
    main = executable(load("@rpath/libfoo.dylib", weak=True), rpaths=["./test/"])
    mac = make_mac({f"{R}/main": main, f"{R}/test/libfoo.dylib": dylib("@rpath/libfoo.dylib")})
    walked = launch(mac, f"{R}/main", macos, security=security, cwd=cwd)
    assert (served(walked, "@rpath/libfoo.dylib") is not None) is found
    assert walked.message is None


@pytest.mark.parametrize(("restrict", "found"), [(False, True), (True, False)])
@every
def test_restrict_search(macos: str, restrict: bool, found: bool) -> None:
    tree = {
        f"{R}/lc/libfoo.dylib": dylib("/blah/libfoo.dylib"),
        f"{R}/rpath/libbar.dylib": dylib("@rpath/libbar.dylib"),
        f"{R}/main": executable(
            load("/blah/libfoo.dylib", weak=True),
            load("@rpath/libbar.dylib", weak=True),
            dyld_env=["DYLD_LIBRARY_PATH=@loader_path/lc"],
            rpaths=["@loader_path/rpath/"],
            restrict=restrict,
        ),
    }
    mac = make_mac(tree)
    security = security_of(image_at(mac, f"{R}/main"), None, None)
    assert (security is RESTRICTED) is restrict
    walked = launch(mac, f"{R}/main", macos, security=security)
    assert (served(walked, "/blah/libfoo.dylib") is not None) is found
    assert (served(walked, "@rpath/libbar.dylib") is not None) is found


@every
def test_cwd_relative_load(macos: str) -> None:
    tree = {f"{R}/libfoo.dylib": dylib("libfoo.dylib"), f"{R}/main": executable("libfoo.dylib")}
    finds(launch(make_mac(tree), f"{R}/main", macos, cwd=R), "libfoo.dylib", f"{R}/libfoo.dylib")
    assert launch(make_mac(tree), f"{R}/main", macos, cwd="/elsewhere").message is not None
    assert launch(make_mac(tree), f"{R}/main", macos, cwd=R, security=HARDENED).message is not None


# -- variables --


@pytest.mark.parametrize("variable", ["@executable_path", "@loader_path"])
@every
def test_lc_dyld_env_dyld_library_path(macos: str, variable: str) -> None:
    tree = {
        f"{R}/lib/libfoo.dylib": dylib("/cant/find/libfoo.dylib"),
        f"{R}/lib/libother.dylib": dylib("/cant/find/libother.dylib"),
        f"{R}/main": executable("/cant/find/libfoo.dylib", dyld_env=[f"DYLD_LIBRARY_PATH={variable}/lib"]),
    }
    mac = make_mac(tree)
    finds(launch(mac, f"{R}/main", macos), "/cant/find/libfoo.dylib", f"{R}/lib/libfoo.dylib")
    opened = dlopen(mac, "/other/libother.dylib", f"{R}/main", macos)
    assert opened.message is None
    assert paths(opened)[-1] == f"{R}/lib/libother.dylib"


@pytest.mark.parametrize(
    ("value", "found"),
    [("", f"{R}/door1/libfoo.dylib"), ("door2", "door2"), ("door3:door2", "door2"), ("door2:door1", "door2")],
)
@every
def test_env_dyld_library_path_goes_by_leaf_and_order(macos: str, value: str, found: str) -> None:
    tree = {
        f"{R}/door1/libfoo.dylib": dylib(f"{R}/door1/libfoo.dylib"),
        f"{R}/door2/libfoo.dylib": dylib(f"{R}/door2/libfoo.dylib"),
        f"{R}/main": executable(f"{R}/door1/libfoo.dylib"),
    }
    listed = ":".join(f"{R}/{d}" for d in value.split(":")) if value else "/none"
    environment = {"DYLD_LIBRARY_PATH": listed}
    walked = launch(make_mac(tree), f"{R}/main", macos, environment=environment)
    expected = found if found.startswith("/") else f"{R}/{found}/libfoo.dylib"
    finds(walked, f"{R}/door1/libfoo.dylib", expected)
    hardened = launch(make_mac(tree), f"{R}/main", macos, environment=environment, security=HARDENED)
    finds(hardened, f"{R}/door1/libfoo.dylib", f"{R}/door1/libfoo.dylib")


@every
def test_env_dyld_library_path_cache_a_library_of_the_os_is_overridden(macos: str) -> None:
    z = "/usr/lib/libz.1.dylib"
    tree = {
        f"{R}/override/libz.1.dylib": dylib(z, reexport(f"{R}/more.dylib")),
        f"{R}/more.dylib": dylib(f"{R}/more.dylib"),
        f"{R}/main": executable(z),
    }
    mac = make_mac(tree, system=libraries(z))
    finds(launch(mac, f"{R}/main", macos), z, z)
    over = launch(mac, f"{R}/main", macos, environment={"DYLD_LIBRARY_PATH": f"{R}/override/"})
    finds(over, z, f"{R}/override/libz.1.dylib")
    assert paths(over)[-1] == f"{R}/more.dylib"


@every
def test_env_dyld_framework_path_and_fallbacks(macos: str) -> None:
    foo = "/cant/find/Foo.framework/Foo"
    tree = {f"{R}/fw/Foo.framework/Foo": dylib(foo), f"{R}/main": executable(foo)}
    mac = make_mac(tree)
    assert launch(mac, f"{R}/main", macos).message is not None
    for variable in ("DYLD_FRAMEWORK_PATH", "DYLD_FALLBACK_FRAMEWORK_PATH"):
        for value in (f"{R}/fw", f"{R}/fw/", f"/none:{R}/fw"):
            walked = launch(mac, f"{R}/main", macos, environment={variable: value})
            finds(walked, foo, f"{R}/fw/Foo.framework/Foo")
    # a library path is not for frameworks
    assert launch(mac, f"{R}/main", macos, environment={"DYLD_LIBRARY_PATH": f"{R}/fw/Foo.framework"}).message


@every
def test_env_dyld_fallback_library_path(macos: str) -> None:
    tree = {
        f"{R}/fb/libfoo.dylib": dylib("/cant/find/libfoo.dylib"),
        f"{R}/main": executable("/cant/find/libfoo.dylib"),
    }
    environment = {"DYLD_FALLBACK_LIBRARY_PATH": f"{R}/fb/"}
    walked = launch(make_mac(tree), f"{R}/main", macos, environment=environment)
    finds(walked, "/cant/find/libfoo.dylib", f"{R}/fb/libfoo.dylib")


@pytest.mark.parametrize(("path", "found"), [("libfoo.dylib", True), ("/cant/find/libfoo.dylib", False)])
@every
def test_dlopen_dyld_fallback_library_path_is_for_bare_names(macos: str, path: str, found: bool) -> None:
    tree = {f"{R}/fb/libfoo.dylib": dylib("/any/libfoo.dylib"), f"{R}/main": executable()}
    environment = {"DYLD_FALLBACK_LIBRARY_PATH": f"{R}/fb"}
    walked = dlopen(make_mac(tree), path, f"{R}/main", macos, environment=environment)
    assert (walked.message is None) is found


@pytest.mark.parametrize(("sdk", "found"), [("13.0", True), ("14.0", False)])
def test_dlopen_framework_fallback_is_for_programs_of_an_old_sdk(sdk: str, found: bool) -> None:
    tree = {"/Library/Frameworks/Foo.framework/Foo": dylib("/x/Foo.framework/Foo"), f"{R}/main": executable(sdk=sdk)}
    for macos in ("13", "15", "26"):
        walked = dlopen(make_mac(tree), "/cant/find/Foo.framework/Foo", f"{R}/main", macos)
        assert (walked.message is None) is found


@pytest.mark.parametrize(
    ("suffix", "library", "framework"),
    [
        ("", "libfoo.dylib", "Bar"),
        ("_other", "libfoo_other.dylib", "Bar_other"),
        ("_alt", "libfoo_alt.dylib", "Bar_alt"),
        ("_alt:_other", "libfoo_alt.dylib", "Bar_alt"),
        ("_none", "libfoo.dylib", "Bar"),
    ],
)
@every
def test_env_dyld_image_suffix(macos: str, suffix: str, library: str, framework: str) -> None:
    foo, bar = f"{R}/libfoo.dylib", f"{R}/Bar.framework/Bar"
    tree = {f"{R}/main": executable(foo, bar)}
    tree |= {f"{R}/libfoo{s}.dylib": dylib(foo) for s in ("", "_other", "_alt")}
    tree |= {f"{R}/Bar.framework/Bar{s}": dylib(bar) for s in ("", "_other", "_alt")}
    environment = {"DYLD_IMAGE_SUFFIX": suffix} if suffix else {}
    walked = launch(make_mac(tree), f"{R}/main", macos, environment=environment)
    finds(walked, foo, f"{R}/{library}")
    finds(walked, bar, f"{R}/Bar.framework/{framework}")


# -- DYLD_INSERT_LIBRARIES --


@every
def test_env_dyld_insert_libraries_come_first_and_find_their_own(macos: str) -> None:
    tree = {
        f"{R}/one.dylib": dylib(f"{R}/one.dylib", f"{R}/dep.dylib"),
        f"{R}/two.dylib": dylib(f"{R}/two.dylib"),
        f"{R}/dep.dylib": dylib(f"{R}/dep.dylib"),
        f"{R}/own.dylib": dylib(f"{R}/own.dylib"),
        f"{R}/main": executable(f"{R}/own.dylib"),
    }
    environment = {"DYLD_INSERT_LIBRARIES": f"@executable_path/one.dylib:{R}/two.dylib:{R}/one.dylib"}
    walked = launch(make_mac(tree), f"{R}/main", macos, environment=environment)
    assert walked.message is None
    assert paths(walked) == [f"{R}/{x}" for x in ("main", "one.dylib", "two.dylib", "own.dylib", "dep.dylib")]
    inserted = [x for x in walked.loads if x.inserted]
    assert [x.outcome for x in inserted] == [Outcome.LOADED, Outcome.LOADED, Outcome.ALREADY_LOADED]


@pytest.mark.parametrize("path", ["@rpath/one.dylib", "@loader_path/one.dylib"])
@every
def test_dyld_insert_library_rpath_and_loader_path_mean_nothing(macos: str, path: str) -> None:
    tree = {f"{R}/one.dylib": dylib(path), f"{R}/main": executable(rpaths=[R])}
    walked = launch(make_mac(tree), f"{R}/main", macos, environment={"DYLD_INSERT_LIBRARIES": path})
    assert paths(walked) == [f"{R}/main"]
    # @rpath is a file's name there; @loader_path is nothing, and nothing tried is no error from dyld-1066.8 on
    silent = path.startswith("@loader_path") and macos not in {"11", "12", "12.3", "12.5", "13"}
    assert (walked.message is None) is silent


@every
def test_an_inserted_library_that_is_missing_is_passed_over_in_a_hardened_program(macos: str) -> None:
    tree = {f"{R}/main": executable(dyld_env=["DYLD_INSERT_LIBRARIES=/none"])}
    # the environment does not count there: only the program's own variable, which macOS 14.4 and later honour
    walked = launch(make_mac(tree), f"{R}/main", macos, security=HARDENED)
    assert walked.message is None
    assert [x.outcome for x in walked.loads if x.inserted] == [Outcome.WEAK_MISSING] * (
        profile_for(Version.parse(macos)).embedded_names == "DYLD_"
    )


# -- DYLD_VERSIONED_LIBRARY_PATH, DYLD_VERSIONED_FRAMEWORK_PATH --

VERSIONED = [
    ("", "10"), ("alt11", "11"), ("alt9", "10"), ("alt9:alt11", "11"), ("alt11:alt9", "11"),
    ("alt11:alt12", "12"), ("alt12:alt11", "12"), ("none:alt11", "11"),
]  # fmt: skip


def versioned_place(value: str) -> str:
    return f"{R}/libfoo.dylib" if value == "10" else f"{R}/alt{value}/libfoo.dylib"


@pytest.mark.parametrize("through", ["environment", "one command", "several commands"])
@pytest.mark.parametrize(("value", "found"), VERSIONED)
@every
def test_env_dyld_versioned_library_path(macos: str, value: str, found: str, through: str) -> None:
    name = f"{R}/libfoo.dylib"
    items = value.split(":") if value else []
    embedded = {
        "environment": [],
        "one command": [":".join(f"@loader_path/{i}" for i in items)] if items else [],
        "several commands": [f"@executable_path/{i}" for i in items],
    }[through]
    tree = {f"{R}/alt{v}/libfoo.dylib": dylib(name, id_current=v) for v in ("9", "11", "12")}
    tree |= {name: dylib(name, id_current="10")}
    tree[f"{R}/main"] = executable(name, dyld_env=[f"DYLD_VERSIONED_LIBRARY_PATH={e}" for e in embedded])
    environment = {"DYLD_VERSIONED_LIBRARY_PATH": ":".join(f"{R}/{i}" for i in items)} if through[0] == "e" else {}
    walked = launch(make_mac(tree), f"{R}/main", macos, environment=environment)
    finds(walked, name, versioned_place(found))
    tree[f"{R}/main"] = executable(dyld_env=[f"DYLD_VERSIONED_LIBRARY_PATH={e}" for e in embedded])
    opened = dlopen(make_mac(tree), name, f"{R}/main", macos, environment=environment)
    assert paths(opened)[-1] == versioned_place(found)


@pytest.mark.parametrize(
    ("security", "found"),
    [
        # AMFI 0x83 allows embedded variables, 0x01 does not
        (Security(fallback_paths=False, failed_insertion=False), True),
        (Security(path_variables=False, fallback_paths=False, embedded_variables=False), False),
    ],
)
@dyld4
def test_env_dyld_versioned_library_path_missing_dylibs(macos: str, security: Security, found: bool) -> None:
    name = f"{R}/libfoo2.dylib"
    main = executable(name, dyld_env=["DYLD_VERSIONED_LIBRARY_PATH=@loader_path/alt12"])
    tree = {f"{R}/alt12/libfoo2.dylib": dylib(name, id_current="12"), f"{R}/main": main}
    walked = launch(make_mac(tree), f"{R}/main", macos, security=security)
    assert (walked.message is None) is found
    if found:
        finds(walked, name, f"{R}/alt12/libfoo2.dylib")


@pytest.mark.parametrize(("value", "found"), VERSIONED)
@every
def test_env_dyld_versioned_framework_path(macos: str, value: str, found: str) -> None:
    name = f"{R}/Foo.framework/Foo"
    tree: Tree = {
        name: dylib(name, id_current="10"),
        f"{R}/alt9/Foo.framework/Foo": dylib(name, id_current="9"),
        f"{R}/alt11/Foo.framework/Versions/A/Foo": dylib(name, id_current="11"),
        f"{R}/alt11/Foo.framework/Foo": "Versions/A/Foo",
        f"{R}/alt12/Foo.framework/Foo": dylib(name, id_current="12"),
        f"{R}/alt12/readme": b"",
        f"{R}/main": executable(name),
    }
    environment = {"DYLD_VERSIONED_FRAMEWORK_PATH": ":".join(f"{R}/{i}" for i in value.split(":"))} if value else {}
    walked = launch(make_mac(tree), f"{R}/main", macos, environment=environment)
    place = {"10": name, "11": f"{R}/alt11/Foo.framework/Versions/A/Foo", "12": f"{R}/alt12/Foo.framework/Foo"}[found]
    finds(walked, name, place)


# -- dlopen --


@every
def test_dlopen_rpath_from_dylib_uses_the_caller_s(macos: str) -> None:
    tree = {
        f"{R}/dir/libbar.dylib": dylib("@rpath/libbar.dylib"),
        f"{R}/libtest.dylib": dylib(f"{R}/libtest.dylib", rpaths=["@loader_path/dir"]),
        f"{R}/main": executable(f"{R}/libtest.dylib"),
    }
    mac = make_mac(tree)
    opened = dlopen(mac, "@rpath/libbar.dylib", f"{R}/main", macos, caller=f"{R}/libtest.dylib")
    assert opened.message is None
    assert dlopen(mac, "@rpath/libbar.dylib", f"{R}/main", macos).message is not None


@pytest.mark.parametrize(
    ("path", "found"),
    [("libimplicit.dylib", "dir1/libimplicit.dylib"), ("dir2/libdeep.dylib", "dir1/dir2/libdeep.dylib")],
)
@every
def test_dlopen_rpath_implicit(macos: str, path: str, found: str) -> None:
    tree = {f"{R}/{found}": dylib(f"@rpath/{path}"), f"{R}/main": executable(rpaths=["@loader_path/dir1"])}
    opened = dlopen(make_mac(tree), path, f"{R}/main", macos)
    assert opened.message is None
    assert paths(opened)[-1] == f"{R}/{found}"


@dyld4
def test_dlopen_rpath_implicit_loaded(macos: str) -> None:
    tree = {
        f"{R}/dir1/libbar.dylib": dylib("@rpath/libbar.dylib"),
        f"{R}/libfoo.dylib": dylib(f"{R}/libfoo.dylib", "@rpath/libbar.dylib", rpaths=["@loader_path/dir1/"]),
        f"{R}/main": executable(f"{R}/libfoo.dylib"),
    }
    opened = dlopen(make_mac(tree), "libbar.dylib", f"{R}/main", macos)
    assert opened.message is None
    assert len(paths(opened)) == 3


@every
def test_dlopen_rpath_prev_a_loaded_library_answers_by_its_run_path_name(macos: str) -> None:
    tree = {
        f"{R}/dir1/libstat.dylib": dylib("@rpath/libstat.dylib"),
        f"{R}/dir2/libdyn.dylib": dylib("@rpath/libdyn.dylib", "@rpath/libstat.dylib"),
        f"{R}/libfoo.dylib": dylib(f"{R}/libfoo.dylib", "@rpath/libstat.dylib", rpaths=["@loader_path/dir1"]),
        f"{R}/main": executable(f"{R}/libfoo.dylib"),
    }
    opened = dlopen(make_mac(tree), f"{R}/dir2/libdyn.dylib", f"{R}/main", macos)
    assert opened.message is None
    assert [x.outcome for x in opened.loads if x.dylib.name == "@rpath/libstat.dylib"] == [
        Outcome.LOADED,
        Outcome.ALREADY_LOADED,
    ]


@every
def test_dlopen_rpath_prev_override_the_loaded_one_beats_a_file(macos: str) -> None:
    tree = {
        f"{R}/good/libx.dylib": dylib("@rpath/libx.dylib"),
        f"{R}/bad/libx.dylib": dylib("@rpath/libx.dylib"),
        f"{R}/libfoo.dylib": dylib(f"{R}/libfoo.dylib", "@rpath/libx.dylib", rpaths=["@loader_path/good"]),
        f"{R}/libdyn.dylib": dylib(f"{R}/libdyn.dylib", "@rpath/libx.dylib", rpaths=["@loader_path/bad"]),
        f"{R}/main": executable(f"{R}/libfoo.dylib"),
    }
    opened = dlopen(make_mac(tree), f"{R}/libdyn.dylib", f"{R}/main", macos)
    assert opened.message is None
    assert f"{R}/bad/libx.dylib" not in paths(opened)


@pytest.mark.parametrize(
    ("install_name", "run_paths", "found"),
    [
        ("@rpath/t.dylib", ["@loader_path/t/"], True),
        ("@loader_path/t/t.dylib", [], True),
        ("@rpath/t.dylib", [f"{R}/t"], True),
        ("@rpath/t.dylib", ["@executable_path/t/"], False),
        ("@executable_path/t/t.dylib", [], False),
    ],
)
@every
def test_dlopen_atpath_restricted(macos: str, install_name: str, run_paths: list[str], found: bool) -> None:
    tree = {
        f"{R}/t/t.dylib": dylib(install_name),
        f"{R}/t.bundle": bundle(install_name, rpaths=run_paths),
        f"{R}/main": executable(restrict=True),
    }
    opened = dlopen(make_mac(tree), f"{R}/t.bundle", f"{R}/main", macos, security=RESTRICTED)
    assert (opened.message is None) is found


@pytest.mark.parametrize(("security", "found"), [(evolve(RESTRICTED), False), (UNRESTRICTED, True)])
@dyld4
def test_amfi_hardened_dlopen_leaf_does_not_look_in_the_working_directory(
    macos: str, security: Security, found: bool
) -> None:
    tree = {f"{R}/libmy.dylib": dylib(f"{R}/libmy.dylib"), f"{R}/main": executable()}
    mac = make_mac(tree, system=libraries("/usr/lib/libz.dylib"))
    assert (dlopen(mac, "libmy.dylib", f"{R}/main", macos, cwd=R, security=security).message is None) is found
    assert dlopen(mac, "libz.dylib", f"{R}/main", macos, cwd=R, security=security).message is None


@pytest.mark.parametrize("security", [UNRESTRICTED, HARDENED])
@dyld4
def test_amfi_hardened_dlopen_relative_finds_what_is_loaded_under_that_name(macos: str, security: Security) -> None:
    tree = {
        f"{R}/libmy.dylib": dylib("sub/librelative.dylib"),
        f"{R}/main": executable(f"{R}/libmy.dylib"),
    }
    opened = dlopen(make_mac(tree), "sub/librelative.dylib", f"{R}/main", macos, security=security)
    assert opened.message is None
    assert len(paths(opened)) == 2


@every
def test_dlopen_bad_file(macos: str) -> None:
    tree = {f"{R}/text": b"no Mach-O\n" * 500, f"{R}/dir": None, f"{R}/main": executable()}
    mac = make_mac(tree)
    text = dlopen(mac, f"{R}/text", f"{R}/main", macos).message or ""
    assert "mach-o" in text or "unknown file type, first eight bytes: 0x6E 0x6F" in text
    assert "not a file" in (dlopen(mac, f"{R}/dir", f"{R}/main", macos).message or "")


@dyld4
def test_dlopen_realpath_aliases_of_a_cached_library_are_one(macos: str) -> None:
    system = Libraries({LIBSYSTEM: LIBSYSTEM, "/usr/lib/libSystem.dylib": LIBSYSTEM})
    mac = make_mac({f"{R}/main": executable(), "/usr/lib": None}, system=system)
    for path in ("/usr/lib/libSystem.dylib", "//usr/lib/libSystem.B.dylib", "/usr/./lib/libSystem.B.dylib"):
        opened = dlopen(mac, path, f"{R}/main", macos)
        assert opened.message is None, path
        assert len(opened.images) == 2


@every
def test_dlopen_symlink_is_one_image_under_its_real_path(macos: str) -> None:
    tree: Tree = {
        f"{R}/libreal.dylib": dylib(f"{R}/libother.dylib"),
        f"{R}/liblink.dylib": "libreal.dylib",
        f"{R}/main": executable(f"{R}/liblink.dylib"),
    }
    opened = dlopen(make_mac(tree), f"{R}/libreal.dylib", f"{R}/main", macos)
    assert opened.message is None
    assert paths(opened) == [f"{R}/main", f"{R}/libreal.dylib"]


def test_the_whole_way_through_resolve_tells_the_same() -> None:
    tree = {f"{R}/main": executable("@rpath/libfoo.dylib", rpaths=["/none"])}
    mac = make_mac(tree)
    (result,) = resolve_node(mac, mac.look(f"{R}/main"), "main", Target(macos="26"))
    assert result.launches is False
    assert result.message == launch(mac, f"{R}/main").message
    assert tried(launch(mac, f"{R}/main"), "@rpath/libfoo.dylib")[0] == ("/none/libfoo.dylib", "no such file")
