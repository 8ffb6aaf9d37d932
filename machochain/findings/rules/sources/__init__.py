"""Rules about the sources of Go modules with cgo."""

from machochain.findings.registry import import_modules

import_modules(__name__, __path__)
