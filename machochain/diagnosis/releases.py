"""The release of macOS a text states for the Mac it comes from, by a tool or in the words of its writer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_NUMBER: Final = r"(?:10\.(?:[2-9]|1[0-6])(?:\.\d{1,2})?|(?:1[1-5]|2[6-9])(?:\.\d{1,2}){0,2})"
_NAMES: Final = (
    r"(?:Tiger|(?:Snow )?Leopard|(?:Mountain )?Lion|Mavericks|Yosemite|El Capitan|(?:High )?Sierra|Mojave|Catalina"
    r"|Big Sur|Monterey|Ventura|Sonoma|Sequoia|Tahoe)"
)
_SYSTEM: Final = r"(?:mac[ ]?OS(?:[ ]?X)?|OS[ ]?X|mac(?=[ ]10\.))"
_BETWEEN: Final = rf"[ `*|:=,(]{{0,4}}(?:(?:version|is|release|{_NAMES})(?:[ `*|:=,(]{{1,4}}| - )){{0,2}}v?"
_ENDS: Final = r"(?![\w/-]|\.\w)"
_TOLD: Final = (
    re.compile(rf"(?i)(?<![\w/.-]){_SYSTEM}{_BETWEEN}(?P<release>{_NUMBER}){_ENDS}"),
    re.compile(rf"(?<![\w/.-])(?:{_NAMES})[ `*|:=,(]{{1,4}}(?:version )?v?(?P<release>{_NUMBER}){_ENDS}"),
    re.compile(rf"(?i)(?<![\w/.-]){_SYSTEM} \((?:[\w]{{1,12}} ){{1,3}}(?P<release>{_NUMBER}){_ENDS}"),
    re.compile(rf"(?i)(?<![\w/.-])(?P<release>10\.\d{{1,2}}(?:\.\d{{1,2}})?) {_SYSTEM}\b"),
    re.compile(rf"(?<![\w/.-])(?<!Phone )(?<!Pad )OS(?: version)?:? (?P<release>10\.\d{{1,2}}\.\d{{1,2}}){_ENDS}"),
    re.compile(rf"(?<![\w/.-])(?P<release>{_NUMBER}) \((?:[Bb]uild )?(?P<kernel>\d{{2}})[A-Z]\d{{1,5}}[a-z]?\)"),
    re.compile(rf"macOS-(?P<release>{_NUMBER})-(?:x86_64|arm64)-"),
    re.compile(
        rf"(?i){_SYSTEM}\b[^\n]{{0,60}}\((?:observed|seen|reproduced|tested) (?:on|with) (?P<release>{_NUMBER}){_ENDS}"
    ),
)
"""How people write it: behind the system's name, behind the release's own, before the system's name, by Python."""
_OF_ANOTHER: Final = re.compile(
    r"(?i)(?:[<>=\u2264\u2265]|\bfor|newer|older|earlier|later|requires?|needs?|minimum|least|since|until|before|after|than"
    r"|target(?:ing|s)?|supports?|supported|introduced (?:in|with)|came with|new in|added in|available (?:on|in)"
    r"|drop(?:s|ped)?|not|\bor|\bfrom|\bto|\bon a|works? (?:\w+ )?(?:on|in|with)|fine (?:on|in)|ok (?:on|in)"
    r"|ran on|built (?:on|with)|compiled on|deployment\w*|sdk)[ :'(`*]*(?:is |of |with |for |an? |the )*$"
)
"""What stands before a release that is another than the one the message comes from."""
_MOVED: Final = re.compile(
    r"(?i)(?<!cannot )(?<!can't )(?<!should )(?<!could )(?<!must )(?<!before )(?<!not )"
    r"\b(?:just|after|since|have|has|'ve|recently|\bI|we|was|were) "
    r"(?:\w+ ){0,2}?(?:up(?:grad|dat)|migrat|mov|switch)\w*(?: \w+){0,3} to $"
)
"""That the writer's own Mac has that release by now."""
_OR_LATER: Final = re.compile(
    r"(?i)[)`*]*[ \t]*(?:\+|or |and (?:later|newer|above|up|below|older|earlier)|which is|sdk|deployment|target|-based"
    r"|beta \d|works|through|to \d|[-\u2013] ?\d)"
)
_FLAG: Final = re.compile(r"(?:^|\s)-{1,2}[\w-]{1,40}[ =]$")
_UNIFIED: Final = 26
"""The first release that is numbered by years."""
MOST: Final = 400
"""Places of a text that are looked at."""


def told_releases(head: str) -> set[str]:
    """Return the releases the words of a text say its Mac has; one that another is a part of is left out."""
    found: set[str] = set()
    looked = 0
    for pattern in _TOLD:
        for match in pattern.finditer(head):
            looked += 1
            if looked > MOST:
                return set()
            if _of_this_mac(head, match):
                found.add(match["release"])
    return without_parts(found)


def without_parts(releases: Iterable[str]) -> set[str]:
    """Return releases without those that another one says more exactly: 13 beside 13.0.1."""
    every = set(releases)
    return {r for r in every if not any(o != r and o.startswith(r + ".") for o in every)}


def _of_this_mac(head: str, match: re.Match[str]) -> bool:
    kernel = match.groupdict().get("kernel")
    if kernel is not None and int(kernel) != kernel_of(match["release"]):
        return False
    before = head[max(0, match.start() - 60) : match.start()].rpartition("\n")[2]
    if _OR_LATER.match(head, match.end()) or _FLAG.search(before):
        return False
    if _MOVED.search(before):
        return True
    whole = "." in match["release"]
    return not _OF_ANOTHER.search(before) and (whole or not before.rstrip().endswith(("in", "In", "of", "with")))


def kernel_of(release: str) -> int:
    """Return the number with which the builds of a release begin; those of iOS begin with others."""
    parts = [int(part) for part in release.split(".")]
    if parts[0] == 10:
        return parts[1] + 4 if len(parts) > 1 else 0
    return parts[0] - 1 if parts[0] >= _UNIFIED else parts[0] + 9
