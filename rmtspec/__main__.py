"""``python -m rmtspec`` is the command ``rmtspec``."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
