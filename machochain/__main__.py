"""``python -m machochain`` is the command ``machochain``."""

from machochain.cli import main

if __name__ == "__main__":
    main()
