"""`python -m adv_ae` is the command `adv-ae`."""

import sys

from adv_ae.cli import main

if __name__ == "__main__":
    sys.exit(main())
