"""Scripts written for neon: `import neon...` means neonport, and names that are gone work in them.

`neonport run train.py -b cpu -e 10` and `python -m neonport.compat train.py` run a script
unchanged; `install()` makes `import neon` work in a program of your own.
"""

from __future__ import annotations

from neonport.compat.neon_alias import install, installed, uninstall
from neonport.compat.scripts import run_script

__all__ = ["install", "installed", "run_script", "uninstall"]
