"""Writes the pages of the rules: ``python -m machochain.findings.pages docs/rules``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from machochain.findings import FAMILIES, RULES
from machochain.findings.rule import Rule

_HEAD = "<!-- Made from machochain/findings/rules by `python -m machochain.findings.pages docs/rules`. -->\n"


def page(rule: Rule) -> str:
    """Return one rule's page as Markdown."""
    return _HEAD + "\n".join(_lines(rule)) + "\n"


def _lines(rule: Rule) -> Iterator[str]:
    yield f"\n# {rule.id}: {rule.title}\n"
    yield f"Name: `{rule.name}` · family: {FAMILIES[rule.id[:3]]} · severity: **{rule.severity.value}**"
    if rule.milder:
        yield f"({rule.milder})"
    yield f"\n## What it means\n\n{rule.meaning}"
    yield f"\n## Why it matters\n\n{rule.why}"
    yield f"\n## Since which macOS\n\n{rule.since or 'Every macOS that is modelled (11 and newer)'}."
    yield "\n## How to fix it\n"
    yield from (f"- {step}" for step in rule.fix)
    if rule.references:
        yield "\n## References\n"
        yield from (f"- {_reference(text)}" for text in rule.references)


def _reference(text: str) -> str:
    """Return a public issue (``owner/name#1``) as a link, anything else as it is."""
    repository, hash_sign, number = text.partition("#")
    if hash_sign and number.isdigit():
        return f"[{text}](https://github.com/{repository}/issues/{number})"
    return text


def index() -> str:
    """Return the list of all rules as Markdown."""
    lines = [_HEAD + "\n# Rules\n"]
    lines.append("An id never changes its meaning. `machochain audit --rules` prints the same list.")
    for prefix, title in FAMILIES.items():
        rules = [r for r in RULES.values() if r.id.startswith(prefix)]
        if rules:
            lines += [f"\n## {prefix}xx: {title}\n", "| rule | name | severity | |", "|---|---|---|---|"]
            lines += [f"| [{r.id}]({r.id}.md) | `{r.name}` | {r.severity.value} | {r.title} |" for r in rules]
    return "\n".join(lines) + "\n"


def pages() -> Mapping[str, str]:
    """Return every page by its file name."""
    return {"index.md": index(), **{f"{r.id}.md": page(r) for r in RULES.values()}}


def main(arguments: list[str]) -> int:
    """Write the pages into a directory; pages of rules that are gone are removed."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m machochain.findings.pages DIRECTORY\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for old in folder.glob("MC*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
