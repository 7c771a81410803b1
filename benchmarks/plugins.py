"""How long it takes to list backends, with many plugins installed.

    python benchmarks/plugins.py --plugins 50 --others 100

Prints milliseconds of processor time in a fresh process: the first listing, and later ones.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

LIST = """
import sys, time
from neonport.plugins import registry
times = []
for repeat in range(20):
    begun = time.process_time()
    names = registry.backend_choices()
    times.append((time.process_time() - begun) * 1e3)
print(len(names), times[0], min(times[1:]))
"""


def packages(folder: Path, plugins: int, others: int) -> None:
    """Write the metadata of packages, as pip would."""
    for number in range(plugins + others):
        info = folder / f"package_{number}-1.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: package-{number}\nVersion: 1.0\n\n" + "text\n" * 100
        )
        group = "neonport" if number < plugins else "console_scripts"
        info.joinpath("entry_points.txt").write_text(f"[{group}]\np{number} = package_{number}\n")
    os.utime(folder, (1e9, 1e9))  # not changed just now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--others", type=int, default=100)
    parser.add_argument("--runs", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        packages(Path(name), given.plugins, given.others)
        path = os.pathsep.join([str(Path(__file__).parents[1]), name])
        runs = []
        for _ in range(given.runs):
            done = subprocess.run(
                [sys.executable, "-c", LIST],
                env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True,
            )  # fmt: skip
            runs.append([float(word) for word in done.stdout.split()])
    names, first, later = (sorted(column)[len(runs) // 2] for column in zip(*runs, strict=True))
    print(f"{names:.0f} names: first listing {first:.2f} ms, later ones {later:.2f} ms (medians)")


if __name__ == "__main__":
    main()
