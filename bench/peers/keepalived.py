"""keepalived with its own BFD: a VRRP instance that follows the session carries the route by the fibre.

The route by the second path stands underneath with a worse metric, so that taking the first one away is the switch.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .engine import Engine, said
from .span import BACKUP_CORE, BACKUP_SITE, CORE, FIBRE_CORE, FIBRE_SITE, SITE

# Both of its processes at a real-time priority, which it offers and we use ourselves. Its default limit of 10 ms
# without a pause would end the VRRP process while it sets routes.
_CONFIG = """global_defs {{
  router_id {node}
  vrrp_rt_priority 50
  vrrp_rlimit_rttime 1000000
  bfd_rt_priority 50
  bfd_rlimit_rttime 1000000
}}
bfd_instance fibre {{
  neighbor_ip {far}
  source_ip {near}
  min_rx 10
  min_tx 10
  multiplier 3
}}
vrrp_instance fibre {{
  interface fibre
  state MASTER
  version 3
  virtual_router_id {number}
  priority 255
  advert_int 0.1
  track_bfd {{ fibre }}
  virtual_ipaddress {{ 10.255.0.{number}/32 dev lo }}
  virtual_routes {{ {prefix} via {far} dev fibre metric 10 }}
}}
"""


class Keepalived(Engine):
    """keepalived at both ends."""

    title = "keepalived BFD 10 ms x 3"

    @classmethod
    def version(cls) -> str | None:
        """Return keepalived's name and version, None when it is not installed."""
        return said(["keepalived", "--version"])

    def _start(self) -> None:
        ends = {
            "site": {"near": FIBRE_SITE, "far": FIBRE_CORE, "backup": BACKUP_CORE, "prefix": f"{CORE}/32"},
            "core": {"near": FIBRE_CORE, "far": FIBRE_SITE, "backup": BACKUP_SITE, "prefix": f"{SITE}/32"},
        }
        for number, (node, end) in enumerate(ends.items(), start=51):
            route = ["route", "add", end["prefix"], "via", end["backup"], "metric", "100"]
            subprocess.run(["ip", "-n", self.span.netns[node], *route], check=True)
            (self.folder / f"{node}.conf").write_text(_CONFIG.format(node=node, number=number, **end))
            files = " ".join(f"-{letter} {self.folder}/{node}-{letter}.pid" for letter in "prcb")
            script = f"keepalived -n -l -D -f {self.folder}/{node}.conf {files} & wait"
            self.spawn_all(node, script, f"{node}.log")

    def flaps(self) -> int:
        """Return how often a BFD session went down so far, at both ends together."""
        return sum(Path(log.name).read_text(errors="replace").count("Entering Down state") for log in self._logs)
