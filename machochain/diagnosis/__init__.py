"""From what a Mac printed to what happened: `read` finds the facts, `explain_evidence` says what they mean."""

from machochain.diagnosis.explain import explain_evidence
from machochain.diagnosis.reading import read

__all__ = ["explain_evidence", "read"]
