"""What installer packages and disk images say of themselves: facts, none of them judged here."""

from __future__ import annotations

from machochain.model.value import frozen


@frozen
class Script:
    """A script that Installer would run. It is never run here.

    Attributes:
        component: The component it belongs to.
        name: ``preinstall``, ``postinstall`` and the like.
        mentions: Which of the commands it names that change what loads: ``ln``, ``install_name_tool``, ``codesign``,
            ``xattr``, ``DYLD_`` variables.
    """

    component: str
    name: str
    mentions: tuple[str, ...] = ()


@frozen
class Component:
    """One component of an installer package.

    Attributes:
        name: Its name in the package; of a package with one component that of the package.
        identifier: Its identifier, or empty.
        version: Its version, or empty.
        location: Where on the Mac its payload goes.
        relocatable: Identifiers of the bundles that Installer updates elsewhere if it finds them there.
        payload: Whether it installs files; without, it only runs scripts.
    """

    name: str
    identifier: str
    version: str
    location: str
    relocatable: tuple[str, ...] = ()
    payload: bool = True


@frozen
class InstallerPackage:
    """An installer package.

    Attributes:
        components: What it installs.
        scripts: What it would run.
        signers: Subjects of the certificates it was signed with, as they stand: whether they hold was not examined.
        minimum: The oldest macOS it lets itself be installed on, as it says; empty if it does not.
        architectures: The processors it says it runs on; without arm64 Installer asks for Rosetta.
        asks_script: Whether a script of its own (JavaScript, never run here) decides whether it may be installed.
    """

    components: tuple[Component, ...] = ()
    scripts: tuple[Script, ...] = ()
    signers: tuple[str, ...] = ()
    minimum: str = ""
    architectures: tuple[str, ...] = ()
    asks_script: bool = False


@frozen
class Volume:
    """A file system in a disk image.

    Attributes:
        name: Its name.
        form: ``APFS``, ``HFS+``, ``FAT32`` and the like.
        case_sensitive: Whether names that differ in case only are two names.
    """

    name: str
    form: str
    case_sensitive: bool = False


@frozen
class DiskImage:
    """A disk image.

    Attributes:
        volumes: The file systems in it that were read.
        encodings: How its blocks are packed: ``zlib``, ``bzip2``, ``LZFSE`` and the like; empty for a raw image.
        licence: Whether it shows a licence before it opens.
        signed: Whether it carries a code signature; whether that holds was not examined.
    """

    volumes: tuple[Volume, ...] = ()
    encodings: tuple[str, ...] = ()
    licence: bool = False
    signed: bool = False

    @property
    def mounted(self) -> str:
        """Where its files stand on a Mac that has opened it."""
        name = self.volumes[0].name.replace("/", ":").strip(". ") if self.volumes else ""
        return f"/Volumes/{name or 'untitled'}"
