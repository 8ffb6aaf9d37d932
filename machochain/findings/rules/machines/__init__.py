"""Rules about a recorded Mac."""

from machochain.findings.registry import import_modules

import_modules(__name__, __path__)
