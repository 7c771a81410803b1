"""`python -m neonport` is the `neonport` command."""

from __future__ import annotations

import sys

from neonport.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
