"""Rules that only an audit has: what a policy asks for, what bundles and wheels promise, what signatures say."""

from machochain.findings.registry import import_modules

import_modules(__name__, __path__)
