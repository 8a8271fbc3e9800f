"""`python -m dlgbench`."""

import sys

from dlgbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
