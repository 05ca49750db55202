"""BIRD under the same cuts: the bar beside which our drills are reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .figures import Figure
from .peers import bird
from .peers.span import MODES, Span

NAME = bird.Bird.title


@dataclass(slots=True)
class BirdWorst:
    """The most that BIRD lost, in ms: by mode and direction, and over all reverts."""

    cut_ms: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    revert_lost: int | None = None


def measure(worst: BirdWorst, runs: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """Run BIRD through every mode; fill `worst` for the drills' figures."""
    version = bird.Bird.version()
    if version is None:
        yield Figure("BIRD cuts measured", 0, "", note="bird is not installed (Debian package bird2): no peer values")
        return
    say(f"{version}: {runs} cuts in each of {len(MODES)} modes")
    with Span() as span, bird.running(span) as peer:
        for mode in MODES:
            for turn in range(runs):
                run = bird.measure(peer, mode, "to-site" if turn % 2 else "to-core")
                for direction, felt in run.cut.items():
                    key = (mode, direction)
                    worst.cut_ms[key] = max(worst.cut_ms[key], felt.lost_ms)
                worst.revert_lost = (worst.revert_lost or 0) + sum(felt.lost for felt in run.revert.values())
    yield Figure("BIRD cuts measured", runs * len(MODES), "", note=version)
