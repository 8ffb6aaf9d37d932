"""Names from files must not become commands of the pipeline that shows our output in its log.

GitHub's runner takes a line for a command if it begins with ``::`` behind blanks, or has ``##[`` anywhere
(actions/runner, src/Runner.Common/ActionCommand.cs: TryParseV2, TryParse); that of Azure Pipelines one with ``##vso[``
or ``##[`` anywhere; TeamCity one with ``##teamcity[`` (its manual, "Service Messages"). They read standard output and
standard error alike, and whatever is printed of a report later.
"""

from __future__ import annotations

import re
from typing import Final

_ANYWHERE: Final = re.compile(r"##(?=\[|vso\[|teamcity\[)", re.IGNORECASE)
_AT_THE_START: Final = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
_JSON: Final = frozenset({"json", "jsonl", "sarif", "cyclonedx", "node-link", "spdx", "statement"})
_MARKUP: Final = frozenset({"html", "junit", "graphml", "dot"})


def guarded(text: str, form: str = "text") -> str:
    r"""Return a text that no runner takes for a command, the same to whoever reads it in its form.

    Args:
        text: What is written, or a whole line of it at least.
        form: The name of its format. In JSON and markup a character is spelt otherwise; in text for people it becomes
            ``\x23`` or ``\x3a``, as control characters do.
    """
    if "##" in text:
        sign = "#\\u0023" if form in _JSON else "#&#35;" if form in _MARKUP else r"#\x23"
        text = _ANYWHERE.sub(lambda _: sign, text)
    # Annotations are commands of ours, their names escaped by who makes them; no line of JSON or markup begins so.
    if form != "github" and "::" in text:
        text = _AT_THE_START.sub(lambda found: found[1] + ("&#58;" if form in _MARKUP else r"\x3a"), text)
    return text
