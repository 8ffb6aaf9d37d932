"""The facts of a message by the names users and documents know them by, and which row of the table it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from machochain.diagnosis import table
from machochain.diagnosis.attempts import NO_PATH
from machochain.diagnosis.derive import elided_names, wheel_dots
from machochain.diagnosis.elision import is_elided
from machochain.diagnosis.matching import Hit
from machochain.diagnosis.names import app_name
from machochain.diagnosis.text import trimmed
from machochain.model.diagnosis import Fact
from machochain.model.evidence import Era, Evidence, EvidenceKind, Request
from machochain.model.version import Version

_ARCH: Final = re.compile(r"[A-Za-z_][\w.]*(?:-\w+)?")
_OF_LAUNCHD: Final = re.compile(r"\((?P<process>[^()\[\]\n]{1,200})\[\d{1,10}\]\) Exited$")
"""What launchd writes before the signal that ended a process of its own."""
_LIBRARY_NAME: Final = re.compile(r"[^',\s]{1,400}")
_LINKED_FOR: Final = re.compile(r"(?<=\S) for (?:inferred )?architecture (?P<arch>\w{3,12})$")
_NUMBERS: Final = frozenset({"pid", "errno", "code", "n", "line", "nserror"})
_ARCHS: Final = frozenset({"have", "need", "archs", "haves"})
_HAVE: Final = re.compile(r"\(have (?P<have>[^\n]{1,200}?), need (?P<need>[^\n]{1,200}?)\)")
_ERRNO: Final = re.compile(r"errno=(?P<errno>\d{1,4})")
_DUPLICATE: Final = re.compile(r"duplicate LC_RPATH '(?P<rpath>[^\n]{0,4096}?)'(?:\)|$| )")
_COMPAT: Final = re.compile(
    r"requires version (?P<need>[\d.]{1,20}) or later, but [^\n]{1,400} provides version (?P<have>[\d.]{1,20})"
)
_PATHS: Final = frozenset({"file", "sub", "path", "path1", "path2", "app"})
_DLOPEN_FORMS: Final = {True: "dyld.dlopen", False: "dyld.dlopen.old"}


def typed(group: Sequence[Hit]) -> dict[str, Fact]:  # noqa: C901, PLR0912  # the order of its steps is the rule
    """Return the facts of one form that was found once or more: values that differ as a tuple."""
    found: dict[str, list[str]] = {}
    for hit in group:
        for name, value in hit.facts.items():
            for each in value if isinstance(value, tuple) else (trimmed(value) if name in _PATHS else value,):
                if each not in found.setdefault(name, []):
                    found[name].append(each)
    facts: dict[str, Fact] = {}
    if group[0].form.producer == "spctl/Gatekeeper" and "app" in found:
        found["app"] = list(filter(None, dict.fromkeys(app_name(v) for v in found["app"])))
    if group[0].form.producer in {"ld64", "ld-prime"}:
        _without_architecture(found)
    for name, values in found.items():
        if not values or name in {"any", "rest", "hex", "n", "stamp", "stamp2"}:
            continue
        if name == "arch":
            values = list(dict.fromkeys(v.rstrip(".,") for v in values))  # noqa: PLW2901  # the end of a sentence
        if name in _NUMBERS and all(re.fullmatch(r"-?\d{1,12}", v) for v in values):
            facts[name] = int(values[0]) if len(values) == 1 else tuple(values)
        elif name in _ARCHS and group[0].form.producer == "dyld":
            facts[name] = tuple(dict.fromkeys(a for v in values for a in _ARCH.findall(v) if a != "or"))
        else:
            facts[name] = values[0] if len(values) == 1 else tuple(values)
    if group[0].form.name == "ld.duplibs" and isinstance(names := facts.get("names"), str):
        facts["names"] = tuple(_LIBRARY_NAME.findall(names))
    _numbers_of_wordings(group[0].form, facts, found)
    words = facts.get("command")
    if isinstance(words, str) and (match := _OF_LAUNCHD.search(words)):
        facts["process"] = match["process"]
        del facts["command"]
    elif isinstance(words, str) and words.split():
        first = words if ".app/Contents/MacOS/" in words and words[:1] == "/" else words.split()[0]
        facts.setdefault("process", first.rpartition("/")[2] or words)
    if group[0].form.producer == "dyld" and "reason" not in facts:
        facts["reason"] = group[0].text.strip()
    if isinstance(paths := facts.get("file"), tuple) and "files" not in facts:
        facts["files"] = tuple(p.rstrip("/").rpartition("/")[2] for p in paths)
    if "errno" in facts and isinstance(facts["errno"], int):
        facts["errno"] = abs(facts["errno"])
    for flag in ("tainted", "signed", "validated"):
        if flag in facts:
            facts[flag] = facts[flag] == "1"
    if "same" in facts:
        facts["mtime_equal"] = facts.pop("same") == "=="
    for flag in ("cut", "lazy", "renamed"):
        if flag in facts:
            facts[flag] = True
    if len(group) > 1:
        facts["lines"] = len({h.line for h in group})
    if ".newer" in group[0].form.name:
        facts["files"] = len(group)
    elif isinstance(paths := facts.get("paths"), tuple) and group[0].form.joiner == "minos":
        facts["files"] = len(paths)
    return facts


def _numbers_of_wordings(form: table.Form, facts: dict[str, Fact], found: dict[str, list[str]]) -> None:
    """Complete numbers of which the wording itself has a part."""
    if form.name == "cs.osstatus" and "oscode" in facts:
        codes = tuple(f"-67{code}" for code in found["oscode"])
        facts["oscode"] = codes if len(codes) > 1 else codes[0]
    if form.name == "exec.errno86":
        facts["errno"] = 86


def _without_architecture(found: dict[str, list[str]]) -> None:
    """Take off what Apple's linkers put behind every message, ``for architecture X``, and keep the processor."""
    for name, values in list(found.items()):
        for at, value in enumerate(values):
            if (match := _LINKED_FOR.search(value)) is not None:
                found[name][at] = value[: match.start()]
                found.setdefault("arch", [match["arch"]])


def form_of(evidence: Evidence, hits: Sequence[Hit]) -> table.Form:
    """Return the row a message of dyld is: what is said of a file that was found decides before the head line."""
    rows = table.forms()
    inside = [h.form for h in hits if h.form.producer == "dyld" and h.form.level == table.DECISIVE]
    specific = [
        f
        for f in inside
        if not f.name.startswith("dyld.valid") or evidence.kind in {EvidenceKind.VALIDITY, EvidenceKind.BAD_FILE}
    ]
    open_to_all = evidence.request is not Request.INSERTED or evidence.kind is EvidenceKind.ARCHITECTURE
    if specific and open_to_all and evidence.kind not in {EvidenceKind.LIBRARY_MISSING, EvidenceKind.SYMBOL_MISSING}:
        return _best(specific, evidence)
    return rows[_name(evidence)]


def _best(found: Sequence[table.Form], evidence: Evidence) -> table.Form:
    wanted = {
        EvidenceKind.SIGNATURE: ("dyld.tried.team", "dyld.tried.sig", "dyld.did-find"),
        EvidenceKind.ARCHITECTURE: ("dyld.tried.arch", "dyld.tried.fat-arch", "dyld.did-find"),
        EvidenceKind.COMPATIBILITY: ("dyld.compat",),
        EvidenceKind.RESTRICTED: ("dyld.unsafe-rpath", "dyld.tried.hardened"),
    }.get(evidence.kind, ())
    for prefix in wanted:
        for form in found:
            if form.name.startswith(prefix):
                return form
    return found[0]


def _name(evidence: Evidence) -> str:  # noqa: C901, PLR0911, PLR0912  # the order of its steps is the rule
    """Return the row by what was read, where no words of a found file decide."""
    reason = evidence.reason or ""
    old = evidence.era in {Era.DYLD2, Era.DYLD3_CLOSURE}
    quoted = evidence.era is Era.DYLD4_QUOTED
    reasons = [t.reason or "" for t in evidence.attempts] or [reason]
    if evidence.request is Request.INSERTED and evidence.kind is not EvidenceKind.ARCHITECTURE:
        return "dyld.inserted.old" if old else "dyld.inserted"
    match evidence.kind:
        case EvidenceKind.SYMBOL_MISSING:
            if reason.startswith("weak-def") or evidence.expected_in == "weak-def export":
                return "dyld.symbol.weakdef"
            if reason.startswith("symbol not found in flat") or (
                evidence.expected_in == "flat namespace" and not old and not evidence.referenced_from
            ):
                return "dyld.symbol.flat"
            return "dyld.symbol.old" if old else "dyld.symbol.quoted" if quoted else "dyld.symbol"
        case EvidenceKind.ARCHITECTURE if "Did find" in reason:
            return "dyld.did-find"
        case EvidenceKind.ARCHITECTURE:
            if "missing compatible arch in" in reason:
                return "dyld.tried.arch11"
            return "dyld.tried.fat-arch" if any("fat file" in r for r in reasons) else "dyld.tried.arch"
        case EvidenceKind.SIGNATURE if "Did find" not in reason:
            if any("not valid for use" in r for r in reasons):
                return "dyld.tried.team"
            return "dyld.tried.sig-invalid" if any("signature invalid" in r for r in reasons) else "dyld.tried.sig-mmap"
        case EvidenceKind.COMPATIBILITY:
            return "dyld.compat"
        case EvidenceKind.VALIDITY:
            return _validity(reason)
        case EvidenceKind.BAD_FILE if "Did find" not in reason:
            return _validity(" ".join(r for r in reasons if not r.startswith("no such file")))
        case EvidenceKind.TERMINATION:
            return "crash.libsystem"
        case _:
            pass
    if "Did find" in reason and evidence.kind is not EvidenceKind.LIBRARY_MISSING:
        return "dyld.did-find"
    if "unsafe use of" in reason:
        return "dyld.unsafe-rpath"
    if reason.startswith("no LC_RPATH's"):
        return "dyld.no-rpath" if "found" in reason else "dyld.rpath-unusable"
    if evidence.request is Request.DLOPEN and evidence.library == evidence.dlopen_path:
        return _DLOPEN_FORMS[(evidence.dlopen_mode or "").startswith("0x")]
    if reason.startswith("tried but"):
        return "dyld.closure.dep"
    return "dyld.launch.missing.old" if old else "dyld.launch.missing.quoted" if quoted else "dyld.launch.missing"


def _validity(words: str) -> str:
    for part, name in (
        ("LC_UUID", "dyld.valid.uuid"),
        ("duplicate LC_RPATH", "dyld.tried.duprpath"),
        ("duplicate linked dylib", "dyld.tried.duplib"),
        ("SG_READ_ONLY", "dyld.valid.readonly"),
        ("filesize exceeds", "dyld.valid.segments"),
        ("libSystem", "dyld.valid.libsystem"),
        ("entry point", "dyld.valid.entry"),
        ("LC_MAIN", "dyld.valid.entry"),
        ("wrong platform", "dyld.platform"),
        ("incompatible platform", "dyld.platform"),
        ("not built for", "dyld.platform"),
        ("built for simulator", "dyld.platform"),
        ("not valid mach-o", "dyld.junk"),
        ("not a mach-o", "dyld.junk"),
        ("unknown file type", "dyld.junk"),
        ("filetype", "dyld.filetype"),
    ):
        if part in words:
            return name
    return "dyld.valid.other"


_ERAS: Final = {
    Era.DYLD2: "11 or older",
    Era.DYLD3_CLOSURE: "11",
    Era.DYLD4_EARLY: "12 or later",
    Era.DYLD4_QUOTED: "12",
    Era.DYLD4: "13 or later",
}


def facts_of(  # noqa: C901, PLR0912, PLR0915  # the order of its steps is the rule
    evidence: Evidence,
    hits: Sequence[Hit],
    context: Mapping[str, Fact],
    extra: Mapping[str, Fact],
) -> dict[str, Fact]:
    """Return every value of a message of dyld by its name."""
    e = evidence
    found: dict[str, Fact | None] = {
        "lib": e.library,
        "asker": e.referenced_from,
        "uuid": e.uuid,
        "loader": e.dlopen_path,
        "mode": e.dlopen_mode,
        "sym": e.symbol,
        "expected": e.expected_in,
        "uuid2": e.expected_uuid,
        "pid": e.pid,
        "process": e.process,
        "built_for": e.built_for,
        "os_built": match[0] if (match := re.search(r"\d[\d.]*", e.built_for or "")) else None,
        "reason": e.reason,
    }
    if e.referenced_from is None and e.dlopen_path is not None and e.library and e.library != e.dlopen_path:
        found["asker"] = e.dlopen_path
        found["asker_from"] = "dlopen"
    words = " ".join((e.reason or "", *(t.reason or "" for t in e.attempts)))
    if match := _HAVE.search(words):
        found["have"] = _archs(match["have"])
        found["need"] = _archs(match["need"])
        found |= of_processors(_archs(match["have"]), _archs(match["need"]))
    elif match := _COMPAT.search(words):
        found["need"], found["provided"] = match["need"], match["have"]
    if match := _ERRNO.search(words):
        found["errno"] = int(match["errno"])
    if match := _DUPLICATE.search(words):
        found["rpath"] = match["rpath"]
    if "Team ID" in words:
        found["team"] = "none" if "has no Team ID" in words else "different"
    if e.attempts:
        found["attempts"] = len(e.attempts)
        found["tried"] = tuple(t.path for t in e.attempts)
        if all(not t.path and not NO_PATH.search(t.reason or "") for t in e.attempts):
            found["attempts_removed"] = True
    if e.symbol:
        found["flat"] = e.expected_in == "flat namespace"
        found["lazy"] = e.lazy or (context.get("thread") == "another" and e.process == e.referenced_from) or None
        found["plugin"] = extra.get("asker.plugin") or None
        found["inline_namespace"] = extra.get("sym.version")
    if e.library and e.library.startswith("@"):
        found["dots"] = e.library.count("/..") or None
        found["dots_needed_for_wheel_layout"] = wheel_dots(e.library, e.referenced_from or "")
    if extra.get("second_attempt_is_realpath"):
        found["second_attempt_is_realpath"] = True
    if any(t.path.startswith(("/usr/local/lib/", "/usr/lib/")) and t.path != e.library for t in e.attempts):
        found["fallback_tried"] = True
    found["era"] = _ERAS.get(e.era) if e.era is not None else None
    if "missing compatible arch in" in words:
        found["era"] = "11"
    if e.truncated:
        found["cut"] = True
    elided = elided_names(e)
    if elided:
        found["elided"] = elided
    for name, value in (("lib", e.library), ("asker", e.referenced_from), ("loader", e.dlopen_path)):
        if value and is_elided(value):
            found[f"{name}_leaf"] = value.rstrip("/").rpartition("/")[2]
    told = context.get("os")
    as_told = isinstance(told, str) and e.macos is not None and Version.parse(told) == e.macos
    found["os"] = told if as_told else str(e.macos) if e.macos is not None else None
    for key in ("build", "arch", "translated", "region"):
        found[key] = context.get(key)
    for hit in hits:
        if hit.form.level == table.WRAPPER or hit.form.producer == "nix":
            for key, given in hit.facts.items():
                if key in {"module", "pkg", "name", "nserror", "method", "where"}:
                    found.setdefault(key, int(given) if key == "nserror" and isinstance(given, str) else given)
                if key == "pid" and found["pid"] is None and isinstance(given, str):
                    found["pid"] = int(given)
    return {k: v for k, v in found.items() if v not in (None, "", ())}


def of_processors(have: Sequence[str], need: Sequence[str]) -> dict[str, Fact]:
    """Return what follows from the processors a file is for, and those a process takes."""
    return {
        "have.arm": all(a.startswith("arm64") for a in have),
        "have.arm64": "arm64" in have,
        "need.one": len(need) == 1,
        "need.plain": _plain_processor(need),
    }


def _plain_processor(need: Sequence[str]) -> str:
    """Return the processor a file is to be built for: nobody but Apple builds for arm64e, and few for x86_64h."""
    if any(a.startswith("arm64") for a in need):
        return "arm64"
    return "x86_64" if "x86_64h" in need else next(iter(need), "")


def _archs(text: str) -> tuple[str, ...]:
    return tuple(a for a in _ARCH.findall(text) if a != "or")
