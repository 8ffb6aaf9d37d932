"""Reads policies: ``machochain.toml``, or the table ``[tool.machochain]`` of a ``pyproject.toml``."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from machochain.dyld.profile import parse_range
from machochain.findings import RULES
from machochain.findings.expectations import Bounds, Expectations
from machochain.judging.policy import PROFILES, Ignore, Override, Policy
from machochain.model.errors import InputError, UsageError
from machochain.model.result import Severity
from machochain.model.value import evolve, frozen
from machochain.model.version import Version
from machochain.world.named import read_named

FILE_NAME: Final = "machochain.toml"
_PYPROJECT: Final = "pyproject.toml"
_ARCHS: Final = ("arm64", "x86_64", "arm64e", "x86_64h", "i386")
_MAX_BYTES: Final = 1 << 20


@frozen
class _Place:
    """Where in a policy a value stands, for messages."""

    file: str
    path: str = ""

    def at(self, key: str | int) -> _Place:
        step = f"[{key}]" if isinstance(key, int) else f".{key}" if self.path else key
        return evolve(self, path=f"{self.path}{step}")

    def error(self, text: str) -> UsageError:
        return UsageError(": ".join(x for x in (self.file, self.path, text) if x))


def find_policy(start: Path) -> Path | None:
    """Return the policy file for a directory: the nearest, from it upwards to the root of its repository.

    In each directory ``machochain.toml`` comes before a ``pyproject.toml`` with a table ``[tool.machochain]``.

    Raises:
        UsageError: A ``pyproject.toml`` on the way is no TOML, or the file is one that anybody may have written: it
            could turn an error into "passed".
    """
    for directory in (start.absolute(), *start.absolute().parents):
        own = directory / FILE_NAME
        if own.is_file():
            return _trusted(own)
        shared = directory / _PYPROJECT
        if shared.is_file() and "machochain" in _tool(_load(shared)):
            return _trusted(shared)
        if (directory / ".git").exists():
            return None
    return None


def _trusted(path: Path) -> Path:
    """Return a policy file that was found, if nobody else can have put it there (as ssh asks of its files)."""
    if os.name == "posix" and any(map(_is_loose, _way(path))):
        raise UsageError(
            f"{path} is not used: everybody may write there, and a policy decides what passes; chmod o-w, or name "
            "it with --policy, or do without (--no-config)"
        )
    return path


def _way(path: Path) -> Iterator[Path]:
    """Yield a file and, where it is a link, what it leads to step by step: each lies in a folder of its own."""
    yield path
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()
        yield path


def _is_loose(path: Path) -> bool:
    """Whether everybody may write to a file, or put another in its place."""
    file, folder = path.lstat(), path.parent.stat()
    own = folder.st_mode & stat.S_ISVTX and file.st_uid in {os.getuid(), 0}
    loose = folder.st_mode & stat.S_IWOTH and not own
    # Who may write to what a link leads to is asked of that.
    return bool(loose or (file.st_mode & stat.S_IWOTH and not stat.S_ISLNK(file.st_mode)))


_MOST_LINKS: Final = 40
"""More no system follows."""


def read_policy(path: Path, profile: str | None = None) -> Policy:
    """Read a policy file.

    Args:
        path: The file; one named ``pyproject.toml`` is read for its table ``[tool.machochain]``.
        profile: The profile to start from instead of the one the file names.

    Raises:
        UsageError: It cannot be read, or a key or value in it makes no sense; the message says where.
    """
    document = _load(path)
    place = _Place(str(path))
    if path.name == _PYPROJECT:
        place = place.at("tool").at("machochain")
        document = _tool(document).get("machochain", {})
    policy = parse_policy(document, place, profile, path.parent)
    return evolve(policy, sources=(str(path),))


def builtin_policy(profile: str = "release") -> Policy:
    """Return a built-in profile as it stands.

    Raises:
        UsageError: There is none of that name.
    """
    return parse_policy({}, _Place(""), profile)


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_named(str(path), _MAX_BYTES).decode("utf-8"))
    except InputError as error:
        raise UsageError(str(error)) from error
    except (ValueError, RecursionError) as error:  # ValueError: of UTF-8, of TOML, of a number with too many digits
        raise UsageError(f"{path}: {error}") from error


def _tool(document: Mapping[str, Any]) -> Mapping[str, Any]:
    tool = document.get("tool")
    return tool if isinstance(tool, dict) else {}


# ---------------------------------------------------------------------------------------------------------------------
# Values. Each function takes a value and its place, and returns what it means.


def _table(value: object, place: _Place, known: Iterable[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise place.error(f"must be a table, not {_kind(value)}")
    names = list(known)
    for key in value:
        if key not in names:
            raise place.error(f"unknown key {key!r}{_suggestion(key, names)}")
    return value


def _suggestion(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(word, names, 1) or get_close_matches(word.replace("_", "-"), names, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}" if len(names) < 20 else ""


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a table"}
    return names.get(type(value), "a date")


def _text(value: object, place: _Place) -> str:
    if not isinstance(value, str) or not value:
        raise place.error("must not be empty" if value == "" else f"must be a string, not {_kind(value)}")
    return value


def _list(value: object, place: _Place) -> list[Any]:
    if not isinstance(value, list):
        raise place.error(f"must be a list, not {_kind(value)}")
    return value


def _texts(value: object, place: _Place) -> tuple[str, ...]:
    return tuple(_text(item, place.at(n)) for n, item in enumerate(_list(value, place)))


def _text_or_texts(value: object, place: _Place) -> tuple[str, ...]:
    return (_text(value, place),) if isinstance(value, str) else _texts(value, place)


def _one_of(value: object, place: _Place, known: Iterable[str]) -> str:
    names = list(known)
    text = _text(value, place)
    if text not in names:
        raise place.error(f"{text!r} is none of {', '.join(names)}{_only_near(text, names)}")
    return text


def _only_near(word: str, names: list[str]) -> str:
    near = get_close_matches(word, names, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _version(value: object, place: _Place) -> Version:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise place.error(f'write versions in quotes: "{value}"')
    try:
        return Version.parse(_text(value, place))
    except UsageError as error:
        raise place.error(str(error).removeprefix(f"{place.file}: ")) from None


def _macos(value: object, place: _Place) -> tuple[Version, ...]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise place.error(f'write versions in quotes: "{value}"')
    found: dict[Version, None] = {}
    for text in _text_or_texts(value, place):
        try:
            found.update(dict.fromkeys(parse_range(text)))
        except UsageError as error:
            raise place.error(str(error)) from None
    return tuple(sorted(found))


def _archs(value: object, place: _Place) -> tuple[str, ...]:
    return tuple(_one_of(item, place.at(n), _ARCHS) for n, item in enumerate(_list(value, place)))


def _bounds(value: object, place: _Place) -> Bounds:
    table = _table(value, place, ("min", "max"))
    found = Bounds(*(_version(table[key], place.at(key)) if key in table else None for key in ("min", "max")))
    if found.low is not None and found.high is not None and found.high < found.low:
        raise place.error(f"min {found.low} is above max {found.high}")
    return found


def _severity(value: object, place: _Place) -> Severity | None:
    text = _one_of(value, place, ("error", "warning", "info", "off"))
    return None if text == "off" else Severity(text)


def _rule(text: str, place: _Place) -> str:
    """Return the id of a rule that is named by id or name."""
    if text in RULES:
        return text
    names = {rule.name: rule.id for rule in RULES.values()}
    if text not in names:
        raise place.error(f"no such rule: {text!r}{_only_near(text, [*RULES, *names])}")
    return names[text]


def _severities(value: object, place: _Place) -> dict[str, Severity | None]:
    if not isinstance(value, dict):
        raise place.error(f"must be a table of rules, not {_kind(value)}")
    return {_rule(key, place): _severity(item, place.at(key)) for key, item in value.items()}


def _fail_on(value: object, place: _Place) -> Severity | None:
    text = _one_of(value, place, ("error", "warning", "info", "never"))
    return None if text == "never" else Severity(text)


def _date(value: object, place: _Place) -> date:
    if isinstance(value, datetime) or not isinstance(value, (date, str)):
        raise place.error("must be a date such as 2027-01-31")
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except ValueError:
        raise place.error(f"{value!r} is no date such as 2027-01-31") from None


_EXPECTED: Final[Mapping[str, Callable[[object, _Place], Any]]] = {
    "archs": _archs,
    "allow-libraries": _texts,
    "forbid-libraries": _texts,
    "required-libraries": _texts,
    "provided-libraries": _texts,
    "allow-run-paths": _texts,
    "forbid-run-paths": _texts,
    "minos": _bounds,
    "sdk": _bounds,
    "severity": _severities,
}
KEYS: Final = ("profile", "macos", "fail-on", "sdks", *_EXPECTED, "override", "ignore")
"""Every key a policy may have."""
_DOCTORS: Final = "machochain"
"""Holds the table ``ci``, which ``machochain doctor`` reads of the same file."""
OVERRIDE_KEYS: Final = ("path", *_EXPECTED)
"""Every key of an ``[[override]]``."""
IGNORE_KEYS: Final = ("rule", "path", "library", "reason", "expires")
"""Every key of an ``[[ignore]]``."""


def parse_policy(
    document: Mapping[str, Any], place: _Place | str, profile: str | None = None, folder: Path | None = None
) -> Policy:
    """Return what a policy document means, on top of its profile.

    Args:
        document: The table.
        place: What to call it in messages.
        profile: The profile to start from instead of the one it names.
        folder: Where relative paths in it start.

    Raises:
        UsageError: A key or value makes no sense.
    """
    place = _Place(place) if isinstance(place, str) else place
    mine = dict(document)
    if isinstance(mine.get(_DOCTORS), dict) and set(mine[_DOCTORS]) == {"ci"}:
        del mine[_DOCTORS]
    table = _table(mine, place, KEYS)
    named = _one_of(table["profile"], place.at("profile"), PROFILES) if "profile" in table else "release"
    if profile is not None:
        named = _one_of(profile, _Place("", "profile"), PROFILES)
    base = _expectations(PROFILES[named], _Place("", f"profile {named}"))
    sdks = _texts(table.get("sdks", []), place.at("sdks"))
    return Policy(
        profile=named,
        expectations=_expectations(table, place).over(base),
        overrides=tuple(
            _override(item, place.at("override").at(n))
            for n, item in enumerate(_list(table.get("override", []), place.at("override")))
        ),
        macos=_macos(table["macos"], place.at("macos")) if "macos" in table else (),
        fail_on=_fail_on(table.get("fail-on", "error"), place.at("fail-on")),
        sdks=tuple(str((folder or Path()) / sdk) for sdk in sdks),
        ignores=tuple(
            _ignore(item, place.at("ignore").at(n))
            for n, item in enumerate(_list(table.get("ignore", []), place.at("ignore")))
        ),
    )


def _expectations(table: Mapping[str, Any], place: _Place) -> Expectations:
    found = {key.replace("-", "_"): read(table[key], place.at(key)) for key, read in _EXPECTED.items() if key in table}
    return Expectations(**found)


def _override(item: object, place: _Place) -> Override:
    table = _table(item, place, OVERRIDE_KEYS)
    if "path" not in table:
        raise place.error("needs 'path', the files it is about")
    return Override(_text_or_texts(table["path"], place.at("path")), _expectations(table, place))


def _ignore(item: object, place: _Place) -> Ignore:
    table = _table(item, place, IGNORE_KEYS)
    for key in ("rule", "reason"):
        if key not in table:
            raise place.error(f"needs {key!r}")
    rule = _rule(_text(table["rule"], place.at("rule")), place.at("rule"))
    paths = _text_or_texts(table["path"], place.at("path")) if "path" in table else ()
    libraries = _text_or_texts(table["library"], place.at("library")) if "library" in table else ()
    return Ignore(
        rule,
        _text(table["reason"], place.at("reason")),
        paths,
        libraries,
        _date(table["expires"], place.at("expires")) if "expires" in table else None,
        " ".join([place.path, rule, *paths, *libraries]),
        place.file,
    )
