"""What a code signature asks the kernel to enforce."""

from __future__ import annotations

from typing import Final

from machochain.model.signature import Signature, SignatureFlag

NO_VALIDATION: Final = "com.apple.security.cs.disable-library-validation"
DEBUGGED: Final = "com.apple.security.get-task-allow"
_VALIDATES: Final = SignatureFlag.RUNTIME | SignatureFlag.LIBRARY_VALIDATION | SignatureFlag.FORCED_LIBRARY_VALIDATION
ENFORCED: Final = _VALIDATES | SignatureFlag.KILL | SignatureFlag.HARD | SignatureFlag.ENFORCEMENT
"""Flags with which a page that does not fit its hash ends the process on Intel Macs, too."""


def validates_libraries(signature: Signature | None) -> bool:
    """Whether the kernel lets a program load only Apple's libraries and those of the program's own team."""
    if signature is None or not signature.flags & _VALIDATES:
        return False
    return signature.entitlements.get(NO_VALIDATION) is not True
