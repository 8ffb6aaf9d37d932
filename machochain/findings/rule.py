"""What a rule says about itself."""

from __future__ import annotations

from machochain._docs import rule_page
from machochain.model.remedy import Remedy, RemedyKind
from machochain.model.result import Severity
from machochain.model.value import frozen


@frozen
class Rule:
    """One rule.

    Attributes:
        id: ``MCnnn``.
        name: Short name in kebab case, as users write it in a policy.
        title: Heading of its page.
        severity: The severity it has unless circumstances make it milder.
        meaning: What was seen.
        why: What it leads to.
        fix: What to do, one step or command each.
        since: Which macOS it concerns; empty if all that are modelled.
        milder: When it is reported with a lower severity; empty if never.
        references: Sources: dyld tag, file and function, or public issues.
    """

    id: str
    name: str
    title: str
    severity: Severity
    meaning: str
    why: str
    fix: tuple[str, ...]
    since: str = ""
    milder: str = ""
    references: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """Address of the rule's page; its path in the sources while the documentation has no address."""
        return rule_page(self.id)

    @property
    def advice(self) -> tuple[Remedy, ...]:
        """What to do, for a finding that knows no better: sentences without quotes a shell would heed."""
        plain = str.maketrans({"`": None, "'": "\N{RIGHT SINGLE QUOTATION MARK}"})
        return tuple(Remedy(RemedyKind.ADVICE, argument=step.translate(plain)) for step in self.fix)
