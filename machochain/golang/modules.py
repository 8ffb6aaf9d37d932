r"""``go.mod``, ``go.work`` and ``vendor/modules.txt``, as far as they tell where a package's directory is.

``golang.org/x/mod/modfile`` (lexer, ``replace``), ``cmd/go/internal/modload`` (``vendor.go``), ``x/mod/module``
(``EscapePath``); Go 1.27.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from machochain.golang.quote import unquote
from machochain.model.value import frozen

_WORD: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`\n]*`|//[^\n]*|=>|[()]|[^\s()"`]+')


@frozen
class ModuleVersion:
    """A module and a version; ``""`` for any."""

    path: str
    version: str = ""


@frozen
class ModuleFile:
    """A ``go.mod`` or ``go.work``.

    Attributes:
        module: The module's path; ``""`` in ``go.work``.
        go: The ``go`` line, e.g. ``1.22.0``; ``""`` for none.
        toolchain: The ``toolchain`` line, e.g. ``go1.24.3``; ``""`` for none.
        require: Versions by module path.
        replace: What stands for a module, or for one version of it: a directory (version ``""``) or another module.
        use: Directories of ``go.work``.
    """

    module: str = ""
    go: str = ""
    toolchain: str = ""
    require: Mapping[str, str] = {}
    replace: Mapping[ModuleVersion, ModuleVersion] = {}
    use: tuple[str, ...] = ()

    def replacement(self, path: str, version: str) -> ModuleVersion | None:
        """Return what stands for a module; None if nothing does."""
        return self.replace.get(ModuleVersion(path, version)) or self.replace.get(ModuleVersion(path))

    @property
    def minor(self) -> int | None:
        """The minor number of the ``go`` line: 22 for ``1.22.0``."""
        return minor_of(self.go)


def minor_of(version: str) -> int | None:
    """Return N of ``1.N``, ``go1.N.M``; None if the text says none."""
    match = re.match(r"(?:go)?1\.([0-9]{1,4})(?![0-9])", version)
    return int(match.group(1)) if match is not None else None


def parse_module_file(text: str) -> ModuleFile:
    """Read a ``go.mod`` or ``go.work``; lines that mean nothing are left out, as they stop Go itself."""
    module = go = toolchain = ""
    require: dict[str, str] = {}
    replace: dict[ModuleVersion, ModuleVersion] = {}
    use: list[str] = []
    for verb, words in _statements(text):
        if verb == "module" and words:
            module = words[0]
        elif verb == "go" and words:
            go = words[0]
        elif verb == "toolchain" and words:
            toolchain = words[0]
        elif verb == "require" and len(words) >= 2:
            require[words[0]] = words[1]
        elif verb == "use" and words:
            use.append(words[0])
        elif verb == "replace" and "=>" in words:
            at = words.index("=>")
            old, new = words[:at], words[at + 1 :]
            if old and new:
                key = ModuleVersion(old[0], old[1] if len(old) > 1 else "")
                replace[key] = ModuleVersion(new[0], new[1] if len(new) > 1 else "")
    return ModuleFile(module, go, toolchain, require, replace, tuple(use))


def _statements(text: str) -> Iterator[tuple[str, list[str]]]:
    block = ""
    for line in text.split("\n"):
        words = []
        for match in _WORD.finditer(line):
            word = match.group()
            if word.startswith("//"):
                break
            words.append((unquote(word) or "") if word[0] in '"`' else word)
        if not words:
            continue
        if block:
            if words[0] == ")":
                block = ""
            else:
                yield block, words
        elif len(words) > 1 and words[1] == "(":
            block = words[0]
            if words[-1] == ")":
                block = ""
        else:
            yield words[0], words[1:]


@frozen
class VendoredModule:
    """A module of ``vendor/modules.txt``.

    Attributes:
        path: Its path.
        version: Its version; ``""`` for a replacement without one.
        packages: Import paths of the packages that were copied.
        replaced: Whether another module or directory was copied in its place.
    """

    path: str
    version: str = ""
    packages: tuple[str, ...] = ()
    replaced: ModuleVersion | None = None


def parse_vendor(text: str) -> tuple[VendoredModule, ...]:
    """Read ``vendor/modules.txt``."""
    found: list[tuple[str, str, list[str], ModuleVersion | None]] = []
    for line in text.split("\n"):
        if line.startswith("# "):
            words = line[2:].split()
            replaced = None
            if "=>" in words:
                at = words.index("=>")
                new = words[at + 1 :]
                replaced = ModuleVersion(new[0], new[1] if len(new) > 1 else "") if new else None
                words = words[:at]
            if not words:
                continue
            found.append((words[0], words[1] if len(words) > 1 else "", [], replaced))
        elif line and not line.startswith("#") and found:
            found[-1][2].append(line.strip())
    return tuple(VendoredModule(p, v, tuple(packages), replaced) for p, v, packages, replaced in found)


def escape_path(path: str) -> str:
    """Return how a module path or version is written in the module cache: ``!x`` for ``X``."""
    return re.sub(r"[A-Z]", lambda m: f"!{m.group().lower()}", path)


def is_standard(path: str) -> bool:
    """Whether an import path is one of the standard library's: its first element has no dot (``modload``)."""
    return "." not in path.partition("/")[0]


_SECURITY: Final = frozenset(
    {
        "crypto/tls", "crypto/x509", "expvar", "net/http", "net/http/cgi", "net/http/cookiejar", "net/http/fcgi",
        "net/http/httptest", "net/http/httptrace", "net/http/httputil", "net/http/pprof", "net/rpc",
        "net/rpc/jsonrpc", "net/smtp",
    }
)  # fmt: skip
_WITHOUT_RESOLV: Final = frozenset(
    {
        "bufio", "bytes", "cmp", "compress/bzip2", "container/heap", "container/list", "container/ring", "context",
        "crypto", "crypto/fips140", "crypto/sha3", "crypto/subtle", "embed", "encoding", "encoding/ascii85",
        "encoding/base32", "encoding/base64", "encoding/binary", "encoding/json/jsontext", "encoding/pem", "errors",
        "go/build/constraint", "go/version", "hash", "hash/adler32", "hash/crc32", "hash/crc64", "hash/fnv",
        "hash/maphash", "html", "image", "image/color", "image/color/palette", "image/draw", "image/jpeg",
        "index/suffixarray", "io", "io/fs", "iter", "maps", "math", "math/bits", "math/cmplx", "math/rand",
        "math/rand/v2", "net/netip", "path", "plugin", "reflect", "regexp", "regexp/syntax", "runtime",
        "runtime/cgo", "runtime/metrics", "runtime/race", "slices", "sort", "strconv", "strings", "structs", "sync",
        "sync/atomic", "syscall", "time", "time/tzdata", "unicode", "unicode/utf16", "unicode/utf8", "unique",
        "unsafe", "weak", "C",
    }
)  # fmt: skip


def standard_link_words(imports: frozenset[str], *, test: bool, cgo: bool, goarch: str, minor: int) -> tuple[str, ...]:
    """Return the words the standard library adds to a link for macOS.

    Measured with Go 1.24 and 1.27: ``crypto/x509`` and what needs it brings two frameworks, everything that needs
    ``os`` brings ``-lresolv``, and every test does. ``runtime/cgo`` brings CoreFoundation on arm64 up to Go 1.26 and
    ``-lpthread`` on amd64.

    Args:
        imports: Packages of the standard library that the program imports itself or through others.
        test: Whether it is a test binary.
        cgo: Whether ``runtime/cgo`` goes in.
        goarch: ``arm64`` or ``amd64``.
        minor: N of the release 1.N.
    """
    words: list[str] = []
    if cgo and goarch == "amd64":
        words.append("-lpthread")
    elif cgo and minor <= 26:
        words += ["-framework", "CoreFoundation"]
    if test or imports - _WITHOUT_RESOLV:
        words.append("-lresolv")
    if imports & _SECURITY:
        words += ["-framework", "CoreFoundation", "-framework", "Security"]
    return tuple(words)
