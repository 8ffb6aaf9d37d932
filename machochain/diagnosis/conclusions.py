"""Steps from matched forms to answers: which message decides, what is only its consequence, what helps, what to run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from machochain.diagnosis import table
from machochain.diagnosis.derive import scheme
from machochain.diagnosis.elision import is_elided
from machochain.diagnosis.facts import of_processors
from machochain.diagnosis.matching import Hit
from machochain.diagnosis.names import LIBRARIES, bare_name
from machochain.diagnosis.packages import formula_for
from machochain.diagnosis.rules import holds
from machochain.diagnosis.wording import command, sentence
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer, Fact, Help, PlaceKind, ProcessFacts
from machochain.model.evidence import Evidence, EvidenceKind, Request
from machochain.model.paths import leaf
from machochain.model.shell import quoted
from machochain.model.value import evolve

LINKERS: Final = frozenset({"ld64", "ld-prime", "lld", "zig"})
SOURCES: Final = frozenset(
    {"ld64", "ld-prime", "lld", "zig", "clang", "xcrun", "cmd/link", "cmd/go", "cgo", "node-gyp"}
)


_SPELLED: Final = re.compile(
    r"(?:arch|codesign|dyld|libiconv|lld|strip|zig)\b|[a-z]+[-\w]*[A-Z_.+]\w|c-archive|node-gyp"
)
"""Names that begin with a small letter, in a sentence too: tools, and macOS, libSystem, go.mod."""


def because_of(rules: Sequence[table.CauseRule], known: dict[str, Fact]) -> list[str]:
    """Return what the first rule rests on, as a sentence."""
    if not rules or not rules[0].why:
        return []
    text = sentence(rules[0].why, known)
    head = text if _SPELLED.match(text) or rules[0].why.startswith("{") else text[:1].upper() + text[1:]
    return [head + ("" if text.endswith(".") else ".")]


def causes_of(form: table.Form) -> tuple[table.CauseRule, ...]:
    """Return the rules of a message: one that only says who asked is judged as any missing library."""
    if form.name in {"dyld.dlopen", "dyld.dlopen.old"}:
        return table.forms()["dyld.launch.missing"].causes
    return form.causes


def of_wrappers(hits: Sequence[Hit]) -> list[table.CauseRule]:
    """Rules of what wraps a message that hold beside those of the message itself."""
    return [r for h in hits if h.form.producer in {"R", "PHP", ".NET"} for r in h.form.causes if r.conditions]


def unique_forms(forms: Iterable[table.Form]) -> list[table.Form]:
    """Return each row once."""
    return list({f.name: f for f in forms}.values())


def helps_for(rows: Sequence[table.Form], cause: Cause, known: dict[str, Fact]) -> list[Help]:
    """What helps for a class, of the form itself and of what wraps it; each text once."""
    found: dict[str, Help] = {}
    for index, form in enumerate(rows):
        for each in form.remedies:
            if cause not in each.causes and (each.causes or index):
                continue
            if not all(holds(c, known) for c in each.conditions):
                continue
            is_command = each.text.startswith("$ ")
            text = command(each.text[2:], known) if is_command else sentence(each.text, known)
            if text not in found:
                found[text] = Help(each.kind, text, is_command, each.evidence)
    return list(found.values())


def avoid_of(form: table.Form, cause: Cause) -> tuple[str, ...]:
    """Return what does not help; rows of dyld's blocks leave that to the remedies of their classes."""
    if form.producer == "dyld" and form.name.startswith(
        ("dyld.launch", "dyld.symbol", "dyld.did-find", "dyld.closure")
    ):
        return ()
    if cause is Cause.WRONG_ARCHITECTURE and form.name == "dyld.tried.arch":
        return ()
    return form.avoid


def rivals_of(rules: Sequence[table.CauseRule]) -> tuple[Cause, ...]:
    """Return the classes that hold behind the first: none behind one that is proved; that nothing is known is none."""
    if not rules or rules[0].proved:
        return ()
    ground = rules[0].conditions[:1] if rules[0].closed else ()
    rest = [r for r in rules[1:] if set(ground) <= set(r.conditions)]
    return tuple(r.cause for r in rest if r.cause is not Cause.UNKNOWN)[:3]


def each_once(items: Iterable[str]) -> tuple[str, ...]:
    """Return sentences each once; one that another begins with is left to that."""
    found = tuple(dict.fromkeys(items))
    return tuple(one for one in found if not any(other != one and other.startswith(one) for other in found))


def is_consequence(form: table.Form, present: set[str]) -> bool:
    """Whether another form of the same text explains this one."""
    return any(name != form.name and name.startswith(prefix) for prefix in form.follows for name in present)


def is_undone(text: str, hit: Hit, later: Sequence[Hit]) -> bool:
    """Whether a session at a prompt went on past a refused file: its mode was set, or it was a folder to go into."""
    if hit.form.name != "exec.permission" or not later:
        return False
    file = hit.facts.get("file")
    between = text[hit.end : max(h.begin for h in later)]
    return "chmod " in between or (isinstance(file, str) and f"cd {file}" in between)


def without_tries(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return messages with one for all spellings of a name that a runtime tries: NAME, libNAME.dylib, libNAME.so.2.

    Where a file of that name was found, and refused, the other spellings tell nothing.
    """
    found = {spelled(e) for e in evidence if e.dlopen_path and not is_absent(e)}
    kept: dict[str, Evidence] = {}
    for e in evidence:
        if is_absent(e) and (e.dlopen_path or "").endswith(LIBRARIES):
            kept.setdefault(spelled(e), e)
    for e in evidence:
        if is_absent(e):
            kept.setdefault(spelled(e), e)
    return [e for e in evidence if not is_absent(e) or (kept[spelled(e)] is e and spelled(e) not in found)]


def is_absent(e: Evidence) -> bool:
    """Whether a file that was asked for by dlopen alone was not there."""
    alone = e.request is Request.DLOPEN and e.referenced_from is None and e.library == e.dlopen_path
    return alone and e.kind is EvidenceKind.LIBRARY_MISSING and bool(e.dlopen_path)


def spelled(e: Evidence) -> str:
    """Return the name a file was asked for by, without what systems put before and behind it."""
    return bare_name(e.dlopen_path or "")


HEADS: Final = (
    "dyld.launch",
    "dyld.symbol",
    "dyld.dlopen",
    "dyld.closure",
    "dyld.preflight",
    "dyld.inserted",
    "dyld.lazy-load",
)


def is_block(form: table.Form, *, read: bool) -> bool:
    """Whether a form is a part of dyld's blocks, which their own reader reads: prose that quotes its words is none."""
    if form.name.startswith(HEADS):
        return form.name != "dyld.lazy-load.symbol"
    return read and form.name.startswith(
        ("dyld.tried", "dyld.did-find", "dyld.no-rpath", "dyld.rpath", "dyld.compat", "dyld.unsafe", "nix.")
    )


def by_form(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Return the hits of each row together."""
    groups: dict[str, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.form.name, []).append(hit)
    return list(groups.values())


def beside_of(group: Sequence[Hit], hits: Sequence[Hit], heads: Sequence[Hit]) -> list[Hit]:
    """What else stands in the text and is no answer of its own."""
    headed = {h.form.name for h in heads}
    return [h for h in hits if h.form.name not in headed and h.form is not group[0].form and h.form.level > table.NOISE]


def merged_answers(answers: list[Answer]) -> list[Answer]:
    """One answer for each class: the first of them, with the facts of the others."""
    found: dict[Cause, Answer] = {}
    for answer in answers:
        held = found.get(answer.cause)
        if held is None:
            found[answer.cause] = answer
        elif held.fact("file") is None and answer.fact("file") is not None:
            found[answer.cause] = with_forms(answer, held)  # commands name the file where one does
        else:
            found[answer.cause] = with_forms(held, answer)
    return list(found.values())


def with_forms(answer: Answer, other: Answer) -> Answer:
    """Return an answer with what another of the same class adds."""
    facts = dict(other.facts) | dict(answer.facts)
    helps = {h.text: h for h in (*answer.helps, *other.helps)}
    return evolve(
        answer,
        forms=tuple(dict.fromkeys((*answer.forms, *other.forms))),
        facts=tuple(facts.items()),
        helps=tuple(helps.values()),
        avoid=tuple(dict.fromkeys((*answer.avoid, *other.avoid))),
    )


def kin(one: Answer, other: Answer) -> bool:
    """Whether two answers are about one failure: both from the process, or both from the build."""
    return (one.evidence.kind is EvidenceKind.BUILD) == (other.evidence.kind is EvidenceKind.BUILD)


SYSTEM_HEADERS: Final = (
    "CoreFoundation/", "CoreServices/", "Foundation/", "Cocoa/", "AppKit/", "Security/", "IOKit/",
    "SystemConfiguration/",
    "Carbon/", "CoreGraphics/", "ApplicationServices/", "OpenGL/", "Metal/", "AudioToolbox/", "CoreAudio/", "WebKit/",
    "AvailabilityMacros.h", "Availability.h", "TargetConditionals.h", "mach/", "mach-o/", "sys/", "libkern/", "os/",
    "dispatch/", "objc/", "machine/", "arm/", "netinet/", "arpa/", "net/", "CommonCrypto/", "LocalAuthentication/",
    "UserNotifications/", "CoreWLAN/", "CoreBluetooth/", "AVFoundation/", "QuartzCore/", "Virtualization/",
    "stdlib.h", "stdio.h", "string.h", "stdint.h", "errno.h", "pthread.h", "math.h", "unistd.h", "signal.h", "limits.h",
    "stddef.h", "stdarg.h", "assert.h", "ctype.h", "time.h", "fcntl.h", "dlfcn.h", "inttypes.h", "_types.h", "wchar.h",
    "iostream", "cstdlib", "cstdint", "cstddef", "cmath", "cstring", "memory", "vector", "utility", "type_traits",
    "locale.h", "setjmp.h", "sched.h", "termios.h", "bsm/", "membership.h", "netdb.h", "crt_externs.h", "xlocale.h",
)  # fmt: skip


def of_facts(facts: dict[str, Fact]) -> dict[str, Fact]:
    """Facts that follow from those of a form."""
    found: dict[str, Fact] = {}
    header = facts.get("header")
    if isinstance(header, str):
        found["header.system"] = header.startswith(SYSTEM_HEADERS)
    if isinstance(name := facts.get("name"), str) and (formula := formula_for(name)):
        found["formula"] = formula
    first = _first(facts.get("file"))
    found["file.split"] = "/" in first and re.match(r"[\w(]{1,40}/\.?", first) is not None and not first[0].isalpha()
    if isinstance(file := facts.get("file"), str):
        found["file.container"] = file.lower().endswith((".dmg", ".iso", ".pkg", ".mpkg"))
        found["file.bare"] = file.startswith(("/usr/", "/bin/", "/sbin/")) and "." not in file.rpartition("/")[2]
    sub = facts.get("sub")
    # What codesign says is said of the part it names below, not of what holds it.
    if (culprit := sub or facts.get("file")) is not None:
        found["culprit"] = culprit
        found |= _bundled(str(culprit[0] if isinstance(culprit, tuple) and culprit else culprit))
    one, other = facts.get("path1"), facts.get("path2")
    if isinstance(one, str) and isinstance(other, str):
        found["paths.same"] = _VERSIONS.sub("", one) == _VERSIONS.sub("", other)
    if isinstance(sub, str):
        name = sub.rstrip("/").rpartition("/")[2]
        ending = name.rpartition(".")[2].lower() if "." in name else ""
        data = ending in {
            "json",
            "py",
            "txt",
            "plist",
            "md",
            "js",
            "html",
            "png",
            "xml",
            "sh",
            "keepme",
            "gitkeep",
            "pyc",
            "dat",
            "cfg",
            "toml",
            "yaml",
            "yml",
            "csv",
            "qm",
            "qml",
            "conf",
            "ini",
            "log",
        }
        found["sub.data"] = data
        found["sub.code"] = not data
    have, need = facts.get("have"), facts.get("need")
    found["arch.same"] = have is not None and have == need
    if isinstance(have, tuple) and isinstance(need, tuple):
        found |= of_processors(have, need)
    if isinstance(own := facts.get("id"), str) and isinstance(file := facts.get("file"), str):
        found["own"] = leaf(own) == leaf(file)
        found["own.bare"] = found["own"] and "/" not in own
    lib = facts.get("lib")
    if isinstance(lib, str):
        found["lib.scheme"] = scheme(lib)
    symbols = facts.get("symbols")
    if isinstance(symbols, str):
        symbols = (symbols,)
    if isinstance(symbols, tuple):
        found["symbols.system"] = any(each in LIBSYSTEM for each in symbols)
        found["symbols.cxx"] = any(each.startswith(("__Z", "_Z")) or _CXX.search(each) for each in symbols)
        found["symbols.frameworks"] = any(_OF_FRAMEWORKS.match(each) for each in symbols)
    return found


_VERSIONS: Final = re.compile(r"(?<=\.framework)/Versions/[^/]+")
"""Where the links at the top of a framework lead."""
_BUNDLE: Final = r"[^/]+\.(?:app|framework|bundle|appex|xpc|kext|plugin|component|vst3?|systemextension)"
_INSIDE: Final = re.compile(
    rf"(?P<holder>.*?{_BUNDLE})/(?:Contents(?:/(?:MacOS|Frameworks|Resources|Plug[Ii]ns|Library))?|Versions(?:/[^/.]+)?)/?"
)
_CXX: Final = re.compile(r"::|\boperator ?(?:new|delete|\W)|^(?:vtable|typeinfo) ")
_OF_FRAMEWORKS: Final = re.compile(
    r"_(?:k?(?:Sec|CF|CG|CT|IO|SC|FSEvent|CV|CM|AV|MTL)[A-Z]|NS[A-Z]|OBJC_(?:CLASS|METACLASS)_\$_(?:NS|CA|AV|MTL))"
)
"""How the names of Apple's frameworks begin."""


def _bundled(file: str) -> dict[str, Fact]:
    """Say whether a file is a bundle, and of which it is only a folder."""
    folder = _INSIDE.fullmatch(file)
    found: dict[str, Fact] = {"culprit.bundle": re.fullmatch(rf"(?:.*/)?{_BUNDLE}/?", file) is not None}
    return found | ({"holder": folder["holder"]} if folder else {})


def _first(value: Fact | None) -> str:
    return str(value[0]) if isinstance(value, tuple) and value else value if isinstance(value, str) else ""


LIBSYSTEM: Final = frozenset(
    {
        "___error", "___stack_chk_fail", "___stack_chk_guard", "___ulock_wait", "___ulock_wait2",
        "___ulock_wake", "__availability_version_check", "__dyld_get_image_name",
        "__dyld_get_image_vmaddr_slide", "__dyld_image_count", "_abort", "_arc4random_buf", "_bzero", "_close",
        "_dup2", "_dyld_stub_binder", "_environ", "_exit", "_fork", "_fprintf", "_free", "_getcwd", "_getenv",
        "_isatty", "_malloc", "_memcpy", "_memset", "_mmap", "_open", "_printf", "_pthread_attr_destroy",
        "_pthread_create", "_puts", "_read", "_realloc", "_realpath$DARWIN_EXTSN", "_sendfile", "_strcmp",
        "_strlen", "_sysctl", "_sysctlbyname", "_write", "_writev", "dyld_stub_binder",
    }
)  # fmt: skip
"""Symbols of libSystem by which a link that does not see it is known."""


def with_other_names(form: table.Form, facts: dict[str, Fact]) -> dict[str, Fact]:
    """Return the facts of a row with those that go by a general name, too: ``lib``, ``file``, ``symbols``."""
    found = dict(facts)
    for name, known_as in _second_names(form):
        if name in found:
            found.setdefault(known_as, found[name])
    if "framework" in form.name and "name" in found:
        found["frameworks"] = found["name"] if isinstance(found["name"], tuple) else (str(found["name"]),)
    if "sym" in found and "symbols" not in found:
        found["symbols"] = found["sym"] if isinstance(found["sym"], tuple) else (str(found["sym"]),)
    if form.name.endswith(".header"):
        found["under_vendor"] = "vendor/" in str(found.get("where", ""))
        found["system_header"] = bool(of_facts(found).get("header.system"))
    return found


_SECOND: Final[tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...]] = (
    (("ld.lib", "lld.lib", "zig.lib"), (("name", "lib"),)),
    (("mono.", "dotnet.load", "dotnet.entry", "jni.", "ruby.ffi", "dart.load"), (("name", "lib"),)),
    (("ld.ignore.format",), (("arch", "need"),)),
    (("ld.ignore",), (("need", "arch"),)),
    (("dyld.tried.",), (("real", "file"), ("path", "file"))),
    (("dtrace.",), (("program", "file"),)),
    (
        (
            "nt.",
            "ld.",
            "lld.",
            "sandbox.",
            "cocoapods.",
            "cs.",
            "rosetta.",
            "mdq.",
            "brf.",
            "del.",
            "qt.plugin",
            "brew.q",
        ),
        (("path", "file"),),
    ),
)
"""How rows begin, and by which general names their values are known, too."""


def _second_names(form: table.Form) -> tuple[tuple[str, str], ...]:
    if form.name.endswith(".header"):
        return (("header", "file"),)
    return next((names for begins, names in _SECOND if form.name.startswith(begins)), ())


def is_accepted(facts: dict[str, Fact], hits: Sequence[Hit]) -> bool:
    """Whether Gatekeeper accepts the file of a message elsewhere in the same text."""
    file = facts.get("file")
    return file is not None and any(h.form.name == "spctl.accepted" and h.facts.get("file") == file for h in hits)


def evidence_of(
    kind: EvidenceKind,
    form: table.Form,
    facts: dict[str, Fact],
    lines: tuple[int, int],
    count: int,
    report: Evidence | None,
) -> Evidence:
    """Return the evidence of a message that is not dyld's, with what a crash report around it states."""

    def text(*names: str) -> str | None:
        for name in names:
            value = facts.get(name)
            if isinstance(value, tuple):
                value = value[0] if value else None
            if isinstance(value, str) and value:
                return value
        return None

    base = report if report is not None and kind is EvidenceKind.MESSAGE else Evidence(kind)
    pid = facts.get("pid")
    return evolve(
        base,
        kind=kind,
        library=text("lib", "name", "file", "path", "app", "path1"),
        referenced_from=text("asker"),
        symbol=text("sym"),
        pid=base.pid if base.pid is not None else (pid if isinstance(pid, int) else None),
        process=base.process or text("process"),
        build_rule=form.name if kind is EvidenceKind.BUILD else None,
        build_tool=form.producer if kind is EvidenceKind.BUILD else None,
        lines=lines,
        occurrences=count,
    )


def next_of(evidence: Evidence, process: ProcessFacts, place: PlaceKind) -> tuple[str, ...]:
    """What to run next on the files of a message of dyld; at most two."""
    asker = evidence.referenced_from or evidence.process or evidence.dlopen_path
    known: dict[str, Fact] = {"asker": asker or "", "lib": evidence.library or ""}
    if is_absent(evidence):
        return ()  # the one file that is named is not there
    if evidence.referenced_from is None and asker and "/" not in asker:  # where it was found, if it was
        asker = next((t.path for t in evidence.attempts if t.path and "no such file" not in (t.reason or "")), asker)
        known["asker"] = asker
    if asker and is_elided(asker) and not is_elided(leaf(asker)) and leaf(asker):
        return (f"machochain audit {quoted('/PATH/TO/' + leaf(asker))}",)
    if not asker or is_elided(asker) or asker.startswith("@"):
        return ("machochain audit FILE",)
    found = [command("machochain audit {asker}", known)]
    if (
        evidence.library
        and evidence.library != asker
        and evidence.referenced_from
        and evidence.kind is not EvidenceKind.SYMBOL_MISSING
    ):
        found.insert(0, command("machochain explain {asker} {lib}", known))
    elif process.hardened or place in {PlaceKind.GO_RUN, PlaceKind.GO_TEST, PlaceKind.GO_RUN_CACHED}:
        found.insert(0, command("machochain scenario {asker}", known))
    return tuple(found[:2])


_NO_FILE: Final = frozenset(
    {Cause.IDENTITY, Cause.CERTIFICATE, Cause.CREDENTIALS, Cause.KEYCHAIN_ACCESS, Cause.NETWORK, Cause.LICENSE}
)
"""Classes that are about no file."""


def next_of_form(form: table.Form, facts: dict[str, Fact]) -> tuple[str, ...]:
    """Return what to run next on what a message of a tool names; at most two."""
    if form.level <= table.REMARK:
        return ()
    if form.producer in SOURCES:
        of_go = form.producer in {"cmd/link", "cmd/go", "cgo"} or "flags" in facts or "go" in facts
        return ("machochain doctor", "machochain source .") if of_go else ("machochain doctor",)
    if form.producer == "Linux":
        return ()
    if form.producer == "notarytool":
        return ("machochain audit APP",)  # what the service names lies inside of an archive
    name = next((n for n in ("file", "app", "path", "asker", "path1", "file1") if isinstance(facts.get(n), str)), None)
    if name:
        return (command(f"machochain audit {{{name}}}", facts),)
    if form.causes and form.causes[0].cause in _NO_FILE:
        return ()
    program = str(facts.get("command", "")).partition(" ")[0]
    # A name without a folder was looked up in PATH: which file that is, the text does not say.
    return (command("machochain audit {program}", {"program": program}) if "/" in program else "machochain audit FILE",)
