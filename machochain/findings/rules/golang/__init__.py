"""Rules about programs and archives that Go made."""

from machochain.findings.registry import import_modules

import_modules(__name__, __path__)
