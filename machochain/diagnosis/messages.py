"""One dyld message, as a text with dyld's own line breaks, read into facts.

Layouts: dyld-852.2 src/ImageLoader.cpp (launch and symbol), dyld-940 to dyld-1378 dyld/JustInTimeLoader.cpp
loadDependents(), dyld/Loader.cpp getLoader() and resolveSymbol(), dyld/dyldMain.cpp.
"""

from __future__ import annotations

import re
from typing import Final

from machochain.diagnosis.eras import era_of, macos_range
from machochain.diagnosis.joining import KEY
from machochain.diagnosis.text import trimmed
from machochain.diagnosis.tried import scan_tried
from machochain.model.evidence import Evidence, EvidenceKind, Request, Tried
from machochain.model.ospaths import CRYPTEX
from machochain.model.result import Confidence
from machochain.model.value import evolve, frozen

_UUID: Final = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_WITH_UUID: Final = re.compile(rf"<({_UUID}|no uuid)>[ \t]*")
_HIDDEN_UUID: Final = re.compile(r"^<[^<>\n]{0,60}>[ \t]{1,8}(?=/)")
"""What posters put in place of a UUID."""
_TOO_NEW: Final = re.compile(
    r" \((?:built for (?P<new>[^()]{1,60}) which is newer than running OS|"
    r"which was built for (?P<old>[^()]{1,60}))\)\s*$"
)
_FLAT: Final = re.compile(
    r"symbol not found in flat namespace\s{1,4}(?:'(?P<a>[^'\n]+)'?|\((?P<b>[^\n]+?)\)(?=$|\s|[`\"])"
    r"|(?P<c>[A-Za-z_$][^\s'\"`]{2,2048}))"
)
_WEAK_DEF: Final = re.compile(r"weak-def symbol not found\s{1,4}(?:'(?P<a>[^'\n]+)'?|\((?P<b>[^\n]+?)\)(?=$|\s|[`\"]))")
_CLOSURE: Final = re.compile(
    r"dependent dylib '(?P<lib>[^'\n]{0,4096})' not found for '(?P<ref>[^'\n]{0,4096})'(?P<rest>[^\n]*)"
)
_DLOPEN_END: Final = re.compile(r",\s{0,24}(0[xX][0-9A-Fa-f]{1,8}|\d{1,5})\):")
_INSERTED: Final = re.compile(
    r"(?:terminating because inserted dylib|could not load inserted library)\s+'(?P<lib>[^\n]{0,4096}?)'"
    r" (?:could not be loaded:|because|into (?:hardened|library validated) process because)\s*"
)
_CANDIDATE: Final = re.compile(r"^\s*(?P<path>\S[^\n]*?): (?P<why>[^\n]*)$")
_BEGINS: Final = "/@.~<\u2026"
_LATER: Final = re.compile(r"[^/]{1,80}[ \t](?=/)")
_BLOCKED: Final = re.compile(
    r"(?:file system relative paths not allowed|file system sandbox blocked \w{2,8}\(\) of '?(?P<path>[^'\n]{0,4096}))"
)
"""Candidates that dyld2 prints without a path, or with the path inside the words."""
_IN_PATH: Final = re.compile(r"in (?P<path>(?:/|\.\.\.|<|\[|~|\w)[^\n]*)$")

VALIDITY: Final = re.compile(
    r"missing LC_UUID load command|duplicate LC_RPATH '|duplicate linked dylib '|too many LC_UUID load commands"
    r"|__\w+ segment (?:missing|permissions|fileoffset)|missing LC_(?:MAIN|LOAD_DYLIB)|missing __TEXT segment"
    r"|multiple LC_(?:MAIN|UNIXTHREAD)|invalid LC_UNIXTHREAD|can't have LC_MAIN|load commands? (?:length|#\d+|do not)"
    r"|malformed (?:load command|LC_|mach-o)|unknown (?:platform|filetype|mach-o filetype)|incompatible platforms:"
    r"|segment '[^'\n]{0,64}' (?:load command|filesize|file offset|vm address|permissions)|duplicate segment name '"
    r"|(?:vm|file) range of segment '|section '[^'\n]{0,64}' (?:size|start|end)|MH_EXECUTE has MH_DYLIB_IN_CACHE"
    r"|main executable has no entry point|program does not link with libSystem|libdyld.dylib not found"
    r"|file is too small \(length=|big endian mach-o file|LC_SEGMENT(?:_64)? size does not match"
    r"|(?:bad|unknown|extern)(?: local| external)?(?: scattered)? reloc|local(?: scattered)? reloc 0x"
    r"|lazy pointer not found|bad (?:re)?bind opcode|bad rebase (?:opcode|type)|bad mach-o binary"
)
"""Texts with which dyld refuses the main executable itself (dyld-1378, mach_o/UnsafeHeader.cpp valid()), or an image
while it binds it (dyld-852.2, ImageLoaderMachOClassic.cpp, ImageLoaderMachOCompressed.cpp)."""
_WHOSE_FAULT: Final = re.compile(r" in (?:image )?(?P<path>/[^\n]{1,4096}?)(?=\. reloc record|$)")

_ARCH: Final = re.compile(
    r"incompatible architecture|missing compatible arch|wrong architecture|no matching architecture"
    r"|incompatible cpu-subtype"
)
_SIGNATURE: Final = re.compile(r"code sign|not valid for use in process|^mmap\(\) error 1 ")
_ABSENT: Final = re.compile(
    r"^$|no such file|not a file|stat\(\) failed|open\(\) failed|^errno=|blocked by sandbox|file system sandbox"
    r"|relative path not allowed|file system relative|file not found|image not found"
)


_HEADS: Final = (
    "Library not loaded: ",
    "Symbol not found: ",
    "symbol not found in flat namespace ",
    "tried: ",
    "lazy ",
)
"""Words that begin the text behind ``dlopen(…): ``: cut inside them it tells nothing yet."""


@frozen
class Context:
    """What stood before a message: the process number, the bare ``dyld: `` of old releases, a lazy lookup."""

    pid: int | None = None
    bare_prefix: bool = False
    lazy: bool = False
    headless: bool = False


def kind_of(attempts: tuple[Tried, ...], reason: str | None) -> EvidenceKind:
    """Return what the reasons amount to; a file that is there but unusable counts more than one that is absent."""
    text = reason or ""
    if text.startswith("Incompatible library version"):
        return EvidenceKind.COMPATIBILITY
    if text.startswith("unsafe use of") or "relative paths not allowed" in text:
        return EvidenceKind.RESTRICTED
    reasons = [t.reason for t in attempts if t.reason is not None]
    if not reasons and VALIDITY.search(text):
        return EvidenceKind.BAD_FILE
    for kind, pattern in ((EvidenceKind.SIGNATURE, _SIGNATURE), (EvidenceKind.ARCHITECTURE, _ARCH)):
        if any(pattern.search(r) for r in reasons) or (not reasons and pattern.search(text)):
            return kind
    if any(not _ABSENT.search(r) for r in reasons):
        return EvidenceKind.BAD_FILE
    if any("not allowed in hardened program" in r for r in reasons) and not any(map(_elsewhere, attempts)):
        return EvidenceKind.RESTRICTED
    return EvidenceKind.LIBRARY_MISSING


def _elsewhere(tried: Tried) -> bool:
    """Whether dyld looked in a folder that is none of the system's own, and the file was not there."""
    return tried.path.startswith("/") and not tried.path.startswith(_FALLBACKS) and tried.reason == "no such file"


_FALLBACKS: Final = (CRYPTEX, "/usr/lib/", "/usr/local/lib/")


def parse_message(text: str, context: Context) -> Evidence | None:
    """Read one message; None if the text is none after all.

    Args:
        text: From the first word of the message, broken only where dyld breaks.
        context: What stood before it.
    """
    body, base = text, Evidence(EvidenceKind.LIBRARY_MISSING, pid=context.pid, lazy=context.lazy)
    if text.startswith("dlopen("):
        end = _DLOPEN_END.search(text, 7, 4400)
        if end is None:
            return None
        base = evolve(base, request=Request.DLOPEN, dlopen_path=text[7 : end.start()].strip(), dlopen_mode=end.group(1))
        body = text[end.end() :].strip(" \t\n")
    found = _parse_body(body, base, context)
    if found is None:
        return None
    evidence, quoted = found
    if context.headless:
        evidence = evolve(evidence, confidence=Confidence.LIKELY)
    named = (evidence.library, evidence.referenced_from, evidence.expected_in, *(t.path for t in evidence.attempts))
    if any("/*/" in path or path.endswith("/*") for path in named if path):
        evidence = evolve(evidence, redacted=True)
    era = era_of(evidence, bare_prefix=context.bare_prefix, quoted=quoted)
    evidence = evolve(evidence, era=era)
    return evolve(evidence, macos_range=macos_range(evidence))


def _parse_body(body: str, base: Evidence, context: Context) -> tuple[Evidence, bool] | None:  # noqa: C901, PLR0911  # the order of its steps is the rule
    """Recognise the layout. The flag says whether names stood in the quotes or brackets of dyld-960."""
    if re.match(r"Library\s+not\s+loaded:", body):
        return _library(body, base)
    if body.startswith("lazy symbol binding failed:"):
        base, body = evolve(base, lazy=True), body.partition(":")[2].strip()
    if re.match(r"Symbol\s+not\s+found:", body):
        return _symbol(body, base)
    if match := _FLAT.search(body[:4096]):
        symbol = match["a"] or match["b"] or match["c"]
        library = base.dlopen_path
        found = evolve(
            base,
            kind=EvidenceKind.SYMBOL_MISSING,
            request=base.request or Request.LAUNCH,
            symbol=symbol,
            expected_in="flat namespace",
            library=library,
            reason="symbol not found in flat namespace",
        )
        return found, match["b"] is not None
    if match := _WEAK_DEF.search(body[:4096]):
        return evolve(
            base,
            kind=EvidenceKind.SYMBOL_MISSING,
            symbol=match["a"] or match["b"],
            expected_in="weak-def export",
            library=base.dlopen_path,
            reason="weak-def symbol not found",
        ), match["b"] is not None
    if match := _INSERTED.match(body):
        attempts, reason, cut = _reason(body[match.end() :], match["lib"])
        return evolve(
            base,
            kind=kind_of(attempts, reason),
            request=Request.INSERTED,
            library=match["lib"],
            attempts=attempts,
            reason=reason,
            truncated=cut,
        ), False
    if match := _CLOSURE.match(body):
        rest = match["rest"].lstrip(",. ")
        listed = re.search(r"(?:didn't find|but invalid): ", rest)
        names = re.findall(r"'([^'\n]+)'", rest[listed.end() :]) if listed else []
        paths = tuple(Tried(name, "no such file" if "find" in rest else "invalid") for name in names)
        return evolve(
            base,
            request=Request.LAUNCH,
            library=match["lib"],
            referenced_from=match["ref"],
            attempts=paths,
            reason=rest,
        ), False
    if base.request is Request.DLOPEN or body.startswith("tried:"):
        attempts, reason, cut = _reason(body, base.dlopen_path)
        if not attempts and (not reason or any(h.startswith(reason) for h in _HEADS)):
            return None
        if base.request is None and not attempts:
            return None
        other = _WHOSE_FAULT.search(reason) if reason and not attempts and VALIDITY.match(reason) else None
        return evolve(
            base,
            kind=kind_of(attempts, reason),
            library=other["path"] if other else base.dlopen_path,
            attempts=attempts,
            reason=reason,
            truncated=cut,
        ), False
    if KEY.match(body) and context.headless:
        return _library("Library not loaded: \n" + body, base)
    if VALIDITY.match(body):
        return _validity(body, base), False
    return None


def _fields(body: str) -> dict[str, str]:
    """Split at dyld's keys, the first of each in the order dyld writes them: head, from, expected, reason."""
    marks: list[tuple[str, int, int]] = []
    order = {"Referenced": "from", "Expected": "expected", "Reason:": "reason"}
    for match in KEY.finditer(body):
        name = order[match.group().split()[0]]
        if name in {m[0] for m in marks} or (marks and marks[-1][0] == "reason"):
            continue
        marks.append((name, match.start(), match.end()))
        if name == "expected" and match.group().startswith("Expected as"):
            marks[-1] = (name, match.start(), match.start())
    fields = {"head": body[: marks[0][1]] if marks else body}
    for index, (name, _, begin) in enumerate(marks):
        fields[name] = body[begin : marks[index + 1][1] if index + 1 < len(marks) else len(body)]
    return fields


_WRITTEN_BREAKS: Final = re.compile(r"(?:\\n)+$")
"""Breaks as a string has them, at the end of a line that a wrap made too."""


def _value(text: str) -> str:
    """Return one field's value: its first line, without the marks of Markdown around it."""
    value = text.strip(" \t").lstrip("\n ").partition("\n")[0].strip()
    for noise in ("(terminated at launch; ignore backtrace)",):
        value = value.removesuffix(noise).rstrip()
    value = _WRITTEN_BREAKS.sub("", value)
    if value.count("`") % 2:
        value = value.lstrip("`").partition("`")[0].rstrip()
    return value


def _unquote(value: str) -> tuple[str, bool]:
    """Take off the quotes dyld-960 puts around names."""
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1], True
    return value, False


def _image(value: str) -> tuple[str | None, str | None, str | None, bool]:
    """Read ``<UUID> path (built for …)``: UUID, path, what it was built for, whether it was quoted."""
    built = None
    if match := _TOO_NEW.search(value[-200:]):
        built = match["new"] or match["old"]
        value = value[: len(value) - len(match.group())]
    elif " (built for " in value and ")" not in value.rpartition(" (built for ")[2]:  # cut inside it
        value = value.rpartition(" (built for ")[0]
    uuid = None
    if match := _WITH_UUID.match(value):
        uuid = None if match[1] == "no uuid" else match[1].upper()
        value = value[match.end() :]
    value = _HIDDEN_UUID.sub("", value)
    if value.startswith("<") and ">" not in value:  # cut inside the UUID
        value = ""
    path, quoted = _unquote(value.strip())
    if path.startswith("'") and not quoted:  # cut inside the quotes
        path = ""
    path = path if quoted or path[:1] not in {"/", "@"} else trimmed(path)
    return uuid, path or None, built, quoted


def _reason(text: str, library: str | None) -> tuple[tuple[Tried, ...], str | None, bool]:
    """Read what follows ``Reason: `` (or ``dlopen(…): ``): attempts, other words, whether it was cut."""
    stripped = text.strip()
    if stripped.startswith("tried:"):
        flat = stripped.replace("\n", " ") if "\n" in stripped else stripped
        tried = scan_tried(flat, 6)
        rest = flat[tried.end :].strip()
        policy = ", (security policy does not allow @ path expansion)"
        return tried.items, policy[2:] if rest.startswith(policy.strip()) else None, not tried.complete
    if re.match(r"no suitable image found\.\s*Did find:", stripped):
        lines = stripped.partition("Did find:")[2].split("\n")
        items = tuple(item for line in lines if (item := _candidate(line, library)))
        return items, "no suitable image found.  Did find:", not items
    value = _value(stripped)
    if value.startswith("image not found "):  # what a runtime adds behind it is not dyld's
        value = "image not found"
    return (), value or None, not value or _is_cut(value)


def _is_cut(value: str) -> bool:
    return any(
        phrase.startswith(value) and phrase != value for phrase in ("image not found", "no LC_RPATH's found", "tried:")
    )


def _candidate(line: str, library: str | None) -> Tried | None:
    """Read one ``path: why`` line; the path is known beforehand as a rule, and may hold ``: `` itself."""
    text = line.strip().rstrip("`")
    if not text:
        return None
    if library and text.startswith(library + ": "):
        return Tried(library, text[len(library) + 2 :])
    if blocked := _BLOCKED.match(text):
        return Tried(blocked["path"] or "", text)
    match = _CANDIDATE.match(text)
    if match is None or ("/" not in match["path"] and match["path"] != library):
        return None
    path = match["path"]
    if path[:1] not in _BEGINS and (at := _LATER.search(path)) is not None:  # what a runner put before it
        path = path[at.end() :]
    return Tried(path, match["why"])


def _library(body: str, base: Evidence) -> tuple[Evidence, bool]:
    fields = _fields(body)
    library, quoted = _unquote(_value(fields["head"].partition(":")[2]))
    uuid, referenced, built, _ = _image(_value(fields.get("from", "")))
    attempts, reason, cut = _reason(fields.get("reason", ""), library)
    truncated = cut or "reason" not in fields or "from" not in fields
    if not attempts and not reason and referenced and (base.dlopen_path or "").startswith(f"{referenced}/"):
        referenced = None  # cut inside the path of the file that was opened
    return evolve(
        base,
        kind=kind_of(attempts, reason),
        request=base.request or Request.LAUNCH,
        library=library or None,
        referenced_from=referenced,
        uuid=uuid,
        built_for=built,
        attempts=attempts,
        reason=reason,
        truncated=truncated,
    ), quoted


_PART_OF_PATH: Final = re.compile(
    r"(?!.*/(?:s?bin|MacOS|libexec)/)(?!.*/([^/]+)\.framework/(?:Versions/[^/]+/)?\1$)/.*/[^/.]+$"
)
_IN_FRAMEWORK: Final = re.compile(r"(.*/[^/]+\.framework)/(?:Versions/)?[^/]*/?[^/]*$")
"""Where a text breaks off inside the path of a library: one has an ending, or lies where programs and frameworks do."""
_PROSE_BEHIND: Final = re.compile(r"(?<=\.dylib) [A-Z][a-z]{1,20} [a-z](?![^\n]*[^ \n]/[^ \n])[^\n]*")
"""A sentence whose line break before it was lost: words behind the name of a library, and no further path."""


def _symbol(body: str, base: Evidence) -> tuple[Evidence, bool]:
    fields = _fields(body)
    symbol = _value(fields["head"].partition(":")[2])
    quoted = symbol.startswith("(") and symbol.endswith(")")
    uuid, referenced, built, from_quoted = _image(_value(fields.get("from", "")))
    expected = fields.get("expected", "")
    expected_uuid, expected_in, _, _ = _image(_value(expected))
    if expected.startswith("Expected as"):
        expected_in = "weak-def export"
    elif expected_in:
        expected_in = _PROSE_BEHIND.sub("", expected_in.removesuffix(f" in {referenced}"))
    if expected_in and _PART_OF_PATH.match(expected_in) and expected_in != referenced:
        inside = _IN_FRAMEWORK.match(expected_in)  # whose name is whole, whatever is left of the file's
        expected_in = inside[1] if inside else None
    return evolve(
        base,
        kind=EvidenceKind.SYMBOL_MISSING,
        request=base.request or Request.LAUNCH,
        library=base.dlopen_path,
        symbol=(symbol[1:-1] if quoted else symbol) or None,
        referenced_from=referenced,
        uuid=uuid,
        built_for=built,
        expected_in=expected_in,
        expected_uuid=expected_uuid,
        truncated=not expected_in or not referenced,
    ), quoted or from_quoted


def _validity(body: str, base: Evidence) -> Evidence:
    """Read a refusal of the main executable: the text, then ``in <path>`` on the same or the next line."""
    head, _, rest = body.partition("\n")
    path: str | None = None
    if match := _IN_PATH.match(rest.strip()):
        path = match["path"]
    else:
        at = head.find(" in /")
        at = at if at >= 0 else head.rfind(" in ")
        if at >= 0:
            head, path = head[:at], head[at + 4 :].strip()
    reason = _value(head).removeprefix("malformed mach-o image: ")
    return evolve(base, kind=EvidenceKind.VALIDITY, request=Request.LAUNCH, referenced_from=path, reason=reason)
