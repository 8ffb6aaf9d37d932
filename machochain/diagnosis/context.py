"""Facts from elsewhere in a paste: release, processor, variables, flags. They decide between causes, and are none."""

from __future__ import annotations

import re
from typing import Final

from machochain.diagnosis.matching import Hit
from machochain.diagnosis.programs import kind_of, program_of
from machochain.diagnosis.releases import kernel_of, told_releases, without_parts

Context = dict[str, str | bool | tuple[str, ...]]
_DARWIN: Final = {"20": "11", "21": "12", "22": "13", "23": "14", "24": "15", "25": "26"}
"""Kernel releases and the macOS they belong to."""
_CGO: Final = re.compile(r"(?<!invalid flag in )#cgo [^\n]{0,200}?LDFLAGS: ?[^\n]{1,1000}")
_COMMAND: Final = re.compile(
    r"^(?:[$%>#]|\u279c[^\n]{0,60}|[\w@:~. /-]{0,60}[$%#]) {1,4}(?P<command>[^\n]{2,400})$", re.MULTILINE
)
_ANSWERS: Final = re.compile(r"uname -m[ \t]*\n(?P<arch>arm64|x86_64|i386)[ \t]*(?:\n|\Z)")
_RUN_PATH: Final = re.compile(
    r"^[ \t]{0,40}path (?P<path>\S[^\n]{0,1000}?) \(offset \d{1,6}\)[ \t]{0,8}$", re.MULTILINE
)
"""What otool -l prints of an LC_RPATH."""
_KERNEL: Final = re.compile(r"Darwin Kernel Version \d+[^\n]{0,200}RELEASE_(?P<arch>ARM64|X86_64)")
_CHIP: Final = re.compile(
    r"\b(?:Apple M[1-9]|M[1-9](?: Pro| Max| Ultra)? (?:Mac|chip)|Apple [Ss]ilicon|arm64 Mac|"
    r"aarch64-apple-darwin|darwin[/_-]arm64)"
)
_INTEL: Final = re.compile(
    r"\b(?:Intel (?:Mac|MacBook|iMac|Core|Xeon|processor|CPU|chip)|Core 2 Duo|Intel\(R\) (?:Core|Xeon)"
    r"|-Core Intel|darwin[/_-]amd64)"
)
_UNMARKED: Final = re.compile(r"xattr (?:-\w+ ){1,3}com\.apple\.quarantine|No such xattr")
"""The mark of a download was taken off, or was not there."""
_GO: Final = re.compile(r"(?:\bgo version go|/[Gg]o/|\bgo)(?P<go>1\.\d{1,2}(?:\.\d{1,2})?)\b")
_CODE_TYPE: Final = re.compile(r"Code Type:\s{1,40}(?P<type>[\w-]{2,20})(?:\s\((?P<how>\w{2,20})\))?")
_BUILD: Final = re.compile(r"OS Version:\s{1,40}(?:macOS|Mac OS X) (?P<os>[\d.]{2,12}) \((?P<build>\w{3,12})\)")
_BUILT: Final = re.compile(
    r"(?<![\w.])(?P<os>\d{1,2}(?:\.\d{1,2}){0,2})\)? \((?:[Bb]uild )?"
    r"(?P<build>(?P<major>\d{2})[A-Z]\d{1,5}[a-z]?)\)(?!\w)"
)
"""A release and its build, as the system's own windows and reports write them; the build begins with the kernel's."""
_LINKED: Final = re.compile(r"\bfor (?:inferred )?architecture:? (?P<arch>\w{3,12})\b(?!\))")
_PRINTED: Final = re.compile(r"Build ?Version:\s{1,20}(?P<build>\w{3,12})")
_REGION: Final = re.compile(r"^--->\s{1,8}(?P<region>[A-Za-z_][\w ()-]{1,40}?)\s{2,60}[0-9a-f]{4,20}-", re.MULTILINE)
_LAUNCHED: Final = re.compile(
    r"(?i)\b(?:after|once|when|since) (?:[\w'.-]{1,20} ){1,5}?(?:(?:is|was|being|been|first|has|have|are) ){1,3}"
    r"(?:launched|started|opened|run)\b|after (?:the |its )?(?:first )?(?:launch|start|run)\b"
)
"""That something came about when the program ran."""
_RESTRICTED: Final = re.compile(
    r"(?:\[Key\] |<key>)(?P<key>com\.apple\.(?:vm\.(?:networking|device-access)|developer\.[\w.-]{1,80}"
    r"|private\.[\w.-]{1,80}|application-identifier)|keychain-access-groups)\b"
)
"""Entitlements that only a provisioning profile allows."""
_ROSETTA: Final = re.compile(
    r"(?i)(?:rosetta(?: 2)? (?:is|was|has been) (?:already )?installed|(?:have|had) (?:already )?installed rosetta"
    r"|install of rosetta 2 finished|rosetta 2 finished successfully|proc_translated:\s*1\b)"
)
"""That Rosetta is there."""
_MARKED: Final = re.compile(
    r"\bxattr (?:-l |-lr |-r )?[\"']?(?P<file>/[^\n\"']{1,400}?\.app)/?[\"']?[ \t]{0,8}\n"
    r"(?:[ \t]{0,8}com\.apple\.[a-z.]{3,40}:?[^\n]{0,200}\n){0,6}?[ \t]{0,8}com\.apple\.quarantine\b"
    r"|(?<![^\s])(?P<listed>/[^\n:]{1,400}): com\.apple\.quarantine(?=:|$)"
    r"|\bcom\.apple\.quarantine: [0-9a-f]{4};[0-9a-f]{8};",
    re.MULTILINE,
)
"""The mark of a download in what xattr lists, and the file that was looked at."""
_COMPILER: Final = re.compile(
    r"(?<![\w./-])(?:/[^\s:]{1,200}/)?(?P<name>(?:clang(?:\+\+)?|gcc|g\+\+|gfortran)-\d{1,2}(?:\.\d{1,2})?"
    r"|\w{3,10}-apple-darwin[\d.]{1,10}-(?:clang(?:\+\+)?|gcc|g\+\+|gfortran))(?=: error: |: fatal error: )"
)
"""A compiler that is not Apple's, which names itself with its version or its target."""
_TRANSLATED: Final = re.compile(r"proc_translated:\s*1\b")
_NOWHERE: Final = re.compile(
    r"Exception Codes:[^\n]{1,80}?, 0x0*(?P<address>[0-9a-f]{4,16})[^0-9a-f](?:[^\n]{0,400}\n){1,60}?"
    r"[^\n]{0,60}?\b0[ \t]{1,8}\?\?\?[ \t]{1,60}0x0*(?P=address) 0 \+ \d"
)
"""The first frame lies in no image, and is the very address that failed."""
_THREAD: Final = re.compile(r"^Crashed Thread:\s{1,40}(?P<thread>\d{1,4})\b", re.MULTILINE)
PROSE: Final = 1 << 18
"""Characters that are searched for what the writer says of the Mac."""
HEAD: Final = 1 << 20
"""Characters of a text that are searched for context."""


def context_of(text: str, hits: list[Hit]) -> Context:  # noqa: C901, PLR0912, PLR0915  # the order of its steps is the rule
    """Return what the text states beside its messages; a fact that is stated twice and differs is left out."""
    head = text[:HEAD]
    found: Context = {}
    for name, pattern in (("region", _REGION), ("build", _PRINTED), ("go", _GO)):
        if match := pattern.search(head):
            found[name] = match[name]
    if match := _CODE_TYPE.search(head):
        arch = {"ARM-64": "arm64", "X86-64": "x86_64", "X86": "i386"}.get(match["type"])
        if arch:
            found["arch"] = arch
        found["translated"] = match["how"] == "Translated"
    if _NOWHERE.search(head):
        found["nowhere"] = True
    if (match := _THREAD.search(head)) and match["thread"] != "0":
        found["thread"] = "another"
    _of_build(found, head)
    if len(linked := {m["arch"] for m in _LINKED.finditer(head)} - {"unknown"}) == 1:
        found["linked"] = linked.pop()
    for pattern in (_ANSWERS, _KERNEL):
        if "arch" not in found and (match := pattern.search(head)):
            found["arch"] = match["arch"].lower()
    refused = [f for h in hits if h.form.name.startswith("exec.") and isinstance(f := h.facts.get("file"), str)]
    if program := program_of(head, refused):
        found["program"] = program
    if kind := kind_of(head, refused):
        found["kind"] = kind
    if _ROSETTA.search(head) or len({m["arch"] for m in _ANSWERS.finditer(head)} & {"arm64", "x86_64"}) > 1:
        found["rosetta"] = "yes"
    if "ld_classic" in head:
        found["classic"] = True
    if "com.apple.quarantine" in head and not _UNMARKED.search(head):
        found["quarantine"] = True
    if marked := _marked(head):
        found["marked"] = marked
    if _TRANSLATED.search(head):
        found["translated"] = True
    if "os" not in found and (release := _release(head, hits)):
        found["os"] = release
    if flags := tuple(dict.fromkeys(m.group().strip() for m in _CGO.finditer(head))):
        found["flags"] = flags
    if commands := tuple(dict.fromkeys(m["command"].strip() for m in _COMMAND.finditer(head)))[:8]:
        found["command"] = commands
    if paths := tuple(dict.fromkeys(m["path"] for m in _RUN_PATH.finditer(head))):
        found["rpath"] = paths if len(paths) > 1 else paths[0]
    if "arch" not in found and bool(_CHIP.search(head)) != bool(_INTEL.search(head)):
        found["chip"] = "arm64" if _CHIP.search(head) else "x86_64"
    if _LAUNCHED.search(head[:PROSE]):
        found["launched"] = "yes"
    if match := _COMPILER.search(head):
        found["compiler"] = match["name"]
    if match := _RESTRICTED.search(head):
        found["restricted"] = match["key"]
    for word, name in (
        ("gyp ", "gyp"),
        ("docker", "container"),
        ("Docker", "container"),
        ("memorystatus", "jetsam"),
        ("amfid:", "amfi"),
        ("AMFI", "amfi"),
        ("package.preload[", "lua"),
        ("jetsam", "jetsam"),
    ):
        if word in head:
            found[name] = "yes"
    if re.search(r"GOOS=darwin|x86_64-linux|linux_amd64|ubuntu|ld\.lld|/home/\w", head):
        found["cross"] = "yes"
    return found


def _marked(head: str) -> str:
    """Return the file whose mark of a download xattr lists; ``yes`` for one without a name, ``""`` for none."""
    at = -1
    for _ in range(20):
        at = head.find("com.apple.quarantine", at + 1)
        if at < 0:
            break
        if match := _MARKED.search(head, max(0, at - 1_000), at + 60):
            return match["file"] or match["listed"] or "yes"
    return ""


def _of_build(found: Context, head: str) -> None:
    """Add release and build where a report or a window names both."""
    if match := _BUILD.search(head):
        found["os"], found["build"] = match["os"], match["build"]
        return
    told = {m["build"]: m for m in _BUILT.finditer(head)}
    if "build" not in found and len(told) == 1:
        (build, match) = told.popitem()
        found["build"] = build
        if kernel_of(match["os"]) == int(match["major"]):
            found["os"] = match["os"]


def _release(head: str, hits: list[Hit]) -> str:
    """Return the one release the text states for the Mac it comes from; ``""`` for none, or for several."""
    printed: set[str] = set()
    for hit in hits:
        if hit.form.name == "swvers":
            if isinstance(release := hit.facts.get("os"), str):
                printed.add(release)
            elif isinstance(kernel := hit.facts.get("darwin"), str) and (major := _DARWIN.get(kernel.split(".")[0])):
                printed.add(major)
    told = told_releases(head[:PROSE])
    if not printed:
        return told.pop() if len(told) == 1 else ""
    whole = without_parts(printed)
    if len(whole) != 1:
        return ""
    more = without_parts({*whole, *told})
    return (more if len(more) == 1 else whole).pop()
