"""One end of a measured path: `quality_end.py INTERFACE LOCAL REMOTE RESULT [stateless]`.

Answers the far end and measures the path; writes what it knows to RESULT whenever it has judged, until it is ended.
"""

from __future__ import annotations

import dataclasses
import json
import select
import socket
import sys
from collections import Counter
from pathlib import Path

from failover.core.quality import Quality, QualityConfig, Threshold
from failover.io.stamp_session import PathEnd, Prober, Responder, timescale
from lifeline import clock


def main(interface: str, local: str, remote: str, result: str, reflector: str = "stateful") -> None:
    refused: Counter[str] = Counter()
    changes: list[dict[str, object]] = []
    index, version = socket.if_nametoindex(interface), 6 if ":" in local else 4
    config = QualityConfig(
        interval_s=0.01,
        window_s=2.0,
        loss_pct=Threshold(2, 0.5),
        delay_ms=Threshold(500, 250),
        jitter_ms=Threshold(500, 250),
        stateful=reflector == "stateful",
        ssid=1,
    )
    scale = timescale()
    quality = Quality(config, scale, clock.monotonic_s())
    prober = Prober(quality, lambda reason: refused.update([reason]))
    assert prober.open(PathEnd(version, interface, index, local, remote)), prober.trouble
    responder = Responder(scale, frozenset({remote}), lambda reason: refused.update([reason]))
    responder.open(version, interface, index, local)
    told = None
    while True:
        wait_s = max(0.0, prober.deadline - clock.monotonic_s())
        for end in select.select([prober, responder], [], [], wait_s)[0]:
            end.drain()
        while prober.deadline <= clock.monotonic_s():
            if change := prober.handle_timer():
                changes.append({"raised": change.raised, "reasons": change.reasons, "at": change.at})
        if quality.figures is not told:
            told = quality.figures
            known = {
                "figures": dataclasses.asdict(told),
                "known": quality.known,
                "raised": quality.raised,
                "silent_s": quality.silent_s(clock.monotonic_s()),
                "changes": changes,
                "sent": prober.sent,
                "refused": dict(refused),
                "strange": quality.strange,
            }
            draft = Path(f"{result}.draft")
            draft.write_text(json.dumps(known))
            draft.replace(result)


main(*sys.argv[1:])
