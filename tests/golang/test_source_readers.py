"""Words, settings, module files, flags cmd/go takes, ``.pc`` files and conditions of C, each by stated cases."""

from __future__ import annotations

import pytest

from machochain.golang.modules import (
    ModuleVersion,
    escape_path,
    parse_module_file,
    parse_vendor,
    standard_link_words,
)
from machochain.golang.pkgconfig import PkgConfig, compare_versions, split_fragments
from machochain.golang.preprocess import Macros, directives, evaluate, includes, known_macros, with_definitions
from machochain.golang.security import check_flags, matches, smallest_allowance
from machochain.golang.settings import SettingOrigin, Settings, feature_tags, parse_kept
from machochain.golang.words import split_directive, split_variable
from machochain.model.errors import UsageError

# -- words --


def test_variables_know_quotes_at_the_start_of_a_word_only() -> None:
    assert split_variable('"-L/a b" -l\\x -Lq"r s"') == ("-L/a b", "-l\\x", '-Lq"r', 's"')
    with pytest.raises(UsageError, match='unterminated " string'):
        split_variable('-la "x')


def test_directives_know_backslashes_and_quotes_anywhere() -> None:
    assert split_directive(r"""a b:"c d" 'e''f'  "g\"" """) == ("a", "b:c d", "ef", 'g"')
    assert split_directive("'a") is None
    assert split_directive("a\\") is None
    assert split_directive("a\u00a0b") == ("a", "b")
    assert split_directive("a\x1fb") == ("a\x1fb",)


# -- settings --


def test_an_empty_variable_does_not_clear_a_kept_value() -> None:
    kept = parse_kept("# comment\nCGO_LDFLAGS=-lkept\nGOFLAGS=-tags=a,b -mod=mod\n")
    settings = Settings({"CGO_LDFLAGS": ""}, kept)

    assert (settings.get("CGO_LDFLAGS").value, settings.get("CGO_LDFLAGS").origin) == ("-lkept", SettingOrigin.KEPT)
    assert (settings.tags, settings.mod) == (("a", "b"), "mod")
    assert settings.get("CGO_CFLAGS").value == "-O2 -g"
    assert settings.get("CGO_CPPFLAGS").value == ""
    assert Settings({}, {"SDKROOT": "/x"}).variable("SDKROOT") == "", "only the process has such"


def test_an_open_quote_has_go_s_words() -> None:
    with pytest.raises(UsageError) as told:
        Settings({"CGO_LDFLAGS": '"-la'}).words("CGO_LDFLAGS")
    assert str(told.value) == (
        'could not parse environment variable CGO_LDFLAGS with value "\\"-la": unterminated " string'
    )


def test_feature_tags_are_those_of_the_level_and_below() -> None:
    assert feature_tags(Settings({"GOAMD64": "v3"}), "amd64") == {"amd64.v1", "amd64.v2", "amd64.v3"}
    assert feature_tags(Settings({"GOAMD64": "v3"}), "arm64") == {"arm64.v8.0"}


# -- modules --


def test_a_module_file_is_read_with_blocks_comments_and_replacements() -> None:
    file = parse_module_file(
        'module "example.org/m" // c\ngo 1.22.0\ntoolchain go1.24.1\nrequire (\n\ta/b v1.0.0 // indirect\n)\n'
        "require c/d v2.0.0\nreplace (\n\ta/b => ./b\n\tc/d v2.0.0 => e/f v3.0.0\n)\n"
    )
    assert (file.module, file.minor, file.toolchain) == ("example.org/m", 22, "go1.24.1")
    assert file.require == {"a/b": "v1.0.0", "c/d": "v2.0.0"}
    assert file.replacement("a/b", "v1.0.0") == ModuleVersion("./b")
    assert file.replacement("c/d", "v2.0.0") == ModuleVersion("e/f", "v3.0.0")
    assert file.replacement("c/d", "v9") is None


def test_vendor_lists_packages_by_module() -> None:
    (one, two) = parse_vendor("# a/b v1.0.0\n## explicit; go 1.20\na/b\na/b/c\n# d/e v2.0.0 => ../e\nd/e\n")
    assert (one.path, one.packages, one.replaced) == ("a/b", ("a/b", "a/b/c"), None)
    assert two.replaced == ModuleVersion("../e")
    assert escape_path("github.com/Azure/x") == "github.com/!azure/x"


def test_the_standard_library_brings_words_to_a_link() -> None:
    def words(*imports: str, **more: object) -> tuple[str, ...]:
        given = {"test": False, "cgo": True, "goarch": "arm64", "minor": 27, **more}
        return standard_link_words(frozenset(imports), **given)  # type: ignore[arg-type]

    assert words("fmt") == ("-lresolv",)
    assert words("strings") == ()
    assert words("strings", test=True) == ("-lresolv",)
    assert words("strings", goarch="amd64") == ("-lpthread",)
    assert words("strings", minor=26) == ("-framework", "CoreFoundation")
    assert words("net/http")[-2:] == ("-framework", "Security")


# -- what cmd/go takes --


@pytest.mark.parametrize(
    ("verb", "words", "refused"),
    [
        ("LDFLAGS", ["-Wl,-rpath,/abs", "-lfoo", "-framework", "X", "x.so"], 0),
        ("LDFLAGS", ["-Wl,-rpath,@loader_path"], 1),
        ("LDFLAGS", ["-weak_framework", "X"], 2),
        ("LDFLAGS", ["x.obj"], 1),
        ("LDFLAGS", ["../x.a"], 1),
        ("LDFLAGS", ["-lto_library", "x"], 2),
        ("LDFLAGS", ["-mmacos-version-min=12"], 1),
        ("LDFLAGS", ["-Wl,--push-state,--as-needed"], 0),
        ("CFLAGS", ["-DX=1", "-I", "/x", "-std=c11", "-x", "objective-c", "-Wall", "-fobjc-arc"], 0),
        ("CFLAGS", ["-I=/x", "-I", "$SYSROOT/x"], 0),
        ("CFLAGS", ["-Wp,-x", "-fplugin=x", "@x"], 3),
        ("CFLAGS", ["-D"], 1),
        ("CFLAGS", [""], 0),
        ("LDFLAGS", [""], 1),
        ("pkg-config", ["--static"], 0),
        ("pkg-config", ["--log-file=x"], 1),
    ],
)
def test_flags_are_taken_or_refused_as_cmd_go_does(verb: str, words: list[str], refused: int) -> None:
    assert len(check_flags(verb, f"#cgo {verb}", words)) == refused


def test_an_allowance_is_matched_leftmost_first() -> None:
    word = "-Wl,-rpath,@loader_path"
    assert not matches("-Wl,-rpath|-Wl,-rpath,.*", word)
    assert matches("-Wl,-rpath,.*|-Wl,-rpath", word)
    allowed = smallest_allowance([word, "-weak_framework"])
    assert check_flags("LDFLAGS", "x", [word, "-weak_framework"], allow=allowed) == ()
    assert check_flags("LDFLAGS", "x", ["-lfoo"], disallow="-l.*")[0].message == (
        "invalid flag in x: -lfoo (see https://go.dev/s/invalidflag)"
    )


# -- pkg-config --

PC = {
    "/p/foo.pc": "prefix=/opt/foo\nlibdir=${prefix}/lib\nName: foo\nVersion: 1.2\nRequires: bar >= 1\n"
    "Requires.private: priv\nCflags: -I${prefix}/include -DFOO\nLibs: -L${libdir} \\\n  -lfoo\nLibs.private: -lm\n",
    "/p/bar.pc": "Name: bar\nVersion: 2\nCflags: -I/usr/include -I/opt/bar\nLibs: -L/usr/lib -lbar # no\n",
    "/p/priv.pc": "Name: priv\nVersion: 1\nProvides: virtual = 3\nCflags: -I/opt/priv\nLibs: -lpriv\n",
}


def pc(**more: str) -> PkgConfig:
    return PkgConfig(["/p"], PC.get, list_names=lambda _: [n.rsplit("/", 1)[1] for n in PC], **more)


def test_flags_of_pkg_config_follow_requirements() -> None:
    plain, static = pc().flags(["foo"]), pc().flags(["foo"], static=True)

    assert plain.cflags == ("-I/opt/foo/include", "-DFOO", "-I/opt/bar", "-I/opt/priv"), "private ones for headers, too"
    assert plain.libs == ("-L/opt/foo/lib", "-lfoo", "-lbar")
    assert static.libs == ("-L/opt/foo/lib", "-lfoo", "-lm", "-lbar", "-lpriv")


def test_paths_sysroots_versions_and_who_provides_a_name_count() -> None:
    assert pc().flags(["/p/bar.pc"]).libs == ("-lbar",)
    assert pc(sysroot="/sdk").flags(["foo"]).libs[0] == "-L/sdk/opt/foo/lib"
    assert pc().flags(["virtual"]).libs == ("-lpriv",)
    assert [p.name for p in pc().flags(["bar >= 3"]).problems] == ["bar"]
    assert pc().flags(["gone"]).problems[0].tried == ("/p/gone.pc",)
    assert [compare_versions(a, b) for a, b in [("1.10", "1.9"), ("1.0", "1.0a"), ("1~rc", "1"), ("2", "2")]] == [
        1,
        -1,
        -1,
        0,
    ]
    assert split_fragments("-DX='a b' -I/c\\ d \"e\"") == ("-DX=a b", "-I/c d", "e")


# -- conditions of C --


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("defined(__APPLE__) && !defined(_WIN32)", True),
        ("defined(__APPLE__) && defined(HAVE_X)", None),
        ("defined(_WIN32) && defined(HAVE_X)", False),
        ("defined(__APPLE__) || X > 3", True),
        ("X", None), ("0x10 == 16 && 010 == 8", True), ("1 ? 0 : X", False), ("X ? 1 : 1", True),
        ("TARGET_OS_IPHONE", False), ("__has_feature(modules)", None), ("(1 << 3) % 5 == 3", True), ("1 / 0", None),
        ("__has_include(<there.h>)", True), ("__has_include(<gone.h>)", False), ("-1 < 0", True), ("1 +", None),
        ("__x86_64__", False), ("__LP64__ == 1", True),
    ],
)  # fmt: skip
def test_conditions_are_true_false_or_unknown(text: str, truth: bool | None) -> None:
    assert evaluate(text, known_macros("arm64"), lambda name, _: name == "there.h") is truth


def names(text: str, macros: Macros | None = None) -> list[tuple[str, bool]]:
    found = includes(directives(text), macros or known_macros("arm64"), lambda *_: None)
    return [(i.name, i.certain) for i in found]


def test_definitions_that_were_seen_count() -> None:
    text = "#define A 1\n#if A\n#include <a.h>\n#endif\n#ifdef X\n#define B\n#endif\n#ifdef B\n#include <b.h>\n#endif\n"
    assert names(text) == [("a.h", True), ("b.h", False)]
    assert names("#undef __APPLE__\n#ifdef __APPLE__\n#include <a.h>\n#endif\n") == []
    assert names("#if W == 2\n#include <a.h>\n#endif\n", with_definitions(known_macros("arm64"), ("-DW=2",))) == [
        ("a.h", True)
    ]


def test_branches_exclude_each_other() -> None:
    text = "#if 1\n#include <a.h>\n#elif X\n#include <b.h>\n#else\n#include <c.h>\n#endif\n#include <d.h>\n"
    assert names(text) == [("a.h", True), ("d.h", True)]
    assert names(text.replace("#if 1", "#if X")) == [("a.h", False), ("b.h", False), ("c.h", False), ("d.h", True)]


def test_comments_strings_and_continued_lines_hide_directives() -> None:
    text = (
        '/*\n#include <a.h>\n*/\n// #include <b.h>\nchar *s = "\\\n#include <c.h>";\n'
        "#inc\\\nlude <d.h>\n  #  include <e.h> /* x */\n"
    )
    assert [name for name, _ in names(text)] == ["d.h", "e.h"]
    assert [d.line for d in directives("\n\n#include <x.h>\n/*\n\n*/\n#include <y.h>\n")] == [3, 7]


def test_an_include_of_a_macro_is_not_followed() -> None:
    assert names("#include HEADER\n") == [("HEADER", True)]
    assert names('#define H "a.h"\n#include H\n') == [("a.h", True)]
    assert names('#ifdef X\n#define H "a.h"\n#endif\n#include H\n') == [("H", True)]
    assert names("#define H G\n#define G H\n#include H\n") == [("H", True)]
