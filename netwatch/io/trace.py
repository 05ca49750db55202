"""Probes a path hop by hop with scapy, in a process of its own: scapy is large, and slow to import.

Run as `python -m netwatch.io.trace TARGET`: it prints a trace as JSON. It wants CAP_NET_RAW.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from ..core.path import End, Hop, Trace

MOST_HOPS: Final = 16
_WAIT_S: Final = 1.0
_TRIES: Final = 2
_ECHO_REPLY, _UNREACHABLE, _EXCEEDED = 0, 3, 11


def trace(target: str, prefix: tuple[str, ...] = (), timeout_s: float = 20.0) -> Trace:
    """Probe the path to an address; blocks.

    Args:
        target: IPv4 address.
        prefix: a command that runs ours elsewhere, such as ("ip", "netns", "exec", "noc-a").
        timeout_s: for all of it.

    Raises:
        RuntimeError: it could not be probed; the text says why.
        TimeoutError: it took too long.
    """
    argv = [*prefix, sys.executable, "-m", "netwatch.io.trace", target]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"tracing {target} took more than {timeout_s:g} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"tracing {target} failed")
    told = json.loads(done.stdout)
    return Trace(target, tuple(Hop(**hop) for hop in told["hops"]), End(told["end"]))


def _probe(target: str) -> dict[str, Any]:
    """Send one echo with each hop limit at once, and again to those hops that did not answer."""
    from scapy.config import conf
    from scapy.layers.inet import ICMP, IP
    from scapy.sendrecv import sr

    conf.verb = 0
    probes = [IP(dst=target, ttl=ttl) / ICMP(id=ttl, seq=ttl) / bytes(24) for ttl in range(1, MOST_HOPS + 1)]
    answers, _unanswered = sr(probes, timeout=_WAIT_S, retry=1 - _TRIES, multi=False)
    hops: dict[int, dict[str, Any]] = {}
    end, last = End.SILENT, MOST_HOPS + 1
    for sent, got in answers:
        kind, distance = got[ICMP].type, sent.ttl
        took_ms = round(1000 * (float(got.time) - float(sent.sent_time or got.time)), 3)
        if kind == _EXCEEDED:
            hops[distance] = {"distance": distance, "address": got.src, "round_trip_ms": took_ms}
        elif distance < last and kind in {_ECHO_REPLY, _UNREACHABLE}:
            last, end = distance, End.REACHED if kind == _ECHO_REPLY else End.REFUSED
            hops[distance] = {"distance": distance, "address": got.src, "round_trip_ms": took_ms}
    return {"end": end.value, "hops": [hops[n] for n in sorted(hops) if n <= last]}


if __name__ == "__main__":
    print(json.dumps(_probe(sys.argv[1])))  # noqa: T201 - its answer
