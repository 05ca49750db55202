"""BIRD as the BFD peer at 10 ms x 3: an implementation that is not ours must agree with us on Up and on Down."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from failover_world import plan_of, two_sites, until

pytestmark = [pytest.mark.lab, pytest.mark.skipif(shutil.which("bird") is None, reason="needs bird2")]

CONFIGURATION = """
router id 10.2.0.1;
protocol device {}
protocol bfd {
  interface "fibre" { min rx interval 10 ms; min tx interval 10 ms; multiplier 3; };
  interface "sat" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };
  neighbor 10.64.0.1 dev "fibre";
  neighbor 10.66.0.1 dev "sat";
}
"""


def test_bird_comes_up_with_us_and_both_notice_a_cut(tmp_path: Path) -> None:
    with two_sites("bird") as world:
        (tmp_path / "bird.conf").write_text(CONFIGURATION)
        control = str(tmp_path / "bird.ctl")
        world.spawn(
            "b", "bird", "-f", "-c", str(tmp_path / "bird.conf"), "-s", control, "-P", str(tmp_path / "bird.pid")
        )
        paths = {
            "fibre": ("fibre", "10.64.0.1", "10.64.0.2", 10_000, 3),
            "sat": ("sat", "10.66.0.1", "10.66.0.2", 100_000, 3),
        }
        ours = world.fast_path("a", plan_of("a", paths, ("10.2.0.0/24",), ("10.1.0.0/24",)), tmp_path)

        def theirs(interface: str) -> str:
            show = ["birdc", "-s", control, "show", "bfd", "sessions"]
            shown = subprocess.run(show, capture_output=True, text=True, check=False).stdout
            lines = [line.split() for line in shown.splitlines() if f" {interface} " in line]
            return lines[0][2] if lines else ""

        def both(state: str) -> bool:
            return ours.path("fibre")["bfd"] == theirs("fibre") == state

        until("both are Up", lambda: both("Up"))
        path = ours.path("fibre")
        assert (path["interval_ms"], path["detect_ms"]) == (10, 30)
        world.cut("fibre")
        until("both are Down", lambda: ours.path("fibre")["bfd"] == "Down" and theirs("fibre") in {"Down", "Init"})
        assert ours.group()["selector"] == "protection"
        world.heal()
        until("both are Up again", lambda: both("Up"))
        until("traffic is back on the fibre", lambda: ours.group()["selector"] == "working")
