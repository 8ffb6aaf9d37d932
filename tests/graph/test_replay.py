"""What Macs printed in public, and what the model prints for the Mac each record tells of."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

import pytest

from machochain.dyld import messages
from machochain.dyld.config import HARDENED, process_config
from machochain.dyld.profile import profile_for
from machochain.model.image import BuildVersion, Image
from machochain.model.paths import TargetPath
from machochain.model.platform import Platform
from machochain.model.result import LoadedImage, Origin
from machochain.model.version import Version
from tests.dyld.printed import observations, printed
from tests.factory import bundle, dylib, executable
from tests.graph import modelled
from tests.graph.modelled import image_at, make_mac
from tests.graph.replaying import infer_macos, replay, tried_of

Record = dict[str, Any]
_FOLDER = Path(__file__).parents[2] / "testdata" / "observations"
NOT_REPLAYABLE: dict[int, str] = {
    x["id"]: x["why"] for x in json.loads((_FOLDER / "not-replayable.json").read_text("utf-8"))
}
RECORDS: list[Record] = observations()
LISTED = [r for r in RECORDS if r["tried"]]
UNLISTED = [r for r in RECORDS if not r["tried"]]
_PREFIX = re.compile(r"dyld(\[\d+\])?: ")
_DLOPEN = re.compile(r"dlopen\(.*?, (0x)?[0-9A-Fa-f]+\): ")


def named(record: Record) -> str:
    return f"{record['id']}-{record['source']}"


@pytest.mark.parametrize("record", [r for r in LISTED if r["id"] not in NOT_REPLAYABLE], ids=named)
def test_the_model_tries_what_the_mac_tried_and_says_what_it_said(record: Record) -> None:
    walked, got = replay(record)
    assert got == tried_of(record)
    assert walked.message is not None
    text = _DLOPEN.sub("", walked.message, count=1)
    expected = _DLOPEN.sub("", _PREFIX.sub("", printed(record)), count=1)
    assert without_uuid(text, record) == without_uuid(expected, record)


def without_uuid(text: str, record: Record) -> str:
    """A record whose UUID or requester is not known says nothing about that line's UUID."""
    known = record["uuid"] and re.fullmatch(r"[0-9A-F-]{36}", record["uuid"])
    return text if known else re.sub(r"(Referenced from: )<.*?> ", r"\1", text)


@pytest.mark.parametrize("record", [r for r in LISTED if r["id"] in NOT_REPLAYABLE], ids=named)
def test_a_record_that_is_set_aside_cannot_be_replayed(record: Record) -> None:
    _, got = replay(record)
    assert got != tried_of(record), "it can: take it off not-replayable.json"


def test_what_is_set_aside_has_a_reason_and_a_record() -> None:
    assert all(NOT_REPLAYABLE.values())
    assert set(NOT_REPLAYABLE) <= {r["id"] for r in LISTED}


def placed(path: str) -> str:
    """Where a requester lies: posters cut the front off some paths, and a real path has no ``./`` in it."""
    return posixpath.normpath(posixpath.join("/", path))


@pytest.mark.parametrize("record", [r for r in UNLISTED if r["kind"] == "missing"], ids=named)
def test_a_missing_library_is_reported_in_the_form_of_its_era(record: Record) -> None:
    library, requester, reason = record["library"], placed(record["referenced_from"]), record["reason"]
    macos = "11" if record["form"].startswith(("dyld2", "dyld3")) else "14"
    uuid = bytes.fromhex(record["uuid"].replace("-", "")) if record["uuid"] else "auto"
    tree: dict[str, bytes | str | None] = {}
    opened = record["loader"].startswith("dlopen(")
    if opened or ".framework/" in requester or requester.endswith((".dylib", ".so")):
        make = bundle if opened else lambda *loads, **more: dylib(requester, *loads, **more)
        tree[requester] = make(library, uuid=uuid)
        tree["/model/main"] = executable(*(() if opened else (requester,)))
    else:
        tree[requester] = executable(library, uuid=uuid)
    main = "/model/main" if "/model/main" in tree else requester
    mac = make_mac(tree, system=modelled.Libraries({modelled.LIBSYSTEM: modelled.LIBSYSTEM}))
    walked = modelled.dlopen(mac, requester, main, macos) if opened else modelled.launch(mac, main, macos)
    assert walked.message is not None
    expected = printed({**record, "referenced_from": requester})
    assert _DLOPEN.sub("", walked.message) == _DLOPEN.sub("", _PREFIX.sub("", expected))
    assert reason in walked.message


@pytest.mark.parametrize("record", [r for r in UNLISTED if r["kind"] == "compat-version"], ids=named)
def test_a_library_that_is_too_old_is_reported_by_dyld2(record: Record) -> None:
    library, requester, reason = record["library"], record["referenced_from"], record["reason"]
    need, have = re.findall(r"version (\d+\.\d+\.\d+)", reason)
    place = library.replace("@rpath", posixpath.dirname(requester))
    from tests.factory import load

    asks = {"rpaths": ["@loader_path"], "minos": "10.9"}
    wanted = load(library, compat=need)
    own = dylib(requester, wanted, **asks) if requester.endswith(".dylib") else executable(wanted, **asks)
    tree = {requester: own, place: dylib(library, id_compat=have, minos="10.9"), "/model/main": executable(requester)}
    main = "/model/main" if requester.endswith(".dylib") else requester
    walked = modelled.launch(make_mac(tree), main, "11")
    assert walked.message == f"Library not loaded: {library}\n  Referenced from: {requester}\n  Reason: {reason}"


@pytest.mark.parametrize("record", [r for r in UNLISTED if "unsafe use" in (r["reason"] or "")], ids=named)
def test_a_restricted_program_refuses_a_relative_load_path_in_dyld2(record: Record) -> None:
    library, requester = record["library"], record["referenced_from"]
    opened = record["loader"].startswith("dlopen(")
    tree: dict[str, bytes | str | None] = {requester: bundle(library) if opened else executable(library)}
    tree["/model/main"] = executable()
    main = "/model/main" if opened else requester
    mac = make_mac(tree)
    if opened:
        walked = modelled.dlopen(mac, requester, main, "11", security=HARDENED)
    else:
        walked = modelled.launch(mac, main, "11", security=HARDENED)
    assert walked.message is not None
    assert _DLOPEN.sub("", walked.message) == _DLOPEN.sub("", _PREFIX.sub("", printed(record)))


@pytest.mark.parametrize("record", [r for r in UNLISTED if r["form"].startswith("dyld4/missing-lc-uuid")], ids=named)
def test_a_program_without_uuid_is_refused_by_macos_26(record: Record) -> None:
    main = placed(record["referenced_from"] or "/model/main")
    walked = modelled.launch(make_mac({main: executable(uuid=None, sdk="26.0")}), main, "26")
    assert walked.message == f"{record['reason']} in {main}\n{record['reason']}"


@pytest.mark.parametrize("record", [r for r in UNLISTED if "duplicate-rpath-main" in r["form"]], ids=named)
def test_a_program_with_one_run_path_twice_is_refused_by_macos_26(record: Record) -> None:
    main = placed(record["referenced_from"] or "/model/main")
    twice = re.findall(r"'(.*)'", record["reason"]) * 2
    walked = modelled.launch(make_mac({main: executable(rpaths=twice, sdk="26.0")}), main, "26")
    assert walked.message == f"{record['reason']} in {main}\n{record['reason']}"


@pytest.mark.parametrize("record", [r for r in UNLISTED if r["kind"] == "symbol"], ids=named)
def test_a_missing_symbol_is_reported_in_the_form_of_its_era(record: Record) -> None:
    form = record["form"]
    macos = Version.parse(infer_macos(record, []))
    mac = make_mac({"/model/main": executable()})
    main = image_at(mac, "/model/main")
    assert main.image is not None
    config = process_config(profile_for(macos), macos, main.image, main.path)
    minos = Version.parse(record["built_for"].split()[-1]) if record["built_for"] else Version.of(10)
    if minos > macos or not record["built_for"]:
        importer = symbol_owner(main.image, record["referenced_from"], record["uuid"], minos)
    else:  # the model's dyld2 is that of macOS 11: an image that was too new for an older one is not for it
        importer = symbol_owner(main.image, record["referenced_from"], record["uuid"], Version.of(12))
        record = {**record, "built_for": "Mac OS X 12.0"}
    if record["expected_in"] == "flat namespace" or "flat-lookup" in form:
        text = messages.flat_symbol_not_found(config, record["symbol"], importer)
    else:
        expected = symbol_owner(main.image, record["expected_in"], record["expected_uuid"], Version.of(10))
        text = messages.symbol_not_found(config, record["symbol"], importer, expected)
    shown = printed({**record, "ends_with_path": False, "form": form.replace("-dyld2-lazy+plain", "")})
    assert text.removesuffix("\n") == _DLOPEN.sub("", _PREFIX.sub("", shown))


def symbol_owner(header: Image, path: str | None, uuid: str | None, minos: Version) -> LoadedImage:
    from attrs import evolve

    own = evolve(
        header,
        uuid=bytes.fromhex(uuid.replace("-", "")) if uuid else None,
        builds=(BuildVersion("LC_BUILD_VERSION", Platform.MACOS, minos, minos),),
    )
    return LoadedImage(0, TargetPath(path or ""), Origin.DISK, image=own)
