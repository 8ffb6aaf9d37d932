"""What a Go toolchain leaves in a Mach-O file or an archive, as plain facts."""

from __future__ import annotations

from enum import Enum

from machochain.model.value import frozen


class GoLink(Enum):
    """Which linker wrote the file."""

    INTERNAL = "internal"
    EXTERNAL = "external"


@frozen
class GoFact:
    """Something in Go's data that is not as it should be. Never an error: the rest is read on.

    Attributes:
        text: What is wrong, one sentence without a full stop.
        offset: Where, in bytes from the start of the slice or archive member; None for the whole.
    """

    text: str
    offset: int | None = None


@frozen
class GoModule:
    """One module of a build: a ``mod``, ``dep`` or ``=>`` line of ``go version -m``.

    Attributes:
        path: The module path; a directory for a local replacement.
        version: ``v1.2.3``, ``(devel)`` or ``""``.
        sum: The checksum ``h1:…``; ``""`` where none is recorded.
        replaced_by: The module used instead.
    """

    path: str
    version: str = ""
    sum: str = ""
    replaced_by: GoModule | None = None


@frozen
class GoBuildInfo:
    """The build information Go embeds (Go 1.27, ``debug/buildinfo``, ``runtime/debug.BuildInfo``).

    Attributes:
        version: The toolchain, e.g. ``go1.27.3`` or ``go1.22.1 X:rangefunc``.
        path: The package path of the main package; ``""`` if the build was not in module mode.
        main: The main module; None if there is none.
        dependencies: The modules that went in, in order.
        settings: (key, value) pairs in order; a key may repeat.
        inline: Whether the text lies behind the header (Go 1.18 and newer) or is pointed to.
        offset: Where the blob begins, bytes from the start of the slice.
    """

    version: str
    path: str = ""
    main: GoModule | None = None
    dependencies: tuple[GoModule, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    inline: bool = True
    offset: int = 0

    def setting(self, key: str) -> str | None:
        """Return the value of a setting such as ``-ldflags`` or ``CGO_ENABLED``; None if it is not recorded."""
        for name, value in self.settings:
            if name == key:
                return value
        return None

    @property
    def release(self) -> str:
        """The version without experiments: ``go1.22.1``."""
        return self.version.split(" ", 1)[0]

    @property
    def experiments(self) -> tuple[str, ...]:
        """What ``X:a,b`` behind the version and ``GOEXPERIMENT`` name, in order, each once."""
        _, found, listed = self.version.partition(" X:")
        names = [
            *(listed.split(" ", 1)[0].split(",") if found else ()),
            *(self.setting("GOEXPERIMENT") or "").split(","),
        ]
        return tuple(dict.fromkeys(name for name in names if name))


@frozen
class GoTraces:
    """What was found of Go in one Mach-O image without looking at symbols.

    Attributes:
        build: The build information; None if there is none or it cannot be read.
        version_hint: The release as guessed from strings, where there is no build information; else None.
        oldest: The oldest release (minor number of ``1.N``) the table of functions fits, or None.
        newest: The newest such release, or None for "and newer" (or unknown, if ``oldest`` is None).
        evidence: What says that this is Go at all, one phrase each; empty if nothing does.
        facts: What is broken.
    """

    build: GoBuildInfo | None = None
    version_hint: str | None = None
    oldest: int | None = None
    newest: int | None = None
    evidence: tuple[str, ...] = ()
    facts: tuple[GoFact, ...] = ()

    @property
    def is_go(self) -> bool:
        """Whether anything in the image was made by Go."""
        return bool(self.evidence)


@frozen
class GoBinary:
    """What is known of a Mach-O image that holds Go code.

    Attributes:
        version: The release, from the build information or guessed; None if unknown.
        build: The build information, or None.
        cgo: Whether the C side of Go's runtime (``runtime/cgo``) is linked in; None if no mark proves either.
        link: Which linker wrote the file; None for an object file or where no mark proves either.
        mode: ``exe``, ``pie``, ``c-shared``, ``c-archive`` or ``plugin``; None if unknown.
        c_functions: C functions called through cgo, in the order of the symbol table.
        exports: Go functions exported to C, likewise; a stripped file hides them.
        hidden: Settings that ``-trimpath`` kept out of the build information.
        evidence: What each answer rests on, one sentence each.
        facts: What is broken.
    """

    version: str | None
    build: GoBuildInfo | None
    cgo: bool | None
    link: GoLink | None
    mode: str | None
    c_functions: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    facts: tuple[GoFact, ...] = ()


@frozen
class ImportDynamic:
    """``cgo_import_dynamic``: a symbol bound by dyld, or (local and remote ``_``) a dylib to load.

    Attributes:
        local: Go's name.
        remote: The symbol's name in C; equal to ``local`` where the directive has no second word.
        library: The install name; ``""`` on Mach-O for symbols.
        version: What follows ``#`` in the remote name; None if nothing does.
    """

    local: str
    remote: str
    library: str = ""
    version: str | None = None

    @property
    def loads(self) -> str | None:
        """The install name this makes the linker load; None for a mere symbol."""
        return self.library or None


@frozen
class ImportStatic:
    """``cgo_import_static``: a C symbol that must come from an object file."""

    local: str


@frozen
class ExportStatic:
    """``cgo_export_static``: a Go symbol that C objects may refer to."""

    local: str
    remote: str
    abi: str | None = None


@frozen
class ExportDynamic:
    """``cgo_export_dynamic``: a Go symbol that other images may refer to."""

    local: str
    remote: str
    abi: str | None = None


@frozen
class LdFlag:
    """``cgo_ldflag``: one word for the host linker."""

    word: str


@frozen
class DynamicLinker:
    """``cgo_dynamic_linker``: the dynamic linker to name in the executable."""

    path: str


Directive = ImportDynamic | ImportStatic | ExportStatic | ExportDynamic | LdFlag | DynamicLinker


@frozen
class GoObject:
    """The text header of one Go object (``__.PKGDEF``, ``_go_.o``, assembled objects).

    Attributes:
        member: The name of the archive member.
        goos: ``darwin``; ``""`` if the header has no such word.
        goarch: ``arm64``; likewise.
        version: ``go1.27.3``; likewise.
        words: What follows on that line (``GOARM64=v8.0``, ``X:…``).
        build_id: ``ACTION/CONTENT``, or None.
        main: Whether this is a package ``main``.
        header: The first line as written.
        pragmas: The cgo section: lists of words as written; empty if there is none.
        directives: The same, typed; words the linker would refuse are facts instead.
        has_export_data: Whether export data follows (``$$B``).
        facts: What is broken.
    """

    member: str
    goos: str
    goarch: str
    version: str
    words: tuple[str, ...]
    build_id: str | None
    main: bool
    header: str
    pragmas: tuple[tuple[str, ...], ...] = ()
    directives: tuple[Directive, ...] = ()
    has_export_data: bool = False
    facts: tuple[GoFact, ...] = ()


@frozen
class GoArchive:
    """An archive made by Go.

    Attributes:
        kind: ``package`` (input of Go's linker) or ``c-archive`` (input of a C linker).
        objects: Its Go objects, in order; empty for a c-archive.
        c_members: Names of its C objects, in order.
        prefer_external: Whether the member ``preferlinkext`` asks for the host linker.
        imports_unknown: Whether the member ``dynimportfail`` says that cmd/go could not learn the dylibs.
        facts: What is broken.
    """

    kind: str
    objects: tuple[GoObject, ...] = ()
    c_members: tuple[str, ...] = ()
    prefer_external: bool = False
    imports_unknown: bool = False
    facts: tuple[GoFact, ...] = ()

    @property
    def version(self) -> str | None:
        """The Go release that made it, if the headers say so."""
        return next((each.version for each in self.objects if each.version), None)

    @property
    def directives(self) -> tuple[Directive, ...]:
        """All directives of all objects, in order."""
        return tuple(directive for each in self.objects for directive in each.directives)

    @property
    def ld_flags(self) -> tuple[str, ...]:
        """The words for the host linker, in order."""
        return tuple(each.word for each in self.directives if isinstance(each, LdFlag))

    @property
    def uses_cgo(self) -> bool:
        """Whether C objects are part of it."""
        return self.kind == "c-archive" or bool(self.c_members)
