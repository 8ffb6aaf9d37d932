"""One program in several launch contexts: library by library, where outcomes differ and why.

``run`` starts the program in each context on a modelled Mac, ``matrix`` compares what dyld does there, ``remedies``
says what helps. What a toolchain knows of its own programs, contexts and caches comes through ``port``.
"""
