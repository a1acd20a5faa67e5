"""Our speed beside that of other programs: ``python benchmarks/peers.py --env FOLDER``.

Makes a virtual environment in FOLDER (once; some 2 GB) with StarDist, Cellpose 3 and
InstanSeg as their makers publish them, and this project; then times each of them, one
after another, in a process of its own, on one field full of cells and two threads.

Where only the time counts the peers' networks have random weights (their own cannot be
had everywhere), and every decoder is given maps of the same true cells, as its network
would give them after perfect training. Ours runs as it ships.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
SYSTEMS = ("ours", "stardist", "cellpose", "instanseg")
PACKAGES = (
    "stardist>=0.9",
    "tensorflow-cpu",
    "cellpose>=3.1,<4",
    "instanseg-torch>=0.1",
    "seaborn",  # which InstanSeg imports without asking for it
)
N_THREADS = "2"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
THREADS = dict.fromkeys(THREAD_VARIABLES, N_THREADS)
#: Threads that wait must not burn the cores that the others work on.
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3"}


def main() -> int:
    """Make the environment if need be, time every system, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", type=Path, required=True, help="folder for the peers")
    parser.add_argument("--edge", type=int, default=1024, help="edge of the field, px")
    parser.add_argument(
        "--repeats", type=int, default=5, help="timed runs of each part"
    )
    parser.add_argument("--only", choices=SYSTEMS, action="append", help="these alone")
    arguments = parser.parse_args()
    python = made_environment(arguments.env)
    rows: list[dict[str, object]] = []
    for system in arguments.only or SYSTEMS:
        rows += timed(python, system, arguments.edge, arguments.repeats)
    print(table(rows))
    print(circumstances(arguments.edge, arguments.repeats))
    return int(any("error" in row for row in rows))


def made_environment(folder: Path) -> Path:
    """Return the Python of the environment, made and filled first if it is not there."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *PACKAGES], check=True)
        subprocess.run([*pip, "-e", str(HERE.parent)], check=True)
    return python


def timed(
    python: Path, system: str, edge: int, repeats: int
) -> list[dict[str, object]]:
    """Return the rows that one system prints; one row with an error if it fails."""
    command = [
        str(python),
        str(HERE / "peer_systems.py"),
        system,
        str(edge),
        str(repeats),
    ]
    done = subprocess.run(
        command,
        env={**os.environ, **THREADS, **QUIET},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return [{"system": system, "part": "all", "error": reason}]
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]


def table(rows: list[dict[str, object]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| system | part | median s | best s | CPU s | cells |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "error" in row:
            lines.append(f"| {row['system']} | failed: {row['error']} | | | | |")
            continue
        lines.append(
            f"| {row['system']} | {row['part']} | {row['median']:.3f} | {row['best']:.3f} "
            f"| {row['cpu']:.2f} | {row['cells']} |"
        )
    return "\n".join(lines)


def circumstances(edge: int, repeats: int) -> str:
    """Return when, on what and how it was run."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"\n{dt.datetime.now():%Y-%m-%d %H:%M}, {processor()}, {N_THREADS} threads of "
        f"{os.cpu_count()} cores{load}; {edge} x {edge} px, {repeats} runs after one that "
        "is not counted."
    )


def processor() -> str:
    """Return the name of the processor."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
