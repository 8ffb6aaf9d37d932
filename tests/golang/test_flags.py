from __future__ import annotations

import pytest

from machochain.golang.flags import (
    Framework,
    InputFile,
    InstallNameFlag,
    Library,
    LinkMode,
    OtherFlag,
    RunPathFlag,
    SearchDirectory,
    SystemRoot,
    parse_ldflags,
    refused_ldflags,
)


@pytest.mark.parametrize(
    "words",
    [
        "-Wl,-rpath,/a/lib",
        "-Wl,-rpath -Wl,/a/lib",
        "-Xlinker -rpath -Xlinker /a/lib",
        "-rpath /a/lib",
        "-Wl,-rpath -Xlinker /a/lib",
    ],
)
def test_every_spelling_of_a_run_path(words: str) -> None:
    assert parse_ldflags(words.split()) == (RunPathFlag("/a/lib", 0),)


def test_the_gnu_spelling_of_a_run_path_is_told_apart() -> None:
    assert parse_ldflags(["-Wl,-rpath=/a"]) == (RunPathFlag("/a", 0, with_equals=True),)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-L/a", SearchDirectory("/a", frameworks=False, word=0)),
        ("-L /a", SearchDirectory("/a", frameworks=False, word=0)),
        ("-F/a", SearchDirectory("/a", frameworks=True, word=0)),
        ("-lz", Library("z", LinkMode.PLAIN, 0)),
        ("-l z", Library("z", LinkMode.PLAIN, 0)),
        ("-weak-lz", Library("z", LinkMode.WEAK, 0)),
        ("-Wl,-weak-lz", Library("z", LinkMode.WEAK, 0)),
        ("-Wl,-reexport-lz", Library("z", LinkMode.REEXPORT, 0)),
        ("-Wl,-needed-lz", Library("z", LinkMode.NEEDED, 0)),
        ("-lazy-lz", Library("z", LinkMode.PLAIN, 0)),
        ("-framework Security", Framework("Security", LinkMode.PLAIN, 0)),
        ("-framework Security,_debug", Framework("Security", LinkMode.PLAIN, 0)),
        ("-weak_framework Security", Framework("Security", LinkMode.WEAK, 0)),
        ("-Wl,-weak_framework,Security", Framework("Security", LinkMode.WEAK, 0)),
        ("-weak_library /a/libz.dylib", InputFile("/a/libz.dylib", LinkMode.WEAK, 0)),
        ("-Wl,-force_load,/a/libz.a", InputFile("/a/libz.a", LinkMode.FORCED, 0)),
        ("/a/libz.1.dylib", InputFile("/a/libz.1.dylib", LinkMode.PLAIN, 0)),
        ("libz.a", InputFile("libz.a", LinkMode.PLAIN, 0)),
        ("-Wl,-syslibroot,/sdk", SystemRoot("/sdk", 0)),
        ("-isysroot /sdk", SystemRoot("/sdk", 0)),
        ("--sysroot=/sdk", SystemRoot("/sdk", 0)),
        ("-Wl,-install_name,@rpath/x", InstallNameFlag("@rpath/x", 0)),
        ("-arch arm64", OtherFlag(("-arch", "arm64"), 0)),
        ("-Wl,-sectcreate,__A,__b,/f", OtherFlag(("-sectcreate", "__A", "__b", "/f"), 0)),
        ("-lto_library /a/libLTO.dylib", OtherFlag(("-lto_library", "/a/libLTO.dylib"), 0)),
        ("-Wl,-ld_classic", OtherFlag(("-ld_classic",), 0)),
        ("-Wl,-x", OtherFlag(("-x",), 0)),
        ("-rpath", OtherFlag(("-rpath",), 0)),
        ("-Xlinker", OtherFlag(("-Xlinker",), 0)),
        ("-undefined", OtherFlag(("-undefined",), 0)),
    ],
)
def test_each_word_has_its_meaning(words: str, expected: object) -> None:
    assert parse_ldflags(words.split()) == (expected,)


def test_order_and_positions_are_kept() -> None:
    words = ["-L/a", "-Wl,-rpath,/a", "-lx", "-Wl,-undefined,dynamic_lookup", "-weak_framework", "Y", "z.o"]
    assert [(type(each).__name__, each.word) for each in parse_ldflags(words)] == [
        ("SearchDirectory", 0),
        ("RunPathFlag", 1),
        ("Library", 2),
        ("OtherFlag", 3),
        ("Framework", 4),
        ("InputFile", 6),
    ]


ALLOWED = (
    "-Wl,-rpath,/abs", "-isysroot /sdk", "-Wl,-syslibroot,/sdk", "-mmacosx-version-min=11", "-F/x", "-framework X",
    "-Wl,-undefined,dynamic_lookup", "/path/libx.dylib", "./libx.tbd", "-lfoo@2", "-L/a", "-l z", "-Wl,-rpath -Wl,/a",
    "-Wl,-framework,X", "-Wl,-framework -Wl,X", "-O2", "-g", "-pthread", "-Wl,-s", "-Wl,-z,relro,-z,now",
    "-Wl,-headerpad_max_install_names", "-Wl,-search_paths_first", "-flat_namespace", "-stdlib=libc++", "-lc++",
    "-Wl,--push-state,--as-needed", "-static-libgcc", "-Wl,--warn-common",
    "-Wl,-rpath=/abs", "-Lrelative", "-L@x", "-L @x", "-target arm64-apple-macos11", "-Wl,-sectcreate,__A,__b,/f",
)  # fmt: skip
REFUSED = (
    "-Wl,-rpath,@loader_path/..", "-Wl,-rpath,@executable_path", "-Wl,-rpath -Wl,@loader_path", "-Xlinker -rpath",
    "-rpath /a", "-weak_framework X", "-weak-lX", "-Wl,-weak-lX", "-Wl,-needed-lX", "-Wl,-weak_framework,X",
    "-Wl,-install_name,/a", "-Wl,-no_warn_duplicate_libraries", "-Wl,-ld_classic", "-Wl,-dead_strip",
    "-Wl,-dead_strip_dylibs", "-Wl,-U,_x", "-undefined dynamic_lookup", "-Wl,-reexport-lX", "-lto_library /a",
    "../x.a", "-mmacos-version-min=11", "-I/x", "-l@x", "-l-x", "-F@x", "-F @x", "-framework -x", "-framework",
    "-isysroot @x",
    "-Wl,-rpath,/a,-lx", "@file", "-Wl,--push-state,-lx", "libx.dylib.txt", "-Wl,-rpath -Wl,/a,/b",
)  # fmt: skip


@pytest.mark.parametrize("words", ALLOWED)
def test_cmd_go_allows(words: str) -> None:
    assert refused_ldflags(words.split()) == ()


@pytest.mark.parametrize("words", REFUSED)
def test_cmd_go_refuses(words: str) -> None:
    refusals = refused_ldflags(words.split())
    assert refusals
    assert refusals[0].message.startswith(f"invalid flag in #cgo LDFLAGS: {words.split(maxsplit=1)[0]}")


def test_a_refusal_shows_the_argument_that_is_the_reason() -> None:
    (refusal,) = refused_ldflags(["-lz", "-Wl,-rpath", "-Wl,@loader_path"])
    assert (refusal.words, refusal.word) == (("-Wl,-rpath", "-Wl,@loader_path"), 1)
    (alone,) = refused_ldflags(["-framework"])
    assert alone.message == (
        "invalid flag in #cgo LDFLAGS: -framework without argument (see https://go.dev/s/invalidflag)"
    )


def test_the_overriding_patterns_must_match_whole_words() -> None:
    words = ["-Wl,-rpath,@loader_path"]
    assert refused_ldflags(words, allow="-Wl,-rpath,@loader_path.*") == ()
    assert refused_ldflags(words, allow="-Wl,-rpath") != ()
    assert refused_ldflags(["-lz"], disallow="-l.*") != ()
    assert refused_ldflags(words, allow=".*", disallow=".*rpath.*") != ()
