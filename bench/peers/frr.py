"""FRR as Debian ships it (8.4): its static routes know no BFD, so two eBGP sessions, the fibre's watched by BFD."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from .engine import Engine, said
from .span import BACKUP_CORE, BACKUP_SITE, CORE, FIBRE_CORE, FIBRE_SITE, SITE

_BFDD = """bfd
 profile bench
  detect-multiplier 3
  receive-interval 10
  transmit-interval 10
"""
# Timers as short as they go: what counts after a failure is BFD, and after a repair nobody waits for BGP.
_BGPD = """router bgp {own}
 bgp router-id {router_id}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {fibre} remote-as {other}
 neighbor {fibre} bfd profile bench
 neighbor {fibre} timers connect 1
 neighbor {fibre} advertisement-interval 0
 neighbor {backup} remote-as {other}
 neighbor {backup} timers connect 1
 neighbor {backup} advertisement-interval 0
 address-family ipv4 unicast
  network {router_id}/32
  neighbor {fibre} route-map PREFER in
 exit-address-family
route-map PREFER permit 10
 set local-preference 200
"""
_DAEMONS = "/usr/lib/frr"
# The namespace has mounts of its own: here /run/frr is the bench's, elsewhere it stays what it was.
_SCRIPT = """mount --make-rprivate / && mkdir -p /run/frr /var/tmp/frr || exit 1
mount --bind {run} /run/frr && mount -t tmpfs none /var/tmp/frr || exit 1
{daemons}/zebra -f {folder}/empty.conf -P 0 &
while [ ! -S /run/frr/zserv.api ]; do sleep 0.05; done
{daemons}/bfdd -f {folder}/bfdd.conf -P 0 &
while [ ! -S /run/frr/bfdd.vty ]; do sleep 0.05; done
{daemons}/bgpd -f {folder}/{node}-bgpd.conf -P 0 &
wait
"""


class Frr(Engine):
    """FRR at both ends."""

    title = "FRR eBGP + BFD 10 ms x 3"

    @classmethod
    def version(cls) -> str | None:
        """Return FRR's name and version, None when it is not installed."""
        return said([f"{_DAEMONS}/bgpd", "--version"])

    def _start(self) -> None:
        (self.folder / "empty.conf").touch()
        (self.folder / "bfdd.conf").write_text(_BFDD)
        ends = {
            "site": {"own": 65001, "other": 65002, "router_id": SITE, "fibre": FIBRE_CORE, "backup": BACKUP_CORE},
            "core": {"own": 65002, "other": 65001, "router_id": CORE, "fibre": FIBRE_SITE, "backup": BACKUP_SITE},
        }
        for node, end in ends.items():
            (self.folder / f"{node}-bgpd.conf").write_text(_BGPD.format(**end))
            run = self.folder / node
            run.mkdir()
            shutil.chown(run, "frr", "frr")
            script = _SCRIPT.format(run=run, folder=self.folder, node=node, daemons=_DAEMONS)
            self.spawn_all(node, script, f"{node}.log")

    def flaps(self) -> int:
        """Return how often a BFD session went down so far, at both ends together."""
        total = 0
        for node in ("site", "core"):
            total += sum(int(peer["session-down"]) for peer in self._ask(node, "show bfd peers counters json"))
        return total

    def _ask(self, node: str, command: str) -> list[dict[str, Any]]:
        argv = ["vtysh", "--vty_socket", str(self.folder / node), "-d", "bfdd", "-c", command]
        answer: list[dict[str, Any]] = json.loads(
            subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        )
        return answer
