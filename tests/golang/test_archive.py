from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machochain.golang.archive import read_archive, read_object
from machochain.model.go import (
    DynamicLinker,
    ExportDynamic,
    ExportStatic,
    GoArchive,
    ImportDynamic,
    ImportStatic,
    LdFlag,
)
from tests.golang.looking import members_of, reading

TESTDATA = Path(__file__).parents[2] / "testdata" / "go"
HEAD = b'go object darwin arm64 go1.27.3 GOARM64=v8.0 X:regabiwrappers\nbuild id "a/b"\n\n'
MACHO = b"\xcf\xfa\xed\xfe" + bytes(28)


def archive_of(*members: tuple[str, bytes]) -> GoArchive | None:
    return read_archive((name, reading(content)) for name, content in members)


def go_object(cgo: bytes, *, end: bytes = b"\n\n$$\n\n\n!\n", code: bytes = b"\0go120ld$$  // cgo") -> bytes:
    return HEAD + b"\n$$\n\n$$\n\n\n$$  // cgo\n" + cgo + end + code


def real(name: str) -> GoArchive:
    archive = read_archive((each, reading(body)) for each, body in members_of((TESTDATA / name).read_bytes()))
    assert archive is not None
    return archive


def test_a_real_package_archive_names_its_flags_and_dylibs() -> None:
    archive = real("greet.a")
    assert archive.kind == "package"
    assert archive.version == "go1.27.3"
    assert archive.ld_flags == ("-L/opt/greet/lib", "-Wl,-rpath,/opt/greet/lib", "-lgreet.1")
    assert [each.loads for each in archive.directives if isinstance(each, ImportDynamic) and each.loads] == [
        "/usr/lib/libSystem.B.dylib",
        "@rpath/libgreet.1.dylib",
    ]
    assert ImportStatic("_cgo_fd3580785748_Cfunc_greet_add") in archive.directives
    assert archive.c_members == ("_x001.o", "_x002.o")
    assert archive.uses_cgo
    assert (archive.prefer_external, archive.imports_unknown) == (False, False)
    definition, code = archive.objects
    assert (definition.member, definition.has_export_data, definition.pragmas) == ("__.PKGDEF", True, ())
    assert (code.goos, code.goarch, code.has_export_data, code.main) == ("darwin", "arm64", False, False)
    assert code.words[0] == "GOARM64=v8.0"
    assert code.build_id == definition.build_id
    assert code.pragmas[0] == ("cgo_ldflag", "-L/opt/greet/lib")
    assert all(each.facts == () for each in archive.objects)


def test_a_run_path_that_cmd_go_does_not_trust_leaves_two_sentinels_and_no_dylibs() -> None:
    archive = real("greet-loader-rpath.a")
    assert (archive.prefer_external, archive.imports_unknown) == (True, True)
    assert not any(isinstance(each, ImportDynamic) for each in archive.directives)
    assert "-Wl,-rpath,@loader_path/../lib" in archive.ld_flags


def test_every_directive_has_its_type() -> None:
    found = read_object(
        "_go_.o",
        reading(
            go_object(
                rb'[["cgo_import_dynamic","a"],["cgo_import_dynamic","a","b#V1"],["cgo_import_dynamic","_","_","L"],'
                rb'["cgo_import_static","s"],["cgo_export_static","x"],["cgo_export_dynamic","x","y","ABI0"],'
                rb'["cgo_ldflag","-la\u0026b"],["cgo_dynamic_linker","/usr/lib/dyld"]]'
            )
        ),
    )
    assert found.directives == (
        ImportDynamic("a", "a"),
        ImportDynamic("a", "b", version="V1"),
        ImportDynamic("_", "_", "L"),
        ImportStatic("s"),
        ExportStatic("x", "x"),
        ExportDynamic("x", "y", "ABI0"),
        LdFlag("-la&b"),
        DynamicLinker("/usr/lib/dyld"),
    )
    assert found.facts == ()


@pytest.mark.parametrize(
    ("cgo", "text"),
    [
        (b'[["cgo_ldflag",', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 5000, "no JSON"),
        (b'{"a": 1}', "no list of lists"),
        (b'[["cgo_ldflag", 1]]', "no list of lists"),
        (b"[[]]", "no list of lists"),
        (b'[["cgo_ldflag"]]', "does not know the directive cgo_ldflag"),
        (b'[["cgo_import_dynamic","a","b","c","d"]]', "does not know the directive"),
        (b'[["cgo_new","x"]]', "does not know the directive cgo_new x"),
    ],
)
def test_a_broken_cgo_section_is_a_fact(cgo: bytes, text: str) -> None:
    found = read_object("_go_.o", reading(go_object(cgo)))
    assert found.directives == ()
    assert text in found.facts[0].text
    assert found.version == "go1.27.3"


def test_a_broken_cgo_section_tells_where() -> None:
    content = go_object(b'[["cgo_ldflag", ?]]')
    (fact,) = read_object("_go_.o", reading(content)).facts
    assert fact.offset == content.index(b"?")


def test_pragmas_are_looked_for_in_the_text_only() -> None:
    code = b"\n$$  // cgo\n" + b'[["cgo_ldflag","-lfake"]]' + b"\n$$\n"
    found = read_object("_go_.o", reading(HEAD + b"\n!\n" + code))
    assert found.pragmas == ()


def test_a_cgo_section_without_its_end_is_read_up_to_the_end_of_the_text() -> None:
    found = read_object("_go_.o", reading(go_object(b'[["cgo_ldflag","-lz"]]', end=b"\n!\n")))
    assert found.directives == (LdFlag("-lz"),)
    assert found.facts[0].text == "the cgo section does not end"


def test_an_object_that_is_all_text_is_read_once() -> None:
    found = read_object("x.o", reading(HEAD + b"x" * 200_000))
    assert [fact.text for fact in found.facts] == ["the text at the start of the Go object does not end"]
    assert found.goarch == "arm64"


def test_an_object_without_end_is_given_up_after_eight_mebibytes() -> None:
    asked = 0

    def endless(offset: int, size: int) -> bytes:
        nonlocal asked
        asked = offset + size
        return HEAD if offset == 0 else b"x" * size

    assert read_object("x.o", endless).facts
    assert asked < 9 << 20


def test_a_cgo_section_that_is_a_headline_only() -> None:
    found = read_object("_go_.o", reading(HEAD + b"\n$$  // cgo"))
    assert found.pragmas == ()
    assert [fact.text for fact in found.facts][-1] == "the cgo section does not end"


def test_headers_of_older_releases_have_fewer_words() -> None:
    found = read_object("_go_.o", reading(b'go object darwin amd64 go1.21.13\nbuild id "x"\nmain\n\n\n!\n'))
    assert (found.goarch, found.version, found.words, found.main) == ("amd64", "go1.21.13", (), True)
    short = read_object("_go_.o", reading(b"go object darwin\n\n!\n"))
    assert (short.goos, short.goarch, short.version, short.build_id) == ("darwin", "", "", None)


def test_a_c_archive_is_known_by_gos_object_in_it() -> None:
    go_o = MACHO + b"__go_buildinfo\0\0__DATA"
    archive = archive_of(("go.o", go_o), ("000000.o", MACHO), ("000001.o", MACHO))
    assert archive is not None
    assert (archive.kind, archive.c_members, archive.version) == ("c-archive", ("000000.o", "000001.o"), None)
    assert archive.uses_cgo


def test_other_archives_are_not_gos() -> None:
    assert archive_of(("a.o", MACHO), ("b.o", MACHO)) is None
    assert archive_of(("go.o", MACHO)) is None
    assert archive_of() is None


def test_a_package_without_cgo_uses_none() -> None:
    archive = archive_of(("__.PKGDEF", HEAD + b"\n$$B\nexport data"), ("_go_.o", HEAD + b"\n!\ncode"))
    assert archive is not None
    assert not archive.uses_cgo
    assert archive.objects[0].has_export_data


@given(st.binary(max_size=400))
def test_no_object_makes_the_reader_fail(rest: bytes) -> None:
    for content in (b"go object " + rest, go_object(rest), HEAD + rest):
        assert read_object("_go_.o", reading(content)).member == "_go_.o"
