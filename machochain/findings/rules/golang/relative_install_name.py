"""MC602: the id of a Go library is a relative path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import of_process, register
from machochain.findings.remedies import command, set_install_name
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.model.image import FileType
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity
from machochain.model.shell import flags_word

RULE: Final = register(
    Rule(
        "MC602",
        "go-relative-install-name",
        "The id of a Go library is a relative path",
        Severity.WARNING,
        "The library was made with `-buildmode=c-shared`; Go gives no install name, so the linker takes the `-o` "
        "argument as it was written.",
        "Whoever links with it records that name, and dyld looks for it in the working directory of the process.",
        (
            '`go build -buildmode=c-shared -ldflags="-extldflags=-Wl,-install_name,@rpath/NAME.dylib" -o NAME.dylib`',
            "Or afterwards: `install_name_tool -id @rpath/NAME.dylib NAME.dylib`.",
            RESIGN,
        ),
        references=("golang/go#29061", "Go 1.27, cmd/link/internal/ld/lib.go, hostlink()"),
    )
)


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield the Go libraries whose id is no path of its own."""
    for image, header, _ in case.go_images:
        name = header.install_name
        if header.file_type != FileType.MH_DYLIB or name is None or name.startswith(("/", "@")):
            continue
        new = f"@rpath/{leaf(name)}"
        yield Draft(
            RULE.id, Severity.WARNING, image.path, None, name,
            f"the id of {printable(leaf(image.path))} is {printable(name)}: who links with it looks in the working "
            "directory",
            {"install_name": name},
            (
                command(
                    f"go build -buildmode=c-shared -ldflags={flags_word(f'-extldflags=-Wl,-install_name,{new}')}"
                ),
                set_install_name(new, image.path, also=True),
            ),
        )  # fmt: skip
