"""Installer packages (.pkg): components with a payload each, put where Installer puts them.

A flat package is a XAR archive with ``PackageInfo`` at its top (one component), or with ``Distribution`` and a folder
for each component. Scripts are listed and never run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import unquote

from machochain.model.artifact import ArtifactKind
from machochain.model.errors import InputError
from machochain.model.release import Component, InstallerPackage, Script
from machochain.world.archives.compression import Read, damage_errors
from machochain.world.archives.containers.cpios import read_cpio
from machochain.world.archives.containers.form import Known
from machochain.world.archives.containers.tars import is_tar, read_tar
from machochain.world.archives.cpio import is_cpio
from machochain.world.archives.errors import NotReadError
from machochain.world.archives.packages.form import Facts
from machochain.world.archives.pbzx import form_of
from machochain.world.archives.stream import plain_stream
from machochain.world.archives.tree import Tree
from machochain.world.archives.xartable import XarMember
from machochain.world.archives.xmltree import Element, parse_xml

_XML_LIMIT: Final = 16 << 20
_HOME: Final = "Users/user"
_MENTIONS: Final = re.compile(rb"\bln\s+-|\binstall_name_tool\b|\bcodesign\b|\bxattr\b|\bDYLD_[A-Z_]+")
_APPLE_ARCHIVE: Final = (b"AA01", b"YAA1")

Open = Callable[[XarMember], Read]
"""Opens a member of the package, decoded."""


def is_package(names: Sequence[str]) -> bool:
    """Whether a XAR archive with such names at its top is an installer package."""
    return "PackageInfo" in names or "Distribution" in names


def read_package(tree: Tree, members: Sequence[XarMember], opened: Open, signers: tuple[str, ...]) -> Known:
    """Take over what a package installs.

    Args:
        tree: Becomes the Mac's ``/``.
        members: The files of the XAR archive.
        opened: Opens one of them.
        signers: Who signed it.
    """
    tree.is_root = True
    by_name: dict[str, XarMember] = {}
    for member in members:
        by_name.setdefault(member.name, member)
    distribution = _xml(tree, by_name.get("Distribution"), opened)
    components: list[Component] = []
    scripts: list[Script] = []
    for name, member in by_name.items():
        if name.rpartition("/")[2] != "PackageInfo" or member.kind != "file":
            continue
        folder = name[: -len("PackageInfo")]
        info = _xml(tree, member, opened)
        if info is None:
            continue
        component = _component(folder.rstrip("/") or tree.name, info, distribution, f"{folder}Payload" in by_name)
        components.append(component)
        if component.payload:
            _payload(tree, by_name[f"{folder}Payload"], opened, component.location.strip("/"))
        if f"{folder}Scripts" in by_name:
            scripts += _scripts(tree, by_name[f"{folder}Scripts"], opened, component.name)
    _tell_what_is_elsewhere(tree, distribution, by_name)
    _plug_ins(tree, by_name, opened)
    first = components[0] if components else None
    facts = Facts("", first.version or None if len(components) == 1 and first is not None else None)
    return Known(
        ArtifactKind.PKG, facts, installer=_described(distribution, tuple(components), tuple(scripts), signers)
    )


def _xml(tree: Tree, member: XarMember | None, opened: Open) -> Element | None:
    if member is None or member.data is None:
        return None
    try:
        return parse_xml(_whole(opened(member), member.name))
    except InputError as error:
        if tree.budget.is_exceeded:
            raise
        tree.problem(error.reason, member.name)
    except damage_errors() as error:
        tree.problem(f"cannot be read: {error}", member.name)
    return None


def _whole(read: Read, name: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while data := read(1 << 16):
        parts.append(data)
        size += len(data)
        if size > _XML_LIMIT:
            raise InputError(f"is longer than {_XML_LIMIT} bytes", part=name)
    return b"".join(parts)


def _component(name: str, info: Element, distribution: Element | None, payload: bool) -> Component:
    identifier = info.attributes.get("identifier", "")
    location = _custom_location(distribution, identifier) or info.attributes.get("install-location", "/")
    if not location.startswith("/"):
        location = f"/{location}"
    if _goes_home(distribution):
        location = f"/{_HOME}{location}"
    relocate = info.first("relocate")
    bundles = () if relocate is None else tuple(each.attributes.get("id", "") for each in relocate.all("bundle"))
    return Component(
        name, identifier, info.attributes.get("version", ""), location, tuple(filter(None, bundles)), payload
    )


def _custom_location(distribution: Element | None, identifier: str) -> str:
    """Return where a choice puts a component: that overrides what the component says."""
    if distribution is None:
        return ""
    for choice in distribution.all("choice"):
        place = choice.attributes.get("customLocation", "")
        if place and any(ref.attributes.get("id") == identifier for ref in choice.all("pkg-ref")):
            return place
    return ""


def _goes_home(distribution: Element | None) -> bool:
    """Whether it can be installed nowhere but in a home folder."""
    domains = None if distribution is None else distribution.first("domains")
    if domains is None:
        return False
    allowed = {name for name, value in domains.attributes.items() if value.lower() in {"true", "1", "yes"}}
    return allowed == {"enable_currentUserHome"}


def _described(
    distribution: Element | None,
    components: tuple[Component, ...],
    scripts: tuple[Script, ...],
    signers: tuple[str, ...],
) -> InstallerPackage:
    if distribution is None:
        return InstallerPackage(components, scripts, signers)
    options = distribution.first("options")
    hosts = "" if options is None else options.attributes.get("hostArchitectures", "")
    floors = [each.attributes.get("min", "") for each in distribution.walk() if each.tag == "os-version"]
    checks = (distribution.first(tag) for tag in ("installation-check", "volume-check"))
    return InstallerPackage(
        components,
        scripts,
        signers,
        next(filter(None, floors), ""),
        tuple(name for name in re.split(r"[\s,]+", hosts) if name),
        any(check is not None and "script" in check.attributes for check in checks),
    )


def _tell_what_is_elsewhere(tree: Tree, distribution: Element | None, by_name: dict[str, XarMember]) -> None:
    """Name the components a package refers to that are not in it."""
    if distribution is None:
        return
    texts: dict[str, str] = {}
    for ref in distribution.all("pkg-ref"):
        identifier = ref.attributes.get("id", "")
        texts[identifier] = texts.get(identifier, "") + ref.text.strip()
    for text in texts.values():
        name = unquote(text.lstrip("#"))
        if name and not (text.startswith("#") and any(each.startswith(f"{name}/") for each in by_name)):
            tree.pass_over(name, NotReadError("is not in the package: Installer takes it from elsewhere"))


def _payload(tree: Tree, member: XarMember, opened: Open, below: str) -> None:
    try:
        stream = plain_stream(opened(member), tree.budget)
        head = stream.peek(512)
        if is_cpio(head):
            read_cpio(tree, stream, below)
        elif is_tar(head) and not below:
            read_tar(tree, stream.read, None, "")
        elif head:
            tree.complete = False
            what = "an Apple Archive" if head.startswith(_APPLE_ARCHIVE) else form_of(head)
            tree.pass_over(member.name, NotReadError(f"the payload is {what}, which is not read"))
    except InputError as error:
        if tree.budget.is_exceeded:
            raise
        _damaged(tree, member, error.reason)
    except damage_errors() as error:
        _damaged(tree, member, str(error))


def _damaged(tree: Tree, member: XarMember, why: str) -> None:
    tree.complete = False
    tree.problem(f"is cut or damaged: {why}", member.name)


def _scripts(tree: Tree, member: XarMember, opened: Open, component: str) -> Iterator[Script]:
    """List scripts; programs beside them, which they may run, are looked at where Installer unpacks them."""
    found: list[Script] = []

    def look(name: str, data: bytes) -> None:
        if data.startswith(b"#!"):
            mentions = {match.decode().strip().partition(" ")[0] for match in _MENTIONS.findall(data)}
            found.append(Script(component, name.removeprefix("./"), tuple(sorted(mentions))))

    try:
        stream = plain_stream(opened(member), tree.budget)
        if is_cpio(stream.peek(26)):
            read_cpio(tree, stream, f"private/tmp/{component.replace('/', '.')}.Scripts", look)
    except InputError as error:
        if tree.budget.is_exceeded:
            raise
        _damaged(tree, member, error.reason)
    except damage_errors() as error:
        _damaged(tree, member, str(error))
    yield from found


def _plug_ins(tree: Tree, by_name: dict[str, XarMember], opened: Open) -> None:
    """Look at what Installer itself loads while it runs: bundles beside the components."""
    folders = tuple(name[: -len("PackageInfo")] for name in by_name if name.endswith("/PackageInfo"))
    for name, member in by_name.items():
        if "/" in name and member.kind == "file" and member.data is not None and not name.startswith(folders):
            read = opened(member)
            tree.add_file(f"private/tmp/{tree.name}/{name}", member.data.size, read, errors=damage_errors())
