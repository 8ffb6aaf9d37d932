"""Packages as ``go list -deps -json -e`` printed them: files and flags are Go's own then."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from machochain.golang.modules import is_standard
from machochain.golang.package import SourceProblem
from machochain.golang.settings import Settings
from machochain.model.errors import InputError
from machochain.source.loading import LISTS, Modules, refusals
from machochain.source.values import FlagOrigin, FlagWord, PackageFacts, SourcePosition

_TEXTS: Final = ("Imports", "TestImports", "XTestImports", "EmbedPatterns", *LISTS)
_VERBS: Final = {
    "CgoCFLAGS": "CFLAGS", "CgoCPPFLAGS": "CPPFLAGS", "CgoCXXFLAGS": "CXXFLAGS", "CgoFFLAGS": "FFLAGS",
    "CgoLDFLAGS": "LDFLAGS", "CgoPkgConfig": "pkg-config",
}  # fmt: skip


def read_go_list(text: str, source: str) -> list[Mapping[str, Any]]:
    """Read the output of ``go list -deps -json -e``: JSON values one behind the other, or an array.

    Raises:
        InputError: It is no such output.
    """
    decoder = json.JSONDecoder()
    halves = "\\ud" in text.lower()
    found: list[Mapping[str, Any]] = []
    at = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at >= len(text):
            return found
        try:
            value, at = decoder.raw_decode(text, at)
            value = _whole(value) if halves else value
        except (ValueError, RecursionError) as error:
            raise InputError(f"not the output of go list -json: {error}", path=source) from None
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(v, dict) and isinstance(v.get("ImportPath", ""), str) for v in values):
            raise InputError("not the output of go list -json: a package is an object with an ImportPath", path=source)
        for value in values:
            for key in (*_TEXTS, *_VERBS):
                listed = value.get(key) or []
                if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
                    raise InputError(f"not the output of go list -json: {key} is a list of texts", path=source)
        found += values


def _whole(value: Any) -> Any:
    """Return a value without halves of characters: no name of a file and no text has them."""
    return json.loads(
        json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def packages_of_list(listed: Iterable[Mapping[str, Any]], settings: Settings, own: Modules) -> dict[str, PackageFacts]:
    """Return the packages that ``go list`` printed: files and flags are Go's own."""
    found: dict[str, PackageFacts] = {}
    for each in listed:
        path = str(each.get("ImportPath", "")).partition(" ")[0]
        if not path or each.get("Standard"):
            continue
        module = each.get("Module")
        module = module if isinstance(module, dict) else {}
        directory = str(each.get("Dir", ""))
        error = each.get("Error")
        problems: tuple[SourceProblem, ...] = ()
        if isinstance(error, dict) and error.get("Err"):
            problems = (SourceProblem(str(error["Err"])),)
        words = {
            verb: tuple(
                FlagWord(w, FlagOrigin.DIRECTIVE, SourcePosition(directory), "", w, path) for w in each.get(key) or ()
            )
            for key, verb in _VERBS.items()
            if each.get(key)
        }
        refused = tuple(
            (verb, refusal, SourcePosition(directory))
            for verb, listed_words in words.items()
            for refusal in refusals(verb, [w.text for w in listed_words], settings)
        )
        facts = PackageFacts(
            path, directory, str(each.get("Name", "")), str(module.get("Path", "")), bool(module.get("Main")),
            not each.get("DepOnly", False), f"{own.vendor}/" in f"{directory}/" if own.vendor else False,
            tuple(each.get("Imports") or ()),
            tuple(sorted({*(each.get("TestImports") or ()), *(each.get("XTestImports") or ())})),
            files={key: tuple(each[key]) for key in LISTS if each.get(key)},
            words=words, refused=refused, problems=problems, embeds=tuple(each.get("EmbedPatterns") or ()),
        )  # fmt: skip
        if path not in found or facts.asked:
            found[path] = facts
    for facts in found.values():
        known = {"C", "unsafe", *found}
        wanted = [*facts.imports, *(facts.test_imports if facts.asked else ())]
        facts.unknown_imports = tuple(p for p in wanted if p not in known and not is_standard(p))
    return found
