"""Messages of linkers, xcrun, cgo and strip that belong to the same chain of causes, one line each."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from machochain.model.evidence import Evidence, EvidenceKind


@frozen
class BuildMessage:
    """One kind of build-time message.

    Attributes:
        rule: Its short name.
        tool: The program that prints it.
        literal: A piece of text every such line has: lines without it are not looked at.
        pattern: Its layout; groups ``lib`` (what is missing or wrong), ``by`` (who asks), ``new`` (a version).
    """

    rule: str
    tool: str
    literal: str
    pattern: re.Pattern[str]


BUILD_MESSAGES: Final = (
    BuildMessage(
        "ld-library-not-found", "ld", "library not found for", re.compile(r"library not found for (?P<lib>-\S{1,400})")
    ),
    BuildMessage(
        "ld-library-not-found", "ld", "ld: library '", re.compile(r"ld: library '(?P<lib>[^'\n]{1,400})' not found")
    ),
    BuildMessage(
        "ld-library-not-found",
        "lld",
        "error: library not found",
        re.compile(r"error: library not found for (?P<lib>-\S{1,400})"),
    ),
    BuildMessage(
        "ld-framework-not-found",
        "ld",
        "framework not found",
        re.compile(r"framework not found (?:for -framework )?(?P<lib>\S{1,400})"),
    ),
    BuildMessage(
        "ld-framework-not-found",
        "ld",
        "ld: framework '",
        re.compile(r"ld: framework '(?P<lib>[^'\n]{1,400})' not found"),
    ),
    BuildMessage(
        "ld-built-for-newer",
        "ld",
        "built for newer",
        re.compile(
            r"(?:object file|dylib|linking with|link with dylib) (?:\()?'?"
            r"(?P<lib>/[^()'\n]{1,2000}?|[^()'\n/]{1,400})'?\)?(?:,)? "
            r"(?:which )?was built for newer (?:macOS |OSX |OS X |'?macOS'? )?version \(?(?P<new>\d+(?:\.\d+){0,2})\)?"
        ),
    ),
    BuildMessage(
        "tapi-version",
        "ld",
        "unsupported tapi file type",
        re.compile(
            r"unsupported tapi file type '?(?P<new>[^'\s]{1,60})'?(?: in YAML file '?(?P<lib>/[^'\n]{1,2000})'?)?"
        ),
    ),
    BuildMessage(
        "xcrun-developer-path",
        "xcrun",
        "invalid active developer path",
        re.compile(r"invalid active developer path \((?P<lib>[^()\n]{1,2000})\)"),
    ),
    BuildMessage(
        "cgo-invalid-flag",
        "go",
        "invalid flag in #cgo",
        re.compile(r"invalid flag in #cgo (?P<by>\w{1,40}): (?P<lib>\S[^\n]{0,400})"),
    ),
    BuildMessage(
        "cgo-invalid-flag",
        "go",
        "invalid flag in go:cgo_ldflag",
        re.compile(r"invalid flag in go:cgo_ldflag: (?P<lib>\S[^\n]{0,400})"),
    ),
    BuildMessage(
        "strip-format",
        "strip",
        "ile format not recogni",
        re.compile(r"strip: (?P<lib>[^\n:]{1,2000}): [Ff]ile format not recogni[sz]ed"),
    ),
    BuildMessage(
        "strip-format",
        "strip",
        "recognise the format of the input file",
        re.compile(r"strip: Unable to recognise the format of the input file `?'?(?P<lib>[^'`\n]{1,2000})"),
    ),
)


def read_build(line: str, message: BuildMessage) -> Evidence | None:
    """Read one line that has the message's literal."""
    match = message.pattern.search(line)
    if match is None:
        return None
    groups = match.groupdict()
    return Evidence(
        EvidenceKind.BUILD,
        library=(groups.get("lib") or "").rstrip("`") or None,
        referenced_from=groups.get("by"),
        built_for=groups.get("new"),
        reason=match.group()[:400],
        build_rule=message.rule,
        build_tool=message.tool,
    )
