"""Ends the process on import, or so it thinks."""

import sys

sys.exit("licence not found")
