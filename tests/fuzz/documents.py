"""Stubs, build info, pragmas, property lists, policies, baselines: what is text or nearly so."""

from __future__ import annotations

import json
import plistlib
import tomllib
from contextlib import suppress

from machochain.golang.archive import read_object
from machochain.golang.buildinfo import format_build_info, parse_module_info
from machochain.golang.flags import parse_ldflags, refused_ldflags
from machochain.judging.baseline import read_baseline
from machochain.judging.policy_file import parse_policy
from machochain.model.errors import MachochainError
from machochain.model.reading import BytesSource
from machochain.tbd.reader import places
from machochain.tbd.reader import read as read_stubs
from tests.fuzz.places import scratch
from tests.golang.test_archive import go_object

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
