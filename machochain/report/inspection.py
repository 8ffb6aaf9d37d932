"""The facts of files, as JSON (schema ``machochain.inspect/1``) and as text."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from machochain.graph.inspect import ArchiveFacts, Inspection, MemberFacts, SliceFacts
from machochain.macho.details import command_name, flag_names, header_room, linker_options, sub_commands
from machochain.model.image import Image, LinkedDylib, file_type_name
from machochain.model.paths import printable
from machochain.model.platform import platform_name
from machochain.model.signature import SignatureKind
from machochain.report.context import RenderContext
from machochain.report.deep import deep_fields, deep_lines
from machochain.report.release import release_fields, release_lines
from machochain.report.resolution import error_fields, execution_fields, tool
from machochain.report.text import kernel_words

if TYPE_CHECKING:
    from machochain.dyld.policy import Refusal
    from machochain.model.go import GoArchive, GoBinary
    from machochain.report.style import Style

INSPECT_SCHEMA = "machochain.inspect/1"
_TOOLS = {1: "clang", 2: "swift", 3: "ld", 4: "lld", 5: "zig"}


def inspect_document(inspections: Iterable[Inspection]) -> dict[str, Any]:
    """Return the JSON document."""
    return {"schema": INSPECT_SCHEMA, "tool": tool(), "files": [_file(i) for i in inspections]}


def _file(inspection: Inspection) -> dict[str, Any]:
    go = next((s.go for s in inspection.slices if s.go is not None), None)
    fields: dict[str, Any] = {
        "path": inspection.path,
        "kind": inspection.kind,
        "size": inspection.size,
        "slices": [_slice(s) for s in inspection.slices],
        "go": _go(go) if go is not None else None,
        "error": error_fields(inspection.error) if inspection.error is not None else None,
    }
    if inspection.file is not None and inspection.file.defects:
        fields["fat_errors"] = [d.text for d in inspection.file.defects]
    if inspection.release is not None:
        fields.update(release_fields(inspection.release))
    if inspection.kind == "archive":
        archives = inspection.archives
        fields["members"] = [_member(m, a.go, a) for a in archives for m in a.members]
        fields["archive_errors"] = [
            {"reason": a.archive.error.text, "offset": a.archive.error.offset} for a in archives if a.archive.error
        ]
        fields["go_archive"] = next((_go_archive(a.go) for a in archives if a.go is not None), None)
    return fields


def _source_version(packed: int | None) -> str | None:
    if packed is None:
        return None
    parts = [packed >> 40, packed >> 30 & 0x3FF, packed >> 20 & 0x3FF, packed >> 10 & 0x3FF, packed & 0x3FF]
    while len(parts) > 2 and not parts[-1]:
        parts.pop()
    return ".".join(map(str, parts))


def _load(dylib: LinkedDylib) -> dict[str, Any]:
    return {
        "command": dylib.command,
        "name": dylib.name,
        "ordinal": dylib.ordinal,
        "current_version": dylib.current_version.full,
        "compatibility_version": dylib.compatibility_version.full,
        "weak": dylib.weak,
        "reexport": dylib.reexport,
        "upward": dylib.upward,
        "delayed": dylib.delayed,
    }


def _held(facts: SliceFacts) -> dict[str, Any]:
    """Return what of a signature was held against the file and against the kernel's rules."""
    held, cdhash = facts.held, facts.signature.cdhash
    certificates = facts.certificates
    return {
        "cdhash": cdhash.hex() if cdhash is not None else None,
        "accepted": None if not held.taken else held.unreadable is None,
        "refusal": held.unreadable,
        "checked_bytes": held.checked,
        "wrong_page": held.bad_page,
        "certificate_fits": None if facts.signature.kind is not SignatureKind.SIGNED else not held.foreign_cms,
        "certificates": None
        if certificates is None
        else [
            {
                "subject": c.subject,
                "issuer": c.issuer,
                "not_before": c.not_before,
                "not_after": c.not_after,
                "apple_root": c.apple,
            }
            for c in certificates
        ],
        "ticket": facts.ticket,
    }


def _slice(facts: SliceFacts) -> dict[str, Any]:
    piece, image = facts.piece, facts.piece.image
    if image is None:
        return {"arch": piece.arch.name, "offset": piece.offset, "size": piece.size, "error": piece.error}
    build = image.build
    by_segment: dict[str, list[dict[str, Any]]] = {}
    for section in facts.sections:
        by_segment.setdefault(section.segment, []).append({"name": section.name, "size": section.size})
    return {
        "arch": image.arch.name,
        "file_type": file_type_name(image.file_type),
        "flags": list(flag_names(image)),
        "offset": piece.offset,
        "size": piece.size,
        "install_name": image.install_name,
        "id_current_version": image.id_current_version.full if image.id_current_version else None,
        "id_compatibility_version": image.id_compatibility_version.full if image.id_compatibility_version else None,
        "uuid": image.uuid_text,
        "platform": platform_name(build.platform) if build is not None else None,
        "minos": str(build.minos) if build is not None else None,
        "sdk": str(build.sdk) if build is not None and build.sdk is not None else None,
        "platforms": [platform_name(b.platform) for b in image.builds],
        "source_version": _source_version(image.source_version),
        "tools": [[_TOOLS.get(n, str(n)), str(v)] for b in image.builds for n, v in b.tools],
        "loads": [_load(dylib) for dylib in image.loads],
        "rpaths": [r.path for r in image.run_paths],
        "dyld_environment": list(image.dyld_environment),
        "linker_options": [list(words) for words in linker_options(image)],
        "sub_commands": [list(pair) for pair in sub_commands(image)],
        "segments": [{"name": s.name, "sections": by_segment.get(s.name, [])} for s in image.segments],
        "header_room": header_room(image),
        "commands": [command_name(x.cmd) for x in image.commands],
        "signature": {
            "kind": facts.signature.kind.value,
            "flags": list(facts.signature.flag_names),
            "identifier": facts.signature.identifier,
            "team_id": facts.signature.team_id,
            "entitlements": _plain(dict(facts.signature.entitlements)),
            **_held(facts),
        },
        "exec": execution_fields(facts.execution),
        "errors": [
            {
                "message": r.defect.text,
                "load_command": r.defect.command_index,
                "macos": str(r.macos) if r.macos is not None else None,
                "sdk": str(r.sdk) if r.sdk is not None else None,
            }
            for r in facts.refusals
        ],
        "go": _go(facts.go) if facts.go is not None else None,
    } | ({"deep": deep_fields(facts.deep, image)} if facts.deep is not None else {})


def _plain(value: Any) -> Any:
    """Return a property-list value as JSON has it."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # JSON has no such number
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return value.data if isinstance(value, plistlib.UID) else str(value)


def _go(go: GoBinary) -> dict[str, Any]:
    build = go.build
    return {
        "version": go.version,
        "path": build.path if build is not None else None,
        "module": {"path": build.main.path, "version": build.main.version}
        if build is not None and build.main
        else None,
        "settings": dict(build.settings) if build is not None else {},
        "experiments": list(build.experiments) if build is not None else [],
        "cgo": go.cgo,
        "link": go.link.value if go.link is not None else None,
        "mode": go.mode,
        "c_functions": list(go.c_functions),
        "exports": list(go.exports),
        "hidden_settings": list(go.hidden),
        "evidence": list(go.evidence),
        "errors": [{"message": f.text, "offset": f.offset} for f in go.facts],
    }


def _go_archive(go: GoArchive) -> dict[str, Any]:
    return {
        "kind": go.kind,
        "version": go.version,
        "cgo": go.uses_cgo,
        "ld_flags": list(go.ld_flags),
        "prefer_external": go.prefer_external,
        "imports_unknown": go.imports_unknown,
        "c_members": list(go.c_members),
        "errors": [{"message": f.text, "offset": f.offset} for f in go.facts],
    }


def _member(facts: MemberFacts, go: GoArchive | None, archive: ArchiveFacts) -> dict[str, Any]:
    member = facts.member
    fields: dict[str, Any] = {
        "name": member.name,
        "kind": member.kind.value,
        "offset": member.offset,
        "size": member.size,
    }
    if archive.archive.arch is not None:
        fields["arch"] = archive.archive.arch.name
    if facts.slices:
        fields["slices"] = [_slice(s) for s in facts.slices]
    for each in go.objects if go is not None else ():
        if each.member == member.name:
            fields["go_object"] = {"header": each.header, "pragmas": [list(words) for words in each.pragmas]}
    if facts.error is not None:
        fields["error"] = facts.error
    return fields


def render_inspections(inspections: Sequence[Inspection], style: Style) -> str:
    """Return the text: the facts a person looks for first; everything else is in the JSON."""
    lines: list[str] = []
    for inspection in inspections:
        if lines:
            lines.append("")
        lines.append(f"{style.paint(printable(inspection.path), 'bold')}  {inspection.kind}")
        if inspection.error is not None:
            lines.append(f"  {style.paint(printable(str(inspection.error.reason)), 'bad')}")
        if inspection.release is not None:
            lines += [f"  {label:<13} {text}" for label, text in release_lines(inspection.release)]
        objections = inspection.file.defects if inspection.file is not None else ()
        lines += [f"  {style.paint(printable(defect.text), 'bad')}" for defect in objections]
        for facts in inspection.slices:
            lines += _slice_text(facts, style, "  ")
        for archive in inspection.archives:
            lines += _archive_text(archive, style)
        empty = not inspection.archives and not inspection.has_members and inspection.error is None
        if inspection.kind == "archive" and empty:
            lines.append("  no Mach-O file in it")
    return "\n".join(lines) + "\n"


def _since(refusal: Refusal) -> str:
    if refusal.macos is not None:
        return f"from macOS {refusal.macos}"
    return "of a library, not of a program" if refusal.sdk is None else f"only with an sdk from {refusal.sdk} on"


def _slice_text(facts: SliceFacts, style: Style, indent: str) -> Iterator[str]:
    piece, image = facts.piece, facts.piece.image
    if image is None:
        yield f"{indent}{piece.arch.name}  {style.paint(printable(piece.error or 'no Mach-O image'), 'bad')}"
        return
    yield f"{indent}{image.arch.name}  {file_type_name(image.file_type)}  {' '.join(flag_names(image))}"
    for key, value in _facts(image, facts):
        yield f"{indent}  {key:<14}{value}"
    for dylib in image.loads:
        words = f"{printable(dylib.name)} ({dylib.compatibility_version.full}, {dylib.current_version.full})"
        kind = dylib.command.removeprefix("LC_LOAD_").removeprefix("LC_").removesuffix("_DYLIB").lower()
        yield f"{indent}  {'loads':<14}{words}{'' if kind == 'dylib' else '  ' + kind}"
    for run_path in image.run_paths:
        yield f"{indent}  {'run path':<14}{printable(run_path.path)}"
    room = header_room(image)
    if room is not None:
        yield f"{indent}  {'room':<14}{room} bytes behind the load commands"
    for text in image.dyld_environment:
        yield f"{indent}  {'environment':<14}{printable(text)}"
    for refusal in facts.refusals:
        yield f"{indent}  {'dyld objects':<14}{printable(refusal.defect.text)}  ({_since(refusal)})"
    if style.verbose:
        names = " ".join(command_name(x.cmd) for x in image.commands)
        yield f"{indent}  {'commands':<14}{names}"
        for section in facts.sections:
            yield f"{indent}  {'section':<14}{printable(section.segment)},{printable(section.name)}  {section.size}"
    if facts.deep is not None:
        yield from (f"{indent}  {key:<14}{value}" for key, value in deep_lines(facts.deep, image, style))


def _facts(image: Image, facts: SliceFacts) -> Iterator[tuple[str, str]]:
    if image.install_name is not None:
        yield "install name", printable(image.install_name)
    yield "uuid", image.uuid_text or "none"
    for build in image.builds:
        tools = ", ".join(f"{_TOOLS.get(n, n)} {v}" for n, v in build.tools)
        sdk = build.sdk if build.sdk is not None else "n/a"
        yield "built for", f"{platform_name(build.platform)} {build.minos}, sdk {sdk}{f' ({tools})' if tools else ''}"
    if not image.builds:
        yield "built for", "no platform command"
    signature = facts.signature
    words = [signature.kind.value, *signature.flag_names]
    words += [f"team {signature.team_id}"] if signature.team_id else []
    yield "signature", ", ".join(printable(w) for w in words)
    if facts.held.unreadable is not None:
        yield "", f"the kernel does not take it: {printable(facts.held.unreadable)}"
    elif facts.held.bad_page is not None:
        yield "", f"page {facts.held.bad_page} was changed after signing"
    if facts.held.foreign_cms:
        yield "", "its certificate signed another code directory"
    for number, each in enumerate(facts.certificates or ()):
        root = ", leads to Apple's root" if each.apple else ", does not lead to Apple's root"
        yield (
            "" if number else "signed by",
            f"{printable(each.subject)}, until {each.not_after}{'' if number else root}",
        )
    if facts.ticket:
        yield "notarised", "a ticket is stapled"
    if facts.execution is not None and facts.execution.starts is not True:
        yield "kernel", kernel_words(facts.execution)
    for key in sorted(signature.entitlements):
        yield "entitlement", f"{printable(key)} = {printable(str(signature.entitlements[key]))}"
    if facts.go is not None:
        cgo = {True: "uses cgo", False: "no cgo", None: "cgo unknown"}[facts.go.cgo]
        link = f", linked {facts.go.link.value}ly" if facts.go.link is not None else ""
        yield "go", f"{facts.go.version or 'version unknown'}, {cgo}{link}"


def _archive_text(facts: ArchiveFacts, style: Style) -> Iterator[str]:
    if facts.archive.arch is not None:
        yield f"  {facts.archive.arch.name}"
    if facts.go is not None:
        yield f"  go {facts.go.kind}  {facts.go.version or ''}  {'cgo' if facts.go.uses_cgo else 'no cgo'}"
        for word in facts.go.ld_flags:
            yield f"    {'ldflag':<12}{printable(word)}"
    for member in facts.members:
        yield f"  {printable(member.member.name):<24} {member.member.kind.value}  {member.member.size} bytes"
        if member.error is not None:
            yield f"    {style.paint(printable(member.error), 'bad')}"
        if style.verbose:
            for piece in member.slices:
                yield from _slice_text(piece, style, "    ")
    if facts.archive.error is not None:
        error = facts.archive.error
        yield f"  {style.paint(f'{printable(error.text)} (at offset {error.offset:#x})', 'bad')}"


def write(inspections: Sequence[Inspection], context: RenderContext) -> str:
    """Return the text of ``inspect``."""
    return render_inspections(inspections, context.style)


def write_json(inspections: Sequence[Inspection], _: RenderContext) -> str:
    """Return the document as text."""
    return json.dumps(inspect_document(inspections), indent=2) + "\n"
