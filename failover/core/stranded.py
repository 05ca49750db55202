"""Which tracked flows a switch strands, so that they, and no others, are reset.

In a routed network without address translation a switch strands nothing: addresses stay, each packet is routed anew,
TCP retransmits what was lost. Two kinds of flow stay behind, because connection tracking remembers a path for them:

- *Translated to the path's address.* A flow that left by the old path under that path's own address goes on under it
  by the new path, where no answer can come back. (The kernel's masquerade notices when the flow's next packet leaves by
  another interface; SNAT to a fixed address never does, and a flow that only listens sends no next packet.)
- *Marked for the path.* Policy routing that restores a connection mark keeps the flow on the path it began with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

SOURCE_TRANSLATED, DESTINATION_TRANSLATED = 1 << 4, 1 << 5
"""IPS_SRC_NAT and IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h."""


@dataclass(frozen=True, slots=True)
class PathPin:
    """A group's path at one site, and what may pin a flow to it."""

    group: str
    link: str
    addresses: tuple[str, ...]
    """Addresses of this site's interface on the path."""
    prefixes: tuple[str, ...]
    """Networks reached through the group: only flows with these were moved by a switch."""
    mark: int | None = None
    """Connection mark of the path, where policy routing uses one."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A tracked flow: the addresses of its first direction, and of the answers as they come in."""

    number: int
    """The kernel's number of its entry: another flow between the same addresses has another."""
    source: str
    destination: str
    reply_source: str
    reply_destination: str
    status: int
    mark: int = 0


def stranded(flows: Iterable[Flow], old: PathPin) -> list[Flow]:
    """Return the flows that stay behind when the group's traffic leaves a path.

    Args:
        flows: what connection tracking knows.
        old: the path that the traffic left.
    """
    networks = [ip_network(prefix) for prefix in old.prefixes]
    addresses = {ip_address(address) for address in old.addresses}

    def moved(address: str) -> bool:
        far = ip_address(address)
        return any(far in network for network in networks)

    def pinned(flow: Flow) -> bool:
        if old.mark is not None and flow.mark == old.mark:
            return moved(flow.reply_source) or moved(flow.source)
        if flow.status & SOURCE_TRANSLATED and ip_address(flow.reply_destination) in addresses:
            return moved(flow.reply_source)
        if flow.status & DESTINATION_TRANSLATED and ip_address(flow.destination) in addresses:
            return moved(flow.source)
        return False

    return [flow for flow in flows if pinned(flow)]
