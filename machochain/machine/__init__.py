"""A Mac's toolchain as raw facts: how they are recorded, read, compared and judged."""
