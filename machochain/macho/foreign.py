"""What a file is that is no Mach-O: named, so that nobody has to guess what was passed over."""

from __future__ import annotations

from enum import Enum

from machochain.macho.kind import FileKind, kind_of


class Foreign(Enum):
    """A kind of file that dyld has nothing to do with. The values are its name in a sentence."""

    ELF = "an ELF file (Linux, BSD)"
    PE = "a PE file (Windows)"
    WASM = "a WebAssembly module"
    BITCODE = "LLVM bitcode"
    JAVA = "a Java class"
    SCRIPT = "a script"
    TEXT = "text"
    EMPTY = "empty"

    @property
    def is_code(self) -> bool:
        """Whether it is compiled code, as Mach-O files are, for another system."""
        return self in {Foreign.ELF, Foreign.PE, Foreign.WASM}


_MAGICS = (
    (b"\x7fELF", Foreign.ELF),
    (b"\0asm", Foreign.WASM),
    (b"BC\xc0\xde", Foreign.BITCODE),
    (b"\xde\xc0\x17\x0b", Foreign.BITCODE),
    (b"#!", Foreign.SCRIPT),
)


def foreign_kind(first_bytes: bytes, read_rest: bytes = b"") -> Foreign | None:
    """Recognise what is no Mach-O file by its first bytes.

    Args:
        first_bytes: The more the surer; 64 tell a PE file, whose own header has to lie where its first says.
        read_rest: What follows them, if it is at hand: the header of a PE file may lie there.

    Returns:
        None for Mach-O files and static libraries, and for what nothing tells.
    """
    if kind_of(first_bytes) is not FileKind.UNRECOGNISED:
        return None
    if not first_bytes:
        return Foreign.EMPTY
    for magic, kind in _MAGICS:
        if first_bytes.startswith(magic):
            return kind
    if first_bytes.startswith(b"\xca\xfe\xba\xbe"):
        return Foreign.JAVA
    if first_bytes.startswith(b"MZ") and _has_pe_header(first_bytes + read_rest):
        return Foreign.PE
    return Foreign.TEXT if _is_text(first_bytes) else None


def _has_pe_header(data: bytes) -> bool:
    """Whether the header that e_lfanew (offset 0x3c) names is there, or lies behind what was read."""
    at = int.from_bytes(data[0x3C:0x40], "little")
    return len(data) >= 0x40 and at >= 0x40 and data[at : at + 4] in (b"PE\0\0", b"")


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be cut.
        if error.start < len(data) - 3:
            return False
        text = data[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\t\n\r\f" for c in text)
