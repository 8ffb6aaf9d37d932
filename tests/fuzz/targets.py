"""What is fuzzed: seeds, how to change them, and everything that reads the result."""

from __future__ import annotations

import json
import os
import plistlib
import random
import struct
import tomllib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from attrs import frozen

from machochain import api
from machochain.diagnosis import diagnose
from machochain.findings.bundles import parse_plist
from machochain.golang.archive import read_archive, read_object
from machochain.golang.buildinfo import format_build_info, parse_module_info, read_traces
from machochain.golang.flags import parse_ldflags, refused_ldflags
from machochain.golang.marks import describe
from machochain.graph.compare import compare
from machochain.graph.resolve import Target as Process
from machochain.judging.baseline import read_baseline
from machochain.judging.policy_file import parse_policy
from machochain.kernel.blob import validate
from machochain.macho.archive import member_source, read_archives
from machochain.macho.cms import signed_digest_fits
from machochain.macho.details import flag_names, linker_options, sections, sub_commands
from machochain.macho.exports import open_exports
from machochain.macho.imports import read_imports
from machochain.macho.kind import kind_of
from machochain.macho.reader import read_bytes, read_source, slice_reader
from machochain.macho.signature import parse_signature, read_signature, verify_pages
from machochain.macho.symtab import defined_symbols, external_symbols, undefined_symbols
from machochain.model.errors import MachochainError
from machochain.model.reading import BytesSource
from machochain.model.result import Result
from machochain.model.signature import SignatureKind
from machochain.model.version import Version
from machochain.report.diagnosis import as_document, comparison_fields, render_comparisons, render_text
from machochain.report.inspection import _plain, inspect_document, render_inspections
from machochain.report.resolution import resolve_document
from machochain.report.style import Style
from machochain.report.text import render_resolution
from machochain.tbd.reader import places
from machochain.tbd.reader import read as read_stubs
from machochain.world.placement import World
from tests.dyld.printed import observations, printed
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
    reexport,
    upward,
    use,
)
from tests.fuzz import commands, containers, gosources, images, mutators, repairs, systems, twin
from tests.fuzz.machos import ar
from tests.fuzz.machos import fat as mutate_fat
from tests.fuzz.machos import macho as mutate_macho
from tests.fuzz.places import scratch
from tests.fuzz.trees import mutator as tree_mutator
from tests.golang.test_archive import go_object
from tests.golang.test_buildinfo import LINES, image_with, inline, pointed
from tests.graph.test_launching import foreign_cms
from tests.kernel.asking import AS, INTEL, ROSETTA, ask
from tests.macho.test_signature import blob, der, directory, pair, superblob
from tests.tbd import stubs

TESTDATA = Path(__file__).parents[2] / "testdata"


@frozen
class Target:
    """One kind of input.

    Attributes:
        seeds: Sound inputs.
        mutate: How they are changed.
        run: Reads an input by every way there is; lets nothing out but a fault of ours.
        cost: How many times the memory and the calls of a plain reader it may take.
    """

    seeds: Callable[[], list[bytes]]
    mutate: mutators.Mutator
    run: Callable[[bytes], None]
    cost: float = 1


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
    made = [fat(thin), fat(thin, fat64=True)]
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


DIRECTIVES = b"""--- !tapi-tbd
tbd-version:     4
targets:         [ x86_64-macos, arm64-macos ]
install-name:    '/usr/lib/libdemo.1.dylib'
exports:
  - targets:         [ x86_64-macos, arm64-macos ]
    symbols:         [ '$ld$previous$/usr/lib/libold.dylib$1.0$1$10.0$11.0$_a$', '$ld$add$os10.6$_b',
                       '$ld$previous$/usr/lib/libold.dylib$$1$10.0$11.0$$', '$ld$weak$os10.6$_c',
                       '$ld$install_name$os10.4$/usr/lib/libx.dylib', '$ld$compatibility_version$os10.4$1.2.3' ]
...
"""


def read_tbd(data: bytes) -> None:
    for reader in (read_stubs, places):
        with suppress(MachochainError):
            reader(data, "x.tbd")


def read_module_info(data: bytes) -> None:
    info, _ = parse_module_info(data.decode("utf-8", "surrogateescape"))
    format_build_info(info, "x")


def read_pragmas(data: bytes) -> None:
    source = BytesSource(data)
    with suppress(MachochainError):
        found = read_object("_go_.o", source.read)
        words = [word for pragma in found.pragmas for word in pragma[1:]]
        parse_ldflags(words)
        refused_ldflags(words)
    parse_ldflags(data.decode("utf-8", "surrogateescape").split())
    refused_ldflags(data.decode("utf-8", "surrogateescape").split())


def pragmas() -> list[bytes]:
    texts = (
        b'[["cgo_ldflag","-L/x"],["cgo_ldflag","-Wl,-rpath,@loader_path/../lib"],["cgo_import_dynamic","_","_","x.dylib"]]',
        b'[["cgo_import_static","_cgo_a"],["cgo_export_dynamic","main","main"],["cgo_dynamic_linker","/usr/lib/dyld"]]',
    )
    flags = (
        b"-L/a -lb -framework Cocoa -Wl,-rpath,/x -Xlinker -rpath -Xlinker /y -isysroot /s -Wl,-install_name,@rpath/z"
    )
    return [*map(go_object, texts), flags]


def signatures() -> list[bytes]:
    code = bytes(9000)
    entitlements = plistlib.dumps({"com.apple.security.cs.allow-dyld-environment-variables": True, "list": ["a", 1]})
    inner = der(0x02, b"\x01") + der(0xB0, pair("a", der(0x01, b"\xff")) + pair("b", der(0x30, der(0x0C, b"c"))))
    return [
        superblob({0: directory(code), 0x1000: directory(code, hash_type=4), 5: blob(0xFADE7171, entitlements)}),
        superblob({0: directory(code, page_shift=0), 7: blob(0xFADE7172, der(0x70, inner))}),
        superblob({0: directory(code), 0x10000: blob(0xFADE0B01, b"cms" * 20)}),
    ]


def mutate_signature(data: bytes, chance: random.Random) -> bytes:
    """Change the content of one blob by what it is, and put the blobs together anew; else bytes."""
    count = int.from_bytes(data[8:12], "big")
    if chance.random() < 0.4 or not 0 < count < 20 or len(data) < 12 + 8 * count:
        return mutators.blind(data, chance)
    blobs: dict[int, bytes] = {}
    for number in range(count):
        slot, start = struct.unpack_from(">II", data, 12 + 8 * number)
        blobs[slot] = data[start : start + int.from_bytes(data[start + 4 : start + 8], "big")]
    slot = chance.choice(list(blobs))
    magic, content = int.from_bytes(blobs[slot][:4], "big"), blobs[slot][8:]
    changed = mutators.values(content, chance) if content.startswith(b"<?xml") else mutators.blind(content, chance)
    blobs[chance.choice((slot, slot, slot, 0, 5, 7, 0x1000, 0x10000))] = blob(magic, changed)
    return mutators.bounded(superblob(blobs))


def read_codesign(data: bytes) -> None:
    signature = parse_signature(data)
    json.dumps(_plain(dict(signature.entitlements)), allow_nan=False)
    verify_pages(BytesSource(bytes(9000)).read, signature)
    _ = signature.flag_names, signature.hardened, signature.cdhash


def plists() -> list[bytes]:
    content = {
        "CFBundleExecutable": "x", "LSMinimumSystemVersion": "12.0", "a": [1, 2.5, True, b"data", {"b": "c"}], "u": "ä",
    }  # fmt: skip
    return [plistlib.dumps(content, fmt=form) for form in plistlib.PlistFormat]


POLICY = b"""profile = "release"
macos = ["12..26"]
fail-on = "warning"
sdks = ["a.sdk"]

[[override]]
path = "lib/*.dylib"

[[ignore]]
rule = "MC402"
path = ["a", "b"]
library = "/opt/*"
reason = "known"
expires = 2027-01-31
"""
BASELINE = json.dumps(
    {
        "schema": "machochain.baseline/1",
        "findings": [
            {"fingerprint": "ab", "rule": "MC101", "path": "x", "subject": "y", "reason": "", "severity": "error"}
        ],
    },
    indent=1,
).encode()


def read_policy_text(data: bytes) -> None:
    try:
        document = tomllib.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return  # Python's own reader said no; `read_policy` turns that into a UsageError
    with suppress(MachochainError):
        parse_policy(document, "machochain.toml")


def read_baseline_text(data: bytes) -> None:
    file = scratch() / "baseline.json"
    file.write_bytes(data)
    with suppress(MachochainError):
        read_baseline(file)


@cache
def messages() -> list[bytes]:
    found = [printed(record).encode("utf-8", "surrogateescape") for record in observations()]
    report = {"app_name": "x", "bug_type": "309"}, {"termination": {"reasons": [found[0].decode()]}, "pid": 1}
    examples = Path(__file__).parents[1].joinpath("diagnosis/forms.txt").read_text("utf-8").splitlines()
    rows = [line[2:].replace("⏎", "\n").replace("⇥", "\t") for line in examples if line.startswith("+ ")]
    return [*found, "\n".join(map(json.dumps, report)).encode(), *(row.encode() for row in rows)]


def read_message(data: bytes) -> None:
    try:
        diagnosis = diagnose(data)
    except MachochainError:
        return
    json.dumps(as_document(diagnosis), allow_nan=False)
    render_text(diagnosis, width=80).encode("utf-8", "surrogateescape")


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


def diagnose_binary(data: bytes) -> None:
    """Compare a message with the prediction for a program it may be about."""
    try:
        diagnoses = diagnose(data).answers
    except MachochainError:
        return
    for result in _predicted():
        compared = list(compare(diagnoses, result))
        json.dumps([comparison_fields(each) for each in compared])
        render_comparisons(compared, "x").encode("utf-8", "surrogateescape")


@cache
def _predicted() -> tuple[Result, ...]:
    programs = [TESTDATA / "hello" / "bin" / name for name in ("greeter", "greeter-broken")]
    return api.resolve(programs, target=Process(macos=("11", "15", "26"))).results


@cache
def reports() -> list[bytes]:
    """Crash reports of both kinds."""
    message, uuid = messages()[0].decode(), "11111111-2222-3333-4444-555555555555"
    head = {
        "app_name": "x",
        "timestamp": "2024-01-01 00:00:00.00 +0000",
        "bug_type": "309",
        "os_version": "macOS 14.2 (23C64)",
    }
    body = {
        "pid": 1,
        "procName": "x",
        "procPath": "/opt/x",
        "cpuType": "ARM-64",
        "osVersion": {"train": "macOS 14.2", "build": "23C64"},
        "termination": {
            "flags": 0,
            "code": 1,
            "namespace": "DYLD",
            "indicator": "Library missing",
            "details": ["(x)"],
            "reasons": [message],
        },
        "usedImages": [{"name": "x", "path": "/opt/x", "uuid": uuid, "arch": "arm64", "base": 1, "size": 2}],
        "threads": [{"frames": [{"imageOffset": 1, "imageIndex": 0}], "triggered": True}],
        "exception": {"type": "EXC_CRASH"},
    }
    old = (
        "Process:               x [1]\nPath:                  /opt/x\nIdentifier:            x\n"
        "Code Type:             X86-64 (Native)\n"
        "OS Version:            Mac OS X 10.15.7 (19H2)\n\nTermination Reason:    DYLD, [0x1] Library missing\n\n"
        f"Application Specific Information:\ndyld: launch, loading dependent libraries\n\n"
        f"Dyld Error Message:\n{message}\n\n"
        f"Binary Images:\n       0x1 -        0x2 +x (0) <{uuid}> /opt/x\n"
    )
    log = f"dyld[1]: <{uuid}> /opt/x\ndyld[1]: find path \"@rpath/a\"\ndyld[1]:   LC_RPATH '/b' from '/opt/x'\n"
    log += 'dyld[1]:   possible path(@path expansion): "/b/a"\ndyld[1]:   not found: /b/a\n' + messages()[1].decode()
    return [f"{json.dumps(head)}\n{json.dumps(body, indent=2)}".encode(), old.encode(), log.encode()]


@cache
def programs() -> list[bytes]:
    """Programs the kernel starts, thin and universal, signed in every way."""
    made = [
        MachO(file_type=2, arch=arch, signed=True, cs_flags=flags, team_id=team, cms=cms).bytes()
        for arch in ("arm64", "x86_64")
        for flags, team, cms in ((2, None, None), (0x10000, "AAAA", foreign_cms()))
    ]
    return [*made, fat(made[::2]), fat([executable(arch="arm64e"), made[0]]), fat(made[::2], fat64=True)]


def start(data: bytes) -> None:
    """Start a file on every Mac and release at which the kernel's answers change; a verdict keeps to its own terms."""
    for mac in (AS, INTEL, ROSETTA):
        for macos in ("11", "12.3", "14", "26", "28"):
            for pages in (True, None, False):
                found = ask(data, mac, macos, pages=pages)
                stopped = found.starts is not True
                assert stopped == bool(found.why) == (found.rule is not None), found
                assert (found.shell_text is None) == (found.starts is not False), found
                assert not (found.errno and found.signal), found


def validate_signature(data: bytes) -> None:
    """Ask the kernel's own checks and the CMS reader about any bytes."""
    for macos in ("11", "13", "14", "26"):
        for shift in (12, 14):
            validate(data, Version.parse(macos), shift)
    signed_digest_fits(data, data)


TARGETS = {
    "macho": Target(machos, mutate_macho(machos), read_macho),
    "fat": Target(fats, mutate_fat(machos), read_macho),
    "archive": Target(archives, ar, read_ar),
    "tbd": Target(lambda: [*stubs.ALL.values(), DIRECTIVES], mutators.text, read_tbd),
    "tbd-values": Target(lambda: [stubs.V5], mutators.values, read_tbd),
    "build-info": Target(lambda: [LINES.encode()], mutators.text, read_module_info),
    "go-sources": Target(gosources.seeds, mutators.text, gosources.run, cost=4),
    "pragmas": Target(pragmas, mutators.text, read_pragmas),
    "signature": Target(signatures, mutate_signature, read_codesign),
    "kernel": Target(programs, mutate_macho(programs), start, cost=8),
    "kernel-fat": Target(programs, mutate_fat(programs), start, cost=8),
    "kernel-signature": Target(signatures, mutate_signature, validate_signature),
    "repair": Target(repairs.seeds, mutate_macho(repairs.seeds), repairs.repair, cost=8),
    "repair-fat": Target(repairs.seeds, mutate_fat(repairs.seeds), repairs.repair, cost=8),
    "plist": Target(plists, mutators.values, lambda data: void(parse_plist(data))),
    "policy": Target(lambda: [POLICY], mutators.text, read_policy_text),
    "baseline": Target(lambda: [BASELINE], mutators.values, read_baseline_text),
    "message": Target(messages, mutators.text, read_message),
    "crash-report": Target(reports, mutators.values, read_message),
    "comparison": Target(lambda: [*messages(), *reports()], mutators.text, diagnose_binary),
    "container": Target(containers.seeds, containers.mutate, containers.read),
    "xar": Target(images.xars, images.mutate_xar, images.read, cost=2),
    "cpio": Target(images.cpios, images.mutate_cpio, images.read),
    "pbzx": Target(images.pbzxs, images.mutate_pbzx, images.read, cost=2),
    "udif": Target(images.udifs, images.mutate_udif, images.read, cost=2),
    "sdk": Target(systems.folders, tree_mutator(mutate_macho(machos)), systems.read_folder, cost=2),
    "sdk-cache": Target(systems.kept, mutators.values, systems.read_kept),
    "catalogue": Target(systems.catalogues, systems.mutate_catalogue, systems.read_catalogue, cost=2),
    "shared-cache": Target(systems.shared_caches, systems.mutate_shared_cache, systems.read_shared_cache, cost=2),
    "facts": Target(systems.documents, mutators.values, systems.read_document, cost=2),
    "resolve": Target(lambda: [*machos(), *fats()], mutate_macho(machos), resolve_whole, cost=2),
    "resolve-archive": Target(archives, ar, resolve_whole, cost=2),
    "options": Target(commands.options, mutators.text, commands.read_options, cost=5),
    "deep": Target(lambda: [*machos(), *fats()], mutate_macho(machos), inspect_deep, cost=2),
    "report": Target(commands.folders, tree_mutator(mutate_macho(machos)), commands.read_by_all, cost=5),
    "command": Target(commands.folders, tree_mutator(mutate_macho(machos)), commands.read, cost=5),
    "twin": Target(commands.folders, tree_mutator(mutate_macho(machos)), twin.agrees, cost=5),
}


def void(_: object) -> None:
    """Forget a value."""
