"""Every parser that reads what others send, fed by a coverage-guided fuzzer (atheris) for ten seconds each.

A crash is an error that a parser's documentation does not name, or a packet that comes back otherwise than it came.
With SOAK=1 ten minutes each. The corpus starts from a few valid packets and is thrown away; an input that crashed is
named with its bytes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from .figures import Figure
from .fuzz_parsers import PARSERS
from .kernel import say

PARSER_S, SOAK_PARSER_S = 10, 600
_START_S = 60
"""What a run may take beside its own time."""


def measure() -> list[Figure]:
    """Fuzz each parser in a process of its own and return its figures."""
    seconds = SOAK_PARSER_S if os.environ.get("SOAK") else PARSER_S
    return [figure for name in PARSERS for figure in _fuzz(name, seconds)]


def _fuzz(name: str, seconds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="lifeline-fuzz-") as directory:
        corpus = Path(directory) / "corpus"
        argv = [sys.executable, "-m", "bench.fuzz_parsers", name, str(corpus)]
        argv += [f"-max_total_time={seconds}", "-print_final_stats=1", "-verbosity=0"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds + _START_S)
        inputs = [path.read_bytes() for path in Path(directory).iterdir() if path.is_file()]
        kept = len(list(corpus.iterdir()))
    runs = _stat(done.stderr, "number_of_executed_units")
    note = "; ".join(data[:64].hex() for data in inputs)
    crashes = None if not runs else max(len(inputs), int(done.returncode != 0))
    if runs is None or crashes:
        say(done.stderr[-2000:])
    figures = [
        Figure(f"{name}: crashes", crashes, "", 0, note=note),
        Figure(f"{name}: inputs tried", runs, ""),
        Figure(f"{name}: inputs tried per second", runs / seconds if runs else None, "1/s", better="higher"),
        Figure(f"{name}: corpus, inputs that reached something new", kept, "", better="higher"),
    ]
    say(f"{name}: {crashes} crashes, {runs} inputs in {seconds} s, corpus {kept}")
    return figures


def _stat(text: str, name: str) -> int | None:
    found = re.search(rf"^stat::{name}:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else None
