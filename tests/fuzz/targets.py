"""What is fuzzed: seeds, how to change them, and everything that reads the result."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from machochain.findings.bundles import parse_plist
from tests.fuzz import (
    binaries,
    commands,
    containers,
    diagnoses,
    documents,
    gosources,
    images,
    machines,
    mutators,
    repairs,
    signing,
    systems,
    twin,
)
from tests.fuzz.machos import ar
from tests.fuzz.machos import fat as mutate_fat
from tests.fuzz.machos import macho as mutate_macho
from tests.fuzz.trees import mutator as tree_mutator
from tests.golang.test_buildinfo import LINES
from tests.tbd import stubs


@frozen
class Target:
    """One kind of input.

    Attributes:
        seeds: Sound inputs.
        mutate: How they are changed.
        run: Reads an input by every way there is; lets nothing out but a fault of ours.
        cost: How many times the memory and the calls of a plain reader it may take.
    """

    seeds: Callable[[], list[bytes]]
    mutate: mutators.Mutator
    run: Callable[[bytes], None]
    cost: float = 1


TARGETS = {
    "macho": Target(binaries.machos, mutate_macho(binaries.machos), binaries.read_macho),
    "fat": Target(binaries.fats, mutate_fat(binaries.machos), binaries.read_macho),
    "archive": Target(binaries.archives, ar, binaries.read_ar),
    "tbd": Target(lambda: [*stubs.ALL.values(), documents.DIRECTIVES], mutators.text, documents.read_tbd),
    "tbd-values": Target(lambda: [stubs.V5], mutators.values, documents.read_tbd),
    "build-info": Target(lambda: [LINES.encode()], mutators.text, documents.read_module_info),
    "go-sources": Target(gosources.seeds, mutators.text, gosources.run, cost=4),
    "go-mod": Target(
        lambda: [machines.MODULE["go.mod"].encode()], mutators.text, machines.module_file("go.mod"), cost=4
    ),
    "go-work": Target(lambda: [machines.WORK], mutators.text, machines.module_file("go.work"), cost=4),
    "modules-txt": Target(lambda: [machines.VENDOR], mutators.text, machines.module_file("vendor/modules.txt"), cost=4),
    "go-list": Target(machines.listings, mutators.values, machines.read_listing, cost=4),
    "snapshot": Target(machines.snapshots, mutators.values, machines.read_machine, cost=4),
    "snapshot-script": Target(machines.scripts, machines.mutate_script, machines.read_machine, cost=4),
    "pragmas": Target(documents.pragmas, mutators.text, documents.read_pragmas),
    "signature": Target(signing.signatures, signing.mutate_signature, signing.read_codesign),
    "kernel": Target(signing.programs, mutate_macho(signing.programs), signing.start, cost=8),
    "kernel-fat": Target(signing.programs, mutate_fat(signing.programs), signing.start, cost=8),
    "kernel-signature": Target(signing.signatures, signing.mutate_signature, signing.validate_signature),
    "repair": Target(repairs.seeds, mutate_macho(repairs.seeds), repairs.repair, cost=8),
    "repair-fat": Target(repairs.seeds, mutate_fat(repairs.seeds), repairs.repair, cost=8),
    "plist": Target(documents.plists, mutators.values, lambda data: void(parse_plist(data))),
    "policy": Target(lambda: [documents.POLICY], mutators.text, documents.read_policy_text),
    "baseline": Target(lambda: [documents.BASELINE], mutators.values, documents.read_baseline_text),
    "message": Target(diagnoses.messages, mutators.text, diagnoses.read_message),
    "crash-report": Target(diagnoses.reports, mutators.values, diagnoses.read_message),
    "comparison": Target(
        lambda: [*diagnoses.messages(), *diagnoses.reports()], mutators.text, diagnoses.diagnose_binary
    ),
    "container": Target(containers.seeds, containers.mutate, containers.read),
    "xar": Target(images.xars, images.mutate_xar, images.read, cost=2),
    "cpio": Target(images.cpios, images.mutate_cpio, images.read),
    "pbzx": Target(images.pbzxs, images.mutate_pbzx, images.read, cost=2),
    "udif": Target(images.udifs, images.mutate_udif, images.read, cost=2),
    "sdk": Target(systems.folders, tree_mutator(mutate_macho(binaries.machos)), systems.read_folder, cost=2),
    "sdk-cache": Target(systems.kept, mutators.values, systems.read_kept),
    "catalogue": Target(systems.catalogues, systems.mutate_catalogue, systems.read_catalogue, cost=2),
    "shared-cache": Target(systems.shared_caches, systems.mutate_shared_cache, systems.read_shared_cache, cost=2),
    "facts": Target(systems.documents, mutators.values, systems.read_document, cost=2),
    "resolve": Target(
        lambda: [*binaries.machos(), *binaries.fats()], mutate_macho(binaries.machos), binaries.resolve_whole, cost=2
    ),
    "resolve-archive": Target(binaries.archives, ar, binaries.resolve_whole, cost=2),
    "options": Target(commands.options, mutators.text, commands.read_options, cost=5),
    "deep": Target(
        lambda: [*binaries.machos(), *binaries.fats()], mutate_macho(binaries.machos), binaries.inspect_deep, cost=2
    ),
    "report": Target(commands.folders, tree_mutator(mutate_macho(binaries.machos)), commands.read_by_all, cost=5),
    "command": Target(commands.folders, tree_mutator(mutate_macho(binaries.machos)), commands.read, cost=5),
    "twin": Target(commands.folders, tree_mutator(mutate_macho(binaries.machos)), twin.agrees, cost=5),
}


def void(_: object) -> None:
    """Forget a value."""
