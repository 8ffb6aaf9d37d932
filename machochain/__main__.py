"""The command ``machochain``, and ``python -m machochain``: a process of its own.

What Python's search for garbage costs is decided here, before anything is imported.
"""

import gc
import sys


def main() -> None:
    """Run the command line and exit."""
    # What a run makes are values without cycles, nearly all kept to its end: looking for garbage among them every
    # 700 allocations finds none and took a fifth of the time of a large audit.
    gc.set_threshold(50_000, 50, 50)
    try:
        from machochain.cli import main as run  # noqa: PLC0415  # see above

        run()
    except KeyboardInterrupt:  # before the command line could answer it, or while it was ending
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    finally:
        # The process ends: what is left need not be searched once more.
        gc.freeze()


if __name__ == "__main__":
    main()
