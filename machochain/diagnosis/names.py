"""Names inside of a line: the file, the tool or the app, without what a log, a list or a sentence puts before it."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.paths import leaf

LIBRARIES: Final = (".dylib", ".bundle", ".jnilib", ".so", ".node")
"""How names of libraries end on a Mac."""
FILES: Final = frozenset({"file", "lib", "path", "real", "asker", "file1"})
PLACES: Final = frozenset({"tool", "where", "pkg"})
_OPENS: Final = ("/", "./", "../", "~", "@rpath", "@loader_path", "@executable_path", "$", "<", "\u2026")
MARKS: Final = re.compile(r"^[^\w/.~@<$\u2026\"'\u201c\u2018\[({-]+")
"""What a list, a difference or a frame begins lines with."""
SENTENCE_END: Final = re.compile(r"`[.,;:)]{1,2}$")
MOST_WORDS: Final = 4
"""Words the name of a file or an app has at most, where nothing says where it begins."""
_SEPARATORS: Final = re.compile(
    r"[ \t]{2,}|\t|[|!>$\]:][ \t]+|\bnpm error[ \t]+|\bTask :\S+[ \t]+|(?:^|(?<=\s))\S+ - (?=\S+$)"
    r"|\b(?:ERROR|WARN|WARNING|INFO|FATAL|stderr|stdout)\b[ \t]*(?:[-|:] ?|F )?[ \t]*"
)
"""What stands between the prefix of a log and a name."""
_SPEAKER: Final = re.compile(
    r"^(?:[^\s:]{1,200}: (?=[/.~@])"
    r"|(?:\S{0,60}[$%#>] )?(?:codesign|spctl|lipo|strip|install_name_tool|otool|stapler)(?: -{1,2}\S{1,40}){1,6} )"
)
"""The tool that speaks, or the command that was typed, before a file."""
_SAYS: Final = re.compile(
    r"[\"\u201c\u201d\u00ab\u201e\u300c]|: |\b(?:says?|saying|that|reports?|errors?|messages?|because)\b"
)
_ENDING: Final = re.compile(r"(?:[.-]\d[\w.]*)?\.(?:dylib|so|dll|bundle|jnilib|node)(?:\.\d[\w.]*)?$|[.-]\d[\d.]*$")
_COMPLAINS: Final = re.compile(r"(?:Failed|Unable|Cannot|Could not|Couldn.t|Can.t|Error|Warning)(?: \w{1,20}){1,6}$")
"""What a program says went wrong, where a file is named as a rule."""
_NO_NAME: Final = re.compile(r"(?i)(?:(?:the|this|your|my) )?(?:app|application|file|it|program|binary|.*\bi\b.*)")


def without_sentence(value: str) -> str:
    """Return the file a line names, without the sentence before it; ``""`` where nothing says where its name begins."""
    value = _SPEAKER.sub("", value)
    if _COMPLAINS.match(value) and "/" not in value:
        return ""
    if value.startswith(_OPENS) or " " not in value:
        return value
    if value.count("`") % 2:
        value = value.rpartition("`")[2]
    at = _path_in(value)
    value = _SPEAKER.sub("", value[at:] if at else _SEPARATORS.split(value)[-1])
    return value if at or len(value.split()) <= MOST_WORDS else ""


def place_in(value: str) -> str:
    """Return the tool, the package or the line of a source that stands last in what a line begins with."""
    at = _path_in(value)
    return value[at:] if at else value.rsplit(maxsplit=1)[-1] if value.split() else value


def _path_in(value: str) -> int:
    """Return where a path begins inside of a value, behind something else; 0 for nowhere."""
    if value.startswith(_OPENS):
        return 0
    found = [
        i + 1
        for i in (value.find(" /"), value.find("\t/"), value.find(" ./"), value.find(" ~/"), value.find(" @rpath/"))
        if i >= 0
    ]
    return min(found, default=0)


def bare_name(path: str) -> str:
    """Return the name of a library, without what systems put before and behind it."""
    name = leaf(path)
    while (shorter := _ENDING.sub("", name)) != name:
        name = shorter
    while name.startswith("lib") and len(name) > len("lib"):
        name = name[len("lib") :]
    return name.lower()


def app_name(value: str) -> str:
    """Return the name of an app that a sentence ends with; ``""`` where a name cannot be told from the words before."""
    told = _SAYS.split(value)
    name = next((part.strip(" \t'*_`\u2018\u2019") for part in reversed(told) if part.strip()), "")
    return "" if len(name.split()) > MOST_WORDS or _NO_NAME.fullmatch(name) else name
