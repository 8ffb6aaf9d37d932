"""All that is fixed about a process before dyld looks for the first library (dyld: ``ProcessConfig``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from machochain.dyld.facts import process_platform
from machochain.dyld.profile import Profile
from machochain.dyld.sniff import LENIENT, Demands, demands_of
from machochain.model.arch import Arch
from machochain.model.execution import Validation
from machochain.model.image import Image
from machochain.model.ospaths import IOS_SUPPORT
from machochain.model.paths import TargetPath
from machochain.model.platform import Platform
from machochain.model.value import frozen
from machochain.model.version import Version


@frozen
class Security:
    """What AMFI lets dyld do in this process (dyld-1378, DyldProcessConfig.cpp: ``Security``).

    Attributes:
        at_paths: ``@executable_path``, ``@loader_path`` in the main executable's run paths, and relative run paths.
        path_variables: DYLD_* path variables; without it file-relative paths are refused as well.
        fallback_paths: ``/usr/local/lib`` and ``/Library/Frameworks`` among the default fallbacks.
        embedded_variables: LC_DYLD_ENVIRONMENT.
        print_variables: DYLD_PRINT_*; only dyld2 asks, for which fallbacks there are.
        custom_cache: Another shared cache; the same.
        failed_insertion: A library that cannot be inserted is passed over instead of ending the process.
    """

    at_paths: bool = True
    path_variables: bool = True
    fallback_paths: bool = True
    embedded_variables: bool = True
    failed_insertion: bool = False
    print_variables: bool = True
    custom_cache: bool = True


UNRESTRICTED: Final = Security()

HARDENED: Final = Security(path_variables=False, fallback_paths=False, failed_insertion=True)
"""The hardened runtime without com.apple.security.cs.allow-dyld-environment-variables.

AMFI's own rules are not published. Logs of hardened apps show ``@executable_path`` in use, variables ignored and
``/usr/lib`` alone as fallback.
"""

RESTRICTED: Final = Security(
    at_paths=False, path_variables=False, fallback_paths=False, embedded_variables=False, failed_insertion=True
)
"""A ``__RESTRICT,__restrict`` section, setuid, or CS_RESTRICT without library validation
(dyld-852.2, dyld2.cpp: configureProcessRestrictions(); tests ``atpath-restricted``, ``restrict-search``)."""


_SIMULATORS: Final = frozenset(
    {Platform.IOS_SIMULATOR, Platform.TVOS_SIMULATOR, Platform.WATCHOS_SIMULATOR, Platform.VISIONOS_SIMULATOR}
)


_NO_DEMANDS: Final = Validation()


@frozen
class ProcessConfig:
    """The process as dyld sees it.

    Attributes:
        profile: The generation of dyld.
        macos: The modelled release.
        arch: The main executable's architecture.
        platform: The platform it runs as (a PLATFORM_* number).
        main_path: Real path of the main executable; None if nobody said which process it is.
        security: What AMFI allows.
        library_path: DYLD_LIBRARY_PATH: the environment's entries, then those of LC_DYLD_ENVIRONMENT.
        framework_path: DYLD_FRAMEWORK_PATH, likewise.
        fallback_library_path: DYLD_FALLBACK_LIBRARY_PATH; None if it is not set.
        fallback_framework_path: DYLD_FALLBACK_FRAMEWORK_PATH; None if it is not set.
        versioned_library_path: Directories of DYLD_VERSIONED_LIBRARY_PATH.
        versioned_framework_path: Directories of DYLD_VERSIONED_FRAMEWORK_PATH.
        inserted: DYLD_INSERT_LIBRARIES.
        image_suffixes: DYLD_IMAGE_SUFFIX.
        image_suffix_text: The same as one string: a framework's leaf is compared with all of it.
        root_path: DYLD_ROOT_PATH; counts only in simulator programs.
        home: HOME, for dyld2's fallbacks; None if unset.
        overrides: (install name, path) found through the versioned paths.
        haswell: Whether an Intel process sees a Haswell or newer processor; Rosetta translates for an older one.
        validation: What the kernel demands of the libraries it maps.
        demands: What dyld2 asks of every image.
        unix_library_path: LD_LIBRARY_PATH, which only dyld2 knows.
        root_paths: What dyld2 puts before absolute paths: DYLD_ROOT_PATH, or ``/System/iOSSupport``.
        production_cache: Whether libraries of the shared cache of macOS 11 cannot be overridden.
    """

    profile: Profile
    macos: Version
    arch: Arch
    platform: int
    main_path: TargetPath | None
    security: Security = UNRESTRICTED
    library_path: tuple[str, ...] = ()
    framework_path: tuple[str, ...] = ()
    fallback_library_path: tuple[str, ...] | None = None
    fallback_framework_path: tuple[str, ...] | None = None
    versioned_library_path: tuple[str, ...] = ()
    versioned_framework_path: tuple[str, ...] = ()
    inserted: tuple[str, ...] = ()
    image_suffixes: tuple[str, ...] = ()
    image_suffix_text: str | None = None
    root_path: str | None = None
    home: str | None = None
    overrides: tuple[tuple[str, str], ...] = ()
    haswell: bool = True
    validation: Validation = _NO_DEMANDS
    demands: Demands = LENIENT
    unix_library_path: tuple[str, ...] = ()
    root_paths: tuple[str, ...] = ()
    production_cache: bool = False

    @property
    def hardened(self) -> bool:
        """Whether dyld ignores path variables and refuses file-relative paths."""
        return not self.security.path_variables

    @property
    def pruned(self) -> bool:
        """Whether dyld2 takes the environment and all fallbacks away (pruneEnvironmentVariables())."""
        return not (self.security.path_variables or self.security.print_variables or self.security.custom_cache)

    @property
    def is_simulator(self) -> bool:
        """Whether this is a simulator program."""
        return self.platform in _SIMULATORS

    @property
    def searches_ios_support(self) -> bool:
        """Whether ``/System/iOSSupport`` is searched first: Catalyst, and iOS apps on Apple silicon."""
        return self.platform in (Platform.MAC_CATALYST, Platform.IOS)

    @property
    def searching(self) -> tuple[object, ...]:
        """What of the generation of dyld counts where a load command is looked for (`dyld.plan`, `dyld.atpaths`).

        Where this is the same, so are the paths that are tried and dyld's words for one at which nothing lies.
        """
        profile = self.profile
        fallbacks = profile.catalyst_fallback, profile.ios_fallback_local_only
        return (
            profile.generation,
            self.cryptex,
            profile.cryptex_for_at_paths,
            profile.default_fallbacks_need_old_sdk,
            fallbacks if self.platform != Platform.MACOS else None,
            profile.folds_executable_path,
            profile.real_loader_paths_sdk,
            profile.errno_reasons,
            profile.cache_note,
            profile.wording,
            self.hardened and profile.protects_libsystem,
        )

    @property
    def cryptex(self) -> bool:
        """Whether the OS cryptex is searched; simulator programs run another dyld with its own root."""
        return self.profile.cryptex and not self.is_simulator


_PATH_VARIABLES: Final = (
    "DYLD_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_FALLBACK_FRAMEWORK_PATH",
    "DYLD_VERSIONED_LIBRARY_PATH",
    "DYLD_VERSIONED_FRAMEWORK_PATH",
)
_OTHER_VARIABLES: Final = ("DYLD_INSERT_LIBRARIES", "DYLD_IMAGE_SUFFIX", "DYLD_ROOT_PATH")


def process_config(
    profile: Profile,
    macos: Version,
    main: Image,
    main_path: TargetPath | None,
    *,
    security: Security = UNRESTRICTED,
    environment: Mapping[str, str] | None = None,
) -> ProcessConfig:
    """Build the configuration of a process from its main executable and its environment.

    dyld-1378, DyldProcessConfig.cpp: PathOverrides(): the environment counts if path variables are allowed,
    LC_DYLD_ENVIRONMENT of the main executable if embedded ones are; the environment's entries come first.
    """
    outer = _variables(profile, (environment or {}).items()) if security.path_variables else {}
    inner: dict[str, str] = {}
    if (security.embedded_variables or not profile.embedded_needs_amfi) and main_path is not None:
        pairs = []
        for text in main.dyld_environment:
            key, equals, value = text.partition("=")
            if equals and key.endswith(profile.embedded_names if profile.embedded_names == "_PATH" else ""):
                pairs.append((key, _expand_embedded(value, main_path, security, mangles=profile.mangles_embedded)))
        inner = _variables(profile, pairs)

    def joined(key: str) -> tuple[str, ...]:
        return tuple(e for source in (outer, inner) if key in source for e in source[key].split(":"))

    def optional(key: str) -> tuple[str, ...] | None:
        return joined(key) if key in outer or key in inner else None

    def single(key: str) -> str | None:
        parts = [source[key] for source in (outer, inner) if key in source]
        return ":".join(parts) if parts else None

    suffix = single("DYLD_IMAGE_SUFFIX")
    versioned = security.path_variables or not profile.versioned_needs_amfi
    inserted = single("DYLD_INSERT_LIBRARIES")
    platform = process_platform(main, zippered=profile.zippered_process)
    demands = demands_of(main, platform) if profile.classic else LENIENT
    return ProcessConfig(
        profile=profile,
        macos=macos,
        arch=main.arch,
        platform=platform,
        demands=demands,
        main_path=main_path,
        security=security,
        library_path=joined("DYLD_LIBRARY_PATH"),
        framework_path=joined("DYLD_FRAMEWORK_PATH"),
        fallback_library_path=optional("DYLD_FALLBACK_LIBRARY_PATH"),
        fallback_framework_path=optional("DYLD_FALLBACK_FRAMEWORK_PATH"),
        versioned_library_path=joined("DYLD_VERSIONED_LIBRARY_PATH") if versioned else (),
        versioned_framework_path=joined("DYLD_VERSIONED_FRAMEWORK_PATH") if versioned else (),
        inserted=tuple(inserted.split(":")) if inserted else (),
        image_suffixes=() if suffix is None else tuple(suffix.split(":")),
        image_suffix_text=suffix or None,
        root_path=single("DYLD_ROOT_PATH"),
        home=(environment or {}).get("HOME"),
        unix_library_path=_unix_library_path(profile, environment or {}, security),
        root_paths=_root_paths(single("DYLD_ROOT_PATH"), demands) if profile.classic else (),
    )


def _unix_library_path(profile: Profile, environment: Mapping[str, str], security: Security) -> tuple[str, ...]:
    """Return LD_LIBRARY_PATH where dyld reads it (dyld-852.2, dyld2.cpp: checkEnvironmentVariables())."""
    value = environment.get("LD_LIBRARY_PATH")
    return tuple(value.split(":")) if value and profile.classic and security.path_variables else ()


def _root_paths(given: str | None, demands: Demands) -> tuple[str, ...]:
    """Return what dyld2 puts before absolute paths (dyld2.cpp: processDyldEnvironmentVariable(), _main())."""
    if demands.ios_on_mac:
        return (IOS_SUPPORT.rstrip("/"),)
    roots = tuple(given.split(":")) if given and given != "/" else ()
    return roots if all(root.startswith("/") for root in roots) else ()


def _variables(profile: Profile, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Collect the variables dyld knows; a name given twice is joined with a colon (``setString``)."""
    found: dict[str, str] = {}
    for key, value in pairs:
        for name in _PATH_VARIABLES + _OTHER_VARIABLES:
            # As prefixes, DYLD_LIBRARY_PATHS= works too.
            if key == name or (not profile.exact_variable_names and key.startswith(name)):
                found[name] = f"{found[name]}:{value}" if name in found else value
                break
    return found


def _expand_embedded(value: str, main_path: str, security: Security, *, mangles: bool) -> str:
    """Replace ``@executable_path/`` and ``@loader_path/`` at the start of each element (``addEnvVar``)."""
    if "@" not in value:
        return value
    base = main_path[: main_path.rfind("/") + 1]
    elements = []
    for element in value.split(":"):
        if element.startswith("@") and not security.at_paths:
            continue
        for variable in ("@executable_path/", "@loader_path/"):
            if element.startswith(variable):
                elements.append(base + element[len(variable) :])
                break
        else:
            if mangles:
                elements = [main_path]
            else:
                elements.append(element)
    return ":".join(elements)
