"""Mach-O files, universal ones and static libraries, read by every reader and resolved."""

from __future__ import annotations

import json
import os
import plistlib
import struct
from contextlib import suppress
from functools import cache
from pathlib import Path

from machochain import api
from machochain.golang.archive import read_archive
from machochain.golang.buildinfo import read_traces
from machochain.golang.marks import describe
from machochain.graph.resolve import Target as Process
from machochain.macho.archive import member_source, read_archives
from machochain.macho.details import flag_names, linker_options, sections, sub_commands
from machochain.macho.exports import open_exports
from machochain.macho.imports import read_imports
from machochain.macho.kind import kind_of
from machochain.macho.reader import read_bytes, read_source, slice_reader
from machochain.macho.signature import read_signature, verify_pages
from machochain.macho.symtab import defined_symbols, external_symbols, undefined_symbols
from machochain.model.errors import MachochainError
from machochain.model.reading import BytesSource
from machochain.model.signature import SignatureKind
from machochain.report.inspection import inspect_document, render_inspections
from machochain.report.resolution import resolve_document
from machochain.report.style import Style
from machochain.report.text import render_resolution
from machochain.world.placement import World
from tests.factory.macho import (
    Export,
    Import,
    MachO,
    Section,
    bundle,
    delayed,
    dylib,
    executable,
    fat,
    load,
    over_one_another,
    reexport,
    upward,
    use,
)
from tests.fuzz import mutators
from tests.fuzz.places import scratch
from tests.golang.test_buildinfo import image_with, inline, pointed

TESTDATA = Path(__file__).parents[2] / "testdata"
FUNCTION_TABLE = struct.pack("<I", 0xFFFFFFF1) + bytes(60)
"""The beginning of what Go's runtime looks functions up in."""


@cache
def machos() -> list[bytes]:
    """Made-up files of every kind, and small real ones."""
    imports = [Import("_a", 1), Import("_b", 2, weak=True)]
    exports = [Export("_x"), Export("_longer_name"), Export("_r", reexport=(1, "_other"))]
    made = [
        MachO(
            imports=imports, fixups=form, loads=[load("/usr/lib/libSystem.B.dylib"), upward("@rpath/u.dylib")]
        ).bytes()
        for form in ("chained", "opcodes")
    ]
    made += [
        dylib("@rpath/libx.dylib", reexport("/usr/lib/libz.1.dylib"), exports=exports),
        MachO(signed=True, identifier="com.example.tool", cs_flags=0x10002).bytes(),
        executable("/usr/lib/libSystem.B.dylib", rpaths=["@loader_path/../lib", "@executable_path"]),
        image_with(inline()),
        image_with(inline(), exports=["_crosscall2", "_x_cgo_init", "__cgo_0123456789ab_Cfunc_add", "_runtime.main"]),
        pointed(),
        pointed(big=True),
        MachO(
            sections=[
                Section("__DATA_CONST", "__gopclntab", FUNCTION_TABLE),
                Section("__TEXT", "__rodata", b"go1.20.3"),
            ]
        ).bytes(),
        *(MachO(imports=imports, fixups="chained", imports_format=form, exports=["_x"]).bytes() for form in (2, 3)),
        MachO(imports=[Import("_l", 1, lazy=True), Import("__Zc", -3, coalesced=True), Import("_f", -2)]).bytes(),
        MachO(arch="i386", imports=imports, exports=exports, entry="unixthread", build="version_min").bytes(),
        MachO(arch="arm64e", loads=[use("/usr/lib/libz.1.dylib", 9), delayed("@rpath/d.dylib")], restrict=True).bytes(),
        MachO(signed=True, team_id="ABCDE12345", cms=b"cms" * 9, entitlements=plistlib.dumps({"a": True})).bytes(),
        bundle(load(b"@rpath/\xff.dylib", weak=True), dyld_env=["DYLD_LIBRARY_PATH=/x"], platform=6),
    ]
    real = [(TESTDATA / "hello" / place).read_bytes() for place in ("bin/greeter", "lib/libgreet.1.dylib")]
    return [x for x in (*made, *real) if len(x) <= mutators.MOST]


def read_macho(data: bytes) -> None:
    kind_of(data)
    with suppress(MachochainError):
        file = read_bytes(data)
        for piece in file.slices:
            if piece.image is None:
                continue
            image, at = piece.image, slice_reader(BytesSource(data), piece)
            assert repr(image.defects)
            linker_options(image)
            sub_commands(image)
            flag_names(image)
            parts = sections(image)
            wanted = read_imports(image, at)
            given = open_exports(image, at)
            names = [entry.name for entry in wanted.entries[:50]]
            assert given.find_many(names) == {name: given.find(name) for name in names}
            given.all()
            external_symbols(image, at)
            marks = [(s.name, True) for s in defined_symbols(image, at).entries]
            marks += [(s.name, False) for s in undefined_symbols(image, at).entries]
            signature = read_signature(image, at)
            assert signature.kind is SignatureKind.NONE or signature.cdhash is not None
            verify_pages(at, signature)
            describe(image, read_traces(image, parts, at), marks)


def fats() -> list[bytes]:
    thin = [MachO(arch="x86_64").bytes(), MachO(arch="arm64").bytes()]
    universal = (TESTDATA / "hello" / "bin" / "greeter-universal").read_bytes()
    made = [fat(thin), fat(thin, fat64=True), over_one_another(thin[0], 40)]
    return [x for x in (*made, universal) if len(x) <= mutators.MOST]


def archives() -> list[bytes]:
    found = [path.read_bytes() for path in sorted((TESTDATA / "go").glob("*.a"))]
    member = MachO(file_type=1).bytes()

    def entry(name: bytes, body: bytes) -> bytes:
        head = name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) + b"0".ljust(6) + b"644".ljust(8)
        return head + str(len(body)).encode().ljust(10) + b"`\n" + body + b"\n" * (len(body) & 1)

    found.append(b"!<arch>\n" + entry(b"#1/8", b"long.o\0\0" + member) + entry(b"a.o/", member))
    found.append(b"!<arch>\n" + entry(b"//", b"very_long_member_name.o/\n") + entry(b"/0", member))
    return [mutators.bounded(x) for x in found]


def read_ar(data: bytes) -> None:
    source = BytesSource(data)
    with suppress(MachochainError):
        for archive in read_archives(source):
            members = [(m.name, member_source(source, m)) for m in archive.members]
            with suppress(MachochainError):
                read_archive((name, part.read) for name, part in members)
            for _, part in members[:20]:
                with suppress(MachochainError):
                    read_source(part)


def resolve_whole(data: bytes) -> None:
    file = scratch() / "input"
    file.write_bytes(data)
    with suppress(MachochainError):
        world = World(root=scratch(), at="/app/input")
        report = api.resolve([file], target=Process(macos=("11", "15", "26")), world=world)
        json.dumps(resolve_document(report.results, report.errors)).encode("ascii")
        text = render_resolution(report.results, (), Style(verbose=2)) if report.results else ""
        # What is not text goes to the terminal by surrogate escapes; nothing in a name may steer it.
        assert "\x1b" not in os.fsdecode(text.encode("utf-8", "surrogateescape"))
    api.inspect([file])


def inspect_deep(data: bytes) -> None:
    """Read an image with LIEF as well, and say where it differs."""
    file = scratch() / "deep"
    file.write_bytes(data)
    inspected = api.inspect([file], deep=True)
    json.dumps(inspect_document(inspected), allow_nan=False)
    render_inspections(inspected, Style(verbose=2)).encode("utf-8", "surrogateescape")
