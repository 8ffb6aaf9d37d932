"""``#cgo`` lines and files of a package: every expected value was measured with go/build of Go 1.27."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from machochain.golang.constraint import BuildContext, release_tags
from machochain.golang.package import GoPackage, Heads, read_package

TARGETS = {
    name: BuildContext(name.partition("/")[0], name.partition("/")[2], True, release_tags(27))
    for name in ("darwin/arm64", "darwin/amd64", "linux/amd64")
}
HEAD = "package x\n\n"


def read(
    files: Mapping[str, str | bytes],
    target: str = "darwin/arm64",
    directory: str = "/t",
    tags: frozenset[str] = frozenset(),
) -> GoPackage:
    data = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    context = TARGETS[target]
    if tags:
        context = BuildContext(context.goos, context.goarch, True, context.tags | tags)
    return read_package(directory, data, Heads(data.__getitem__), context)


def ldflags(source: str, target: str = "darwin/arm64") -> tuple[str, ...]:
    return read({"x.go": HEAD + source}, target).flags("LDFLAGS")


def directive(*lines: str) -> str:
    return "".join(f"// {line}\n" for line in lines) + 'import "C"\n'


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('// #cgo LDFLAGS: -lone\n\nimport "C"\n', ()),
        (directive("#cgo darwin,!arm64 linux LDFLAGS: -la", "#cgo !darwin LDFLAGS: -lb", "#cgo go1.20 LDFLAGS: -lc",
                   "#cgo go1.99 LDFLAGS: -ld"), ("-lc",)),
        (directive("#cgo (linux||darwin) LDFLAGS: -la", "#cgo linux||darwin LDFLAGS: -lb",
                   "#cgo darwin||  linux LDFLAGS: -lc", "#cgo !!darwin LDFLAGS: -ld", "#cgo darwin,, LDFLAGS: -le"),
         ("-la", "-lb")),
        ('// #cgo LDFLAGS: -la\nimport (\n\t"fmt"\n\t// #cgo LDFLAGS: -lb\n\t"C"\n)\n', ("-lb",)),
        ('// #cgo LDFLAGS: -la\nimport (\n\t"C"\n)\n', ("-la",)),
        ('import "C" // #cgo LDFLAGS: -la\n', ()),
        ('/* #cgo LDFLAGS: -la */ import "C"\n', ()),
        ('// #cgo LDFLAGS: -la\n//export foo\n//go:build linux\n// #cgo LDFLAGS: -lb\nimport "C"\n', ("-la", "-lb")),
        ('/* x */\n// #cgo LDFLAGS: -la\n/*\n#cgo LDFLAGS: -lb\n*/\nimport "C"\n', ("-la", "-lb")),
        ('// # cgo LDFLAGS: -la\n// #cgo\tLDFLAGS : -lb\n//#cgo LDFLAGS:-lc\nimport "C"\n', ("-lb", "-lc")),
        ('// #cgo LDFLAGS: -la\nimport "C"\n\n// #cgo LDFLAGS: -lb\nimport "C"\n', ("-la", "-lb")),
        (directive('#cgo LDFLAGS: "-L/x y" -l"a b"'), ("-L/x y", "-la b")),
        (directive("#cgo LDFLAGS: -Lrel -I rel2 -Frel3 -L${SRCDIR}/x lib/x.a"),
         ("-L/t/rel", "-I", "/t/rel2", "-Frel3", "-L/t/x", "lib/x.a")),
        ('// #cgo LDFLAGS: -la\r\nimport "C"\r\n', ("-la",)),
        (directive("#cgo noescape f", "#cgo LDFLAGS: -la"), ("-la",)),
    ],
)  # fmt: skip
def test_lines_count_as_go_counts_them(source: str, words: tuple[str, ...]) -> None:
    assert ldflags(source) == words


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("darwin && amd64", {"darwin/arm64", "darwin/amd64", "linux/amd64"}),
        ("darwin&&amd64", {"darwin/amd64"}),
        ("darwin,amd64", {"darwin/amd64"}),
        ("darwin linux", {"darwin/arm64", "darwin/amd64", "linux/amd64"}),
        ("unix", {"darwin/arm64", "darwin/amd64", "linux/amd64"}),
        ("windows", set()),
    ],
)
def test_blanks_between_conditions_mean_or(condition: str, holds: set[str]) -> None:
    source = directive(f"#cgo {condition} LDFLAGS: -la")
    assert {t for t in TARGETS if ldflags(source, t)} == holds


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("#cgo LDFLAGS: -la \\", "/t/x.go: invalid #cgo line: #cgo LDFLAGS: -la \\"),
        ("#cgo LDFLAGS: -la$(pwd)", "/t/x.go: malformed #cgo argument: -la$(pwd)"),
        ('#cgo pkg-config: "bar >= 2"', "/t/x.go: malformed #cgo argument: bar >= 2"),
        ("#cgo ldflags: -la", "/t/x.go: invalid #cgo verb: #cgo ldflags: -la"),
        ("#cgo LDFLAGS -la", "/t/x.go: invalid #cgo line: #cgo LDFLAGS -la"),
        ("#cgo LDFLAGS: 'a", "/t/x.go: invalid #cgo line: #cgo LDFLAGS: 'a"),
    ],
)
def test_errors_have_go_s_words(line: str, error: str) -> None:
    package = read({"x.go": HEAD + directive(line)})
    assert [p.text for p in package.problems] == [error]
    assert package.problems[0].line == 3
    assert package.invalid_go_files == ["x.go"]


def test_a_directory_with_a_bracket_cannot_be_srcdir() -> None:
    package = read({"x.go": HEAD + directive("#cgo LDFLAGS: -L${SRCDIR}/x")}, directory="/t (x)")
    assert package.problems[0].text == "/t (x)/x.go: malformed #cgo argument: -L/t (x)/x"


def test_a_test_file_cannot_import_c() -> None:
    package = read({"x_test.go": HEAD + directive("#cgo LDFLAGS: -la"), "x.go": "package x\n"})
    assert package.problems[0].text == "use of cgo in test /t/x_test.go not supported"
    assert package.cgo_tests == ["x_test.go"]


def test_names_of_files_are_constraints() -> None:
    files = {
        "a_darwin_arm64.go": HEAD + directive("#cgo LDFLAGS: -la"),
        "darwin.go": HEAD + directive("#cgo LDFLAGS: -lb"),
        "x_darwin.foo.go": HEAD + directive("#cgo LDFLAGS: -lc"),
        "y_linux.go": HEAD + directive("#cgo LDFLAGS: -ld"),
        "z_linux.c": "int z;\n",
        "z_darwin.c": "int z;\n",
        "_no.c": "", ".no.go": "", "x.mm": "", "x.inl": "",
    }  # fmt: skip
    package = read(files)
    assert package.flags("LDFLAGS") == ("-la", "-lb", "-lc")
    assert (package.c_files, package.ignored_other_files) == (["z_darwin.c"], ["z_linux.c"])
    assert package.ignored_go_files == ["y_linux.go"]


def test_old_constraints_need_a_blank_line() -> None:
    assert read({"x.go": "// +build linux\npackage x\n"}).go_files == ["x.go"]
    assert read({"x.go": "// +build linux\n\npackage x\n"}).ignored_go_files == ["x.go"]
    two = read({"x.go": "//go:build linux\n//go:build darwin\n\npackage x\n"})
    assert two.problems[0].text == "x.go: multiple //go:build comments"


def test_feature_and_own_tags_hold() -> None:
    source = {"x.go": HEAD + directive("#cgo amd64.v3 LDFLAGS: -la", "#cgo own LDFLAGS: -lb")}
    assert read(source).flags("LDFLAGS") == ()
    assert read(source, "darwin/amd64", tags=frozenset({"amd64.v3", "own"})).flags("LDFLAGS") == ("-la", "-lb")


def test_words_keep_where_they_come_from() -> None:
    package = read({"x.go": HEAD + '/*\n#include <a.h>\n#cgo darwin LDFLAGS: -L${SRCDIR}/l -la\n*/\nimport "C"\n'})
    assert [(w.written, w.text, w.file, w.line, w.condition) for w in package.words] == [
        ("-L${SRCDIR}/l", "-L/t/l", "x.go", 5, "darwin"), ("-la", "-la", "x.go", 5, "darwin"),
    ]  # fmt: skip


def test_comments_that_do_not_count_are_told() -> None:
    assert read({"x.go": HEAD + '// #cgo LDFLAGS: -la\n\nimport "C"\n'}).detached == [("x.go", 3)]
    assert read({"x.go": HEAD + directive("#cgo LDFLAGS: -la")}).detached == []


def test_assembly_is_for_cgo_packages_only() -> None:
    files = {"x.go": HEAD + 'import "C"\n', "a.S": "", "b.s": ""}
    assert read(files).s_files == ["a.S", "b.s"]
    assert read({**files, "x.go": HEAD}).ignored_other_files == ["a.S"]


def test_imports_behind_strings_and_comments_are_found() -> None:
    package = read(
        {"x.go": 'package x; import `os`; import ("fmt" /* a */; . "strings"; _ "x/y")\nvar s = "import \\"no\\""\n'}
    )
    assert sorted(package.imports) == ["fmt", "os", "strings", "x/y"]
