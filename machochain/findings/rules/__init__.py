"""One module for each rule, or for rules that one check tells apart. Importing a package registers what is in it.

Here are the rules about processes and their images. Those that only an audit, a Go program or the sources of one need
are packages of their own, imported when they are asked for.
"""

from machochain.findings.registry import import_modules

import_modules(__name__, __path__)
