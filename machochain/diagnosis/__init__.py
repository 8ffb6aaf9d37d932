"""From what a Mac printed to what happened: `diagnose` reads and explains, `read` finds the facts of dyld's words."""

from machochain.diagnosis.answering import diagnose, explain_evidence
from machochain.diagnosis.reading import read
from machochain.diagnosis.table import forms

__all__ = ["diagnose", "explain_evidence", "forms", "read"]
