from __future__ import annotations

import struct
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from machochain.golang.buildinfo import MAGIC, format_build_info, parse_module_info, read_traces
from machochain.macho.details import sections
from machochain.model.go import GoBuildInfo, GoModule, GoTraces
from machochain.model.image import FileType
from tests.factory.macho import MachO, Section
from tests.golang.looking import opened, reading, traces_of

BEGIN = b"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6"
END = b"\xf92C1\x86\x18 r\x00\x82B\x10A\x16\xd8\xf2"
LINES = (
    "path\texample.org/hello/cmd/hello\n"
    "mod\texample.org/hello\t(devel)\t\n"
    "dep\tgolang.org/x/sys\tv0.1.0\th1:abc=\n"
    "dep\texample.org/old\tv1.0.0\n"
    "=>\t../new\t\t\n"
    "build\t-buildmode=exe\n"
    'build\tCGO_LDFLAGS="-L/x -lgreet \\"q\\""\n'
    "build\tGOOS=darwin\n"
)
PARSED = GoBuildInfo(
    version="",
    path="example.org/hello/cmd/hello",
    main=GoModule("example.org/hello", "(devel)"),
    dependencies=(
        GoModule("golang.org/x/sys", "v0.1.0", "h1:abc="),
        GoModule("example.org/old", "v1.0.0", replaced_by=GoModule("../new")),
    ),
    settings=(("-buildmode", "exe"), ("CGO_LDFLAGS", '-L/x -lgreet "q"'), ("GOOS", "darwin")),
)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def inline(version: bytes = b"go1.27.3", lines: str = LINES) -> bytes:
    framed = BEGIN + lines.encode() + END if lines else b""
    return (MAGIC + b"\x08\x02").ljust(32, b"\0") + varint(len(version)) + version + varint(len(framed)) + framed


def image_with(content: bytes, *, name: str = "__go_buildinfo", segment: str = "__DATA", **more: Any) -> bytes:
    return MachO(sections=[Section(segment, name, content, align=4)], **more).bytes()


def pointed(*, big: bool = False, width: int = 8, bias: int = 0, wild: bool = False) -> bytes:
    """A file with the blob of Go 1.17 and older; ``bias`` is what a linker left in the high bits of pointers."""
    version, modules = b"go1.17.13", BEGIN + LINES.encode() + END

    def at(base: int) -> bytes:
        letter = ">" if big else "<"
        pair = f"{letter}2{'Q' if width == 8 else 'I'}"
        start = 32 + 4 * width
        header = MAGIC + bytes((width, int(big)))
        heads = struct.pack(pair, base + 32 + bias, base + 32 + 2 * width + bias)
        first = struct.pack(pair, base + start + bias, 1 << 40 if wild else len(version))
        second = struct.pack(pair, base + start + len(version) + bias, len(modules))
        return (header + heads).ljust(32, b"\0") + first + second + version + modules

    image, _ = opened(image_with(at(1 << 33 if width == 8 else 0)))
    place = next(each for each in sections(image) if each.name == "__go_buildinfo")
    return image_with(at(place.addr))


@pytest.mark.parametrize("segment", ["__DATA", "__DATA_CONST", "__GO"])
def test_the_section_is_found_in_any_segment(segment: str) -> None:
    build = traces_of(image_with(inline(), segment=segment)).build
    assert build is not None
    assert (build.version, build.path, build.settings) == ("go1.27.3", PARSED.path, PARSED.settings)
    assert (build.main, build.dependencies, build.inline) == (PARSED.main, PARSED.dependencies, True)


def test_the_section_of_an_object_file_is_read_by_its_offset_in_the_file() -> None:
    data = image_with(inline(), file_type=FileType.MH_OBJECT, tweak={"__DATA": {"name": ""}})
    assert traces_of(data).build is not None


def test_without_the_section_the_first_writable_segment_is_searched_in_steps_of_16_bytes() -> None:
    misaligned = b"\0" * 8 + MAGIC + b"\0" * 10
    build = traces_of(image_with(misaligned + inline(), name="__noptrdata")).build
    assert build is not None
    assert build.offset % 16 == 0


def test_a_blob_at_an_odd_place_is_none() -> None:
    assert traces_of(image_with(b"\0" * 8 + inline(), name="__noptrdata")).build is None


@pytest.mark.parametrize(("big", "width"), [(False, 8), (True, 8)])
def test_the_form_of_old_releases_points_at_its_strings(big: bool, width: int) -> None:
    build = traces_of(pointed(big=big, width=width)).build
    assert build is not None
    assert (build.version, build.inline, build.settings) == ("go1.17.13", False, PARSED.settings)


@pytest.mark.parametrize("bias", [1 << 51, -0x1_0000_0000])
def test_pointers_that_are_links_of_a_chain_are_followed(bias: int) -> None:
    image, read = opened(pointed(bias=bias))
    assert read_traces(image, sections(image), read).build is None
    chained = evolve(image, linkedit=evolve(image.linkedit, chained_fixups=(0, 0)))
    build = read_traces(chained, sections(chained), read).build
    assert build is not None
    assert build.settings == PARSED.settings


def test_wild_lengths_and_pointers_are_facts() -> None:
    for data in (
        pointed(wild=True),
        pointed(bias=1 << 52),
        image_with((MAGIC + b"\x08\x02").ljust(32, b"\0") + b"\xff" * 9 + b"\x01"),
        image_with((MAGIC + b"\x08\x02").ljust(32, b"\0") + b"\xff" * 16),
        image_with((MAGIC + b"\x03\x00").ljust(32, b"\0")),
        image_with(b"nothing of the kind"),
        image_with(inline(version=b"")),
    ):
        traces = traces_of(data)
        assert traces.build is None
        assert traces.facts
        assert all(fact.offset is not None for fact in traces.facts)


def test_a_blob_whose_module_information_is_broken_keeps_the_version() -> None:
    traces = traces_of(image_with(inline(lines="build\tbad\n")))
    assert traces.build is not None
    assert (traces.build.version, traces.build.settings) == ("go1.27.3", ())
    assert "line 1" in traces.facts[0].text


def test_a_build_without_modules_has_a_version_only() -> None:
    traces = traces_of(image_with(inline(lines="")))
    assert traces.build is not None
    assert (traces.build.version, traces.build.path, traces.facts) == ("go1.27.3", "", ())


def test_module_information_is_parsed_and_printed_as_go_does() -> None:
    assert parse_module_info(LINES) == (PARSED, None)
    text = format_build_info(traces_of(image_with(inline())).build or PARSED, "x")
    first, *rest = text.split("\n")
    assert first == "x: go1.27.3"
    # Go leaves an empty line behind a replacement.
    expected = LINES.replace("=>\t../new\t\t\n", "=>\t../new\t\t\n\n")
    assert [line.removeprefix("\t") for line in rest] == expected.split("\n")


@pytest.mark.parametrize(
    "line",
    ["mod\tonly", "dep\ta\tb\tc\td", "=>\ta\tb\tc", "build\t", "build\t=x", "build\ta b=c", 'build\t"k', 'build\t"k"x',
     "build\tk=a b", 'build\tk="a', "=>\ta"],
)  # fmt: skip
def test_broken_lines_end_the_reading_with_their_number(line: str) -> None:
    info, problem = parse_module_info(f"path\tp\n{line}\nbuild\tlater=1\n")
    assert info == GoBuildInfo(version="", path="p")
    assert problem is not None
    assert problem.startswith("line 2 ")


def test_experiments_come_from_the_version_and_the_settings() -> None:
    info = GoBuildInfo(version="go1.22.1 X:rangefunc,arenas", settings=(("GOEXPERIMENT", "arenas,loopvar"),))
    assert info.release == "go1.22.1"
    assert info.experiments == ("rangefunc", "arenas", "loopvar")


@pytest.mark.parametrize(
    ("magic", "oldest", "newest"),
    [(0xFFFFFFFB, 2, 15), (0xFFFFFFFA, 16, 17), (0xFFFFFFF0, 18, 19), (0xFFFFFFF1, 20, None)],
)
def test_the_function_table_tells_the_releases(magic: int, oldest: int, newest: int | None) -> None:
    traces = traces_of(image_with(struct.pack("<I", magic) + bytes(60), name="__gopclntab", segment="__DATA_CONST"))
    assert (traces.build, traces.oldest, traces.newest) == (None, oldest, newest)
    assert any("function table has the form" in each for each in traces.evidence)
    assert "no build information" in traces.evidence


def test_a_strange_function_table_is_a_fact() -> None:
    traces = traces_of(image_with(b"\x01\x02\x03\x04", name="__gopclntab"))
    assert [fact.text for fact in traces.facts] == [
        "the function table begins with 0x04030201, which no known Go writes"
    ]


def test_one_version_in_the_read_only_data_is_a_hint_and_two_are_not() -> None:
    table = Section("__DATA_CONST", "__gopclntab", struct.pack("<I", 0xFFFFFFF1) + bytes(60), align=4)
    for words, hint in (
        (b"..go1.26.5fatal error", "go1.26.5"),
        (b"..go1.26.5 go1.21", "go1.26.5"),
        (b"go1.2.1 go1.3.4", None),
        (b"go1.2.123", None),
    ):
        rodata = Section("__DATA_CONST", "__rodata", words)
        traces = traces_of(MachO(sections=[table, rodata]).bytes())
        assert traces.version_hint == hint


def test_a_file_without_any_mark_is_not_go() -> None:
    traces = traces_of(MachO(sections=[Section("__TEXT", "__rodata", b"go1.26.5 ")]).bytes())
    assert not traces.is_go
    assert traces.evidence == ()


@given(st.binary(max_size=200), st.integers(0, 3))
def test_no_blob_makes_the_reader_fail(rest: bytes, flags: int) -> None:
    content = (MAGIC + bytes((8, flags))).ljust(32, b"\0") + rest
    image, _ = opened(image_with(bytes(64)))
    # The file ends where the blob does: nothing behind it hides an overrun.
    place = next(each for each in sections(image) if each.name == "__go_buildinfo")
    traces = read_traces(image, sections(image), reading(bytes(place.offset) + content))
    assert traces.build is not None or traces.facts


def truncated(data: bytes, behind: int) -> GoTraces:
    """Read a file that ends so many bytes behind the start of its blob."""
    image, _ = opened(data)
    place = next(each for each in sections(image) if each.name == "__go_buildinfo")
    return read_traces(image, sections(image), reading(data[: place.offset + behind]))


@pytest.mark.parametrize(
    ("data", "behind", "text"),
    [
        (image_with(inline()), 20, "the build information is cut off"),
        (image_with(inline()), 36, "the version is cut off"),
        (image_with(inline()), 60, "the module information is cut off"),
        (pointed(), 70, "the version is cut off"),
    ],
)
def test_a_file_that_ends_too_early_is_a_fact(data: bytes, behind: int, text: str) -> None:
    assert text in [fact.text for fact in truncated(data, behind).facts]


def test_module_information_without_its_frame_is_not_trusted() -> None:
    content = (MAGIC + b"\x08\x02").ljust(32, b"\0") + varint(6) + b"go1.20" + varint(3) + b"mod"
    traces = traces_of(image_with(content))
    assert traces.build is not None
    assert (traces.build.version, traces.build.path) == ("go1.20", "")
    assert traces.facts[0].text == "the module information has no frame"


def test_a_blob_behind_the_first_mebibyte_is_found_in_what_is_known_to_be_go() -> None:
    data = Section("__DATA", "__noptrdata", bytes(3 << 19) + inline(), align=4)
    table = Section("__DATA_CONST", "__gopclntab", struct.pack("<I", 0xFFFFFFF1) + bytes(60), align=4)
    assert traces_of(MachO(sections=[data, table]).bytes()).build is not None
    assert traces_of(MachO(sections=[data]).bytes()).build is None


def test_a_main_module_may_be_replaced_and_unknown_lines_are_skipped() -> None:
    info, problem = parse_module_info('noise\nnews\tx\nmod\ta\tv1\n=>\tb\tv2\th1:x\nbuild\t"k="=`v w`\n')
    assert problem is None
    assert info.main == GoModule("a", "v1", replaced_by=GoModule("b", "v2", "h1:x"))
    assert info.settings == (("k=", "v w"),)
    assert format_build_info(info, "f") == 'f: \n\tmod\ta\tv1\n\t=>\tb\tv2\th1:x\n\t\n\tbuild\t"k="="v w"\n'


def test_a_build_id_or_the_mark_of_an_object_show_go() -> None:
    code = Section("__TEXT", "__text", b'\xff Go build ID: "a/b"\n \xff')
    traces = traces_of(MachO(sections=[code]).bytes())
    assert traces.evidence[0] == "a Go build id at the start of __TEXT,__text"
    mark = Section("__LLVM", "__asm", b"\0")
    assert traces_of(MachO(sections=[mark]).bytes()).evidence[0].startswith("section __LLVM,__asm")
