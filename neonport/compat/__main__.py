"""`python -m neonport.compat script.py [arguments]`; `neonport run` is the same."""

import sys

from neonport.compat.scripts import run_script

if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
    sys.exit("usage: python -m neonport.compat SCRIPT [ARGUMENTS]")
run_script(sys.argv[1], sys.argv[2:])
