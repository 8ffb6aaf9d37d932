"""Names as a file may hold them and nobody would give: for the terminal, for markup, for shells, for parsers."""

from __future__ import annotations

from typing import Final

NAMES: Final = (
    b"\xff\xfe\x1b[2J<b>bold</b>",
    "bidi\u202eexe.\u2066y".encode(),
    "c1 \u009b31m\u0085next\u2028line".encode(),
    b"line\nerror[MC999] forged\r\n::error::forged",
    b"]]>--!></script><script>alert(1)</script>",
    b"%0A::error::forged%0D",
    b"a|b`c``[d](javascript:1)<img src=x onerror=alert(1)>@user",
    b'q"uo\'te";$(touch PWNED)`touch PWNED`;touch PWNED&',
    b"${IFS}$(touch${IFS}PWNED)",
    b"=cmd|x!A1",
    b"\xed\xb3\xbf\xed\xa0\x80 surrogates as bytes",
    b"\\x1b[2J spelt, not sent",
    b"-add_rpath",
    b"..",
    b"",
    b"@rpath",
    b"@rpath/",
    b" lead and trail ",
    b"tab\there",
    "zero\u200bwidth\ufeff\U000e0041tag".encode(),
    b"%s%n{0}",
    b'"]; end',
)


def text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
