"""Stages 6 and 7: may the program run with the signature it has (``process_signature``, AMFI).

AMFI and Apple's security policy are not published. What stands here about them is what xnu's tests expect, what logs of
refused programs show and what Apple documents; such rules are ``Certainty.OBSERVED``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from machochain.kernel.blob import SELF_CONSTRAINT, BadBlob, Directory
from machochain.kernel.failure import (
    CONSTRAINT,
    INVALID_PAGE,
    INVALID_SIGNATURE,
    SECURITY_POLICY,
    WRONG_PLATFORM,
    Failure,
    LoadReturn,
)
from machochain.kernel.releases import ARM64E_UNKNOWN, HARDENED_PROCESS, LAUNCH_CONSTRAINTS, SIGNED_ARM64
from machochain.model.arch import Arch
from machochain.model.execution import Cause, Certainty, ExecRule
from machochain.model.value import frozen
from machochain.model.version import Version

HARD: Final = 0x100
KILL: Final = 0x200
ENFORCEMENT: Final = 0x1000
REQUIRE_LV: Final = 0x2000
RUNTIME: Final = 0x10000
FORCED_LV: Final = 0x10
LINKER_SIGNED: Final = 0x20000

_IOS: Final = 2
_RESTRICTED: Final = ("com.apple.developer.", "com.apple.private.")
_RESTRICTED_KEYS: Final = frozenset(
    {"keychain-access-groups", "com.apple.application-identifier", "com.apple.vm.networking"}
)
_UNRESTRICTED: Final = frozenset({"com.apple.developer.hardened-process"})
_HARDENED_PROCESS: Final = (
    "hardened-process",
    "hardened-process.checked-allocations",
    "hardened-process.checked-allocations.enable-pure-data",
    "hardened-process.checked-allocations.no-tagged-receive",
    "hardened-process.checked-allocations.soft-mode",
    "hardened-process.dyld-ro",
    "hardened-process.enhanced-security-version",
    "hardened-process.enhanced-security-version-string",
    "hardened-process.hardened-heap",
    "hardened-process.platform-restrictions",
    "hardened-process.platform-restrictions-string",
)


@frozen
class SignatureState:
    """A program's signature as the kernel sees it, beside what of it was held against the file.

    Attributes:
        directory: The directory that counts, or why none does; None without LC_CODE_SIGNATURE.
        entitlements: Keys and values.
        certified: Whether a CMS signature with a certificate is there.
        apple: Whether the certificate may be Apple's own: such code may hold any entitlement.
        developer_id: Whether the certificate is a Developer ID; others (the App Store's) may need no profile.
        profile: Whether a provisioning profile is embedded beside the program; None if nobody looked.
        foreign_cms: Whether the CMS signature is of another code directory.
        bad_page: Index of the first page with another hash; None if all that were looked at fit.
        first_pages_bad: Whether a page of header and load commands is among those that do not fit.
    """

    directory: Directory | BadBlob | None = None
    entitlements: Mapping[str, Any] = {}  # frozen
    certified: bool = False
    apple: bool = False
    developer_id: bool = False
    profile: bool | None = None
    foreign_cms: bool = False
    bad_page: int | None = None
    first_pages_bad: bool = False

    @property
    def flags(self) -> int:
        """The flags that count; 0 without a signature that does."""
        return self.directory.flags if isinstance(self.directory, Directory) else 0


def kills_on_bad_pages(state: SignatureState, arch: Arch, *, translated: bool) -> bool:
    """Whether a page with another hash ends the process: all native arm64 code, and what asks for it."""
    if not isinstance(state.directory, Directory):
        return False
    native = arch.is_arm64 and not translated
    return native or bool(state.flags & (HARD | KILL | ENFORCEMENT | RUNTIME))


def first_pages(state: SignatureState, arch: Arch, *, translated: bool, index: int) -> Failure | None:
    """Return why the load fails where the pages of the load commands are held against their hashes."""
    if not state.first_pages_bad or not kills_on_bad_pages(state, arch, translated=translated):
        return None
    why = "it was changed after it was signed: the pages of its load commands have other hashes"
    return Failure(ExecRule.FIRST_PAGES, Cause.CHANGED_PAGE, LoadReturn.FAILURE, why, command_index=index)


def security(state: SignatureState, arch: Arch, platform: int, macos: Version, *, translated: bool) -> Failure | None:
    """Return why a program that was loaded does not get to dyld, in the kernel's order."""
    native = arch.is_arm64 and not translated
    for found in (
        _hardened_process(state, macos),
        _arm64e(state, arch, macos),
        _signed(state, native=native),
        _entitled(state, native=native),
        _constrained(state, macos),
        _platform(platform),
        _pages(state, arch, translated=translated),
    ):
        if found is not None:
            return found
    return None


def _hardened_process(state: SignatureState, macos: Version) -> Failure | None:
    if macos < HARDENED_PROCESS:
        return None
    for name in _HARDENED_PROCESS:
        if {f"com.apple.developer.{name}", f"com.apple.security.{name}"} <= state.entitlements.keys():
            why = f"it claims both com.apple.developer.{name} and com.apple.security.{name}"
            return Failure(
                ExecRule.HARDENED_PROCESS, Cause.ENTITLEMENTS, LoadReturn.BADMACHO, why,
                subject=f"com.apple.security.{name}", since=HARDENED_PROCESS,
            )  # fmt: skip
    return None


def _arm64e(state: SignatureState, arch: Arch, macos: Version) -> Failure | None:
    """Third-party arm64e code of ABI version 0 (``exec_mach_imgact``: "built against preview arm64e ABI")."""
    if not arch.is_arm64e or arch.cpusubtype >> 24 & 0xF or state.apple:
        return None
    if macos >= ARM64E_UNKNOWN:
        why = "whether this macOS runs arm64e programs of others than Apple is not known"
        return Failure(ExecRule.ARM64E_PREVIEW, Cause.ARM64E, LoadReturn.FAILURE, why, unknown=True)
    why = "it is arm64e code of the preview ABI, which only Apple's programs may be"
    return Failure(ExecRule.ARM64E_PREVIEW, Cause.ARM64E, LoadReturn.FAILURE, why, until=ARM64E_UNKNOWN)


def _signed(state: SignatureState, *, native: bool) -> Failure | None:
    if isinstance(state.directory, Directory):
        if state.foreign_cms:
            why = "its certificate signature is of another code directory: it was changed after it was signed"
            return _denied(ExecRule.FOREIGN_CMS, Cause.FOREIGN_CMS, why)
        return None
    if state.directory is None:
        why = "arm64 code without a signature"
        return _denied(ExecRule.UNSIGNED, Cause.UNSIGNED, why, since=SIGNED_ARM64) if native else None
    bad = state.directory
    if native:
        why = f"arm64 code with a signature the kernel does not take: {bad.why}"
        return _denied(bad.rule, Cause.BROKEN_SIGNATURE, why, since=bad.since)
    why = f"the kernel does not take the signature ({bad.why}); whether taskgated lets the program run is not known"
    return Failure(bad.rule, Cause.BROKEN_SIGNATURE, INVALID_SIGNATURE, why, since=bad.since, unknown=True)


def restricted_entitlement(entitlements: Mapping[str, Any]) -> str | None:
    """Return the first entitlement that needs a provisioning profile, or None (Apple's TN3125)."""
    for key, value in entitlements.items():
        if value is False or key in _UNRESTRICTED or key.startswith("com.apple.developer.hardened-process."):
            continue
        if key in _RESTRICTED_KEYS or key.startswith(_RESTRICTED):
            return key
    return None


def _entitled(state: SignatureState, *, native: bool) -> Failure | None:
    if state.apple or state.profile:
        return None
    key = restricted_entitlement(state.entitlements)
    if key is None:
        return None
    if state.certified and (state.profile is None or not state.developer_id):
        why = f"it claims {key}, which a provisioning profile must grant, and whether one does is not known"
        return Failure(
            ExecRule.RESTRICTED_ENTITLEMENT, Cause.ENTITLEMENTS, SECURITY_POLICY, why, subject=key, unknown=True,
            certainty=Certainty.OBSERVED,
        )  # fmt: skip
    grant = "no provisioning profile grants it" if state.certified else "an ad-hoc signature cannot hold it"
    why = f"it claims the restricted entitlement {key}, and {grant}"
    if not native and not state.certified:
        why += "; what taskgated does for Intel code is not published"
    return Failure(
        ExecRule.RESTRICTED_ENTITLEMENT, Cause.ENTITLEMENTS, SECURITY_POLICY, why, subject=key,
        certainty=Certainty.OBSERVED,
    )  # fmt: skip


def _constrained(state: SignatureState, macos: Version) -> Failure | None:
    if macos < LAUNCH_CONSTRAINTS or state.apple or not isinstance(state.directory, Directory):
        return None
    if SELF_CONSTRAINT not in state.directory.slots:
        return None
    why = "it sets a launch constraint on itself, which only Apple's programs may"
    return Failure(
        ExecRule.LAUNCH_CONSTRAINT, Cause.LAUNCH_CONSTRAINT, CONSTRAINT, why, since=LAUNCH_CONSTRAINTS,
        certainty=Certainty.OBSERVED,
    )  # fmt: skip


def _platform(platform: int) -> Failure | None:
    if platform != _IOS:
        return None
    why = "it is built for iOS: macOS starts such a program only as an installed app"
    return Failure(ExecRule.IOS_PLATFORM, Cause.PLATFORM, WRONG_PLATFORM, why, subject="iOS")


def _pages(state: SignatureState, arch: Arch, *, translated: bool) -> Failure | None:
    if state.bad_page is None or not kills_on_bad_pages(state, arch, translated=translated):
        return None
    why = f"it was changed after it was signed: page {state.bad_page} has another hash"
    return Failure(ExecRule.OTHER_PAGE, Cause.CHANGED_PAGE, INVALID_PAGE, why, page=True)


def _denied(rule: ExecRule, cause: Cause, why: str, *, since: Version | None = None) -> Failure:
    return Failure(rule, cause, SECURITY_POLICY, why, since=since, certainty=Certainty.OBSERVED)
