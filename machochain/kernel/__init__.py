"""What the kernel does between ``execve`` and dyld's first instruction. Pure: bytes and values in, a verdict out.

The order of the checks is the kernel's own (xnu, ``bsd/kern/kern_exec.c`` and ``bsd/kern/mach_loader.c``); a file with
several faults gets the answer of the first.
"""
