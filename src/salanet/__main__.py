"""`python -m salanet` is `salanet`: for where the scripts of an environment are not on the path."""

import sys

from salanet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
