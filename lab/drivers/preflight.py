"""Looks before anything is made: is this root, are the programs there, does the kernel have what the lab stands on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from lifeline.i18n import _

from ..place import needs_root
from ..topology import Topology

FRR = "/usr/lib/frr"
_PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    f"{FRR}/zebra": "frr",
    f"{FRR}/staticd": "frr",
    f"{FRR}/ospfd": "frr",
    "vtysh": "frr",
    "/usr/sbin/snmpd": "snmpd",
    "/usr/sbin/sshd": "openssh-server",
    "/usr/sbin/gpsd": "gpsd",
    "/usr/sbin/chronyd": "chrony",
    "chronyc": "chrony",
    "/lib/nut/upsd": "nut-server",
    "/lib/nut/dummy-ups": "nut-server",
    "/usr/bin/setpriv": "util-linux",
    "nice": "coreutils",
}
_ALWAYS = ("ip", "nft", "unshare", "nsenter")
_OF_SERVICE = {
    "zebra": (f"{FRR}/zebra", "vtysh"),
    "staticd": (f"{FRR}/staticd",),
    "ospfd": (f"{FRR}/ospfd",),
    "snmpd": ("/usr/sbin/snmpd",),
    "sshd": ("/usr/sbin/sshd",),
    "sky": (),
    "gpsd": ("/usr/sbin/gpsd",),
    "chronyd": ("/usr/sbin/chronyd", "chronyc"),
    "devices": ("nice",),
    "plant": ("/lib/nut/upsd", "/lib/nut/dummy-ups", "/usr/bin/setpriv"),
}
_PROBES = (
    ("namespaces", "NAMESPACES", ["--mount", "--uts", "--ipc", "--pid", "--fork", "true"], ""),
    ("veth", "VETH", ["ip", "link", "add", "name", "p0", "type", "veth", "peer", "name", "p1"], ""),
    ("bridge", "BRIDGE", ["ip", "link", "add", "name", "p0", "type", "bridge"], ""),
    (
        "nf_tables netdev ingress",
        "NF_TABLES_NETDEV",
        ["nft", "-f", "-"],
        "table netdev t { chain c { type filter hook ingress device lo priority 0; }; }\n",
    ),
)


def lacks(topology: Topology) -> list[str]:
    """Return what this machine lacks to carry out a topology, each with what to do about it; empty when nothing."""
    if os.geteuid() != 0:
        return [needs_root()]
    services = {service for node in topology.nodes.values() for service in node.services}
    programs = [*_ALWAYS, *(program for service in sorted(services) for program in _OF_SERVICE[service])]
    missing = [program for program in programs if shutil.which(program) is None]
    found = [_program_lack(program) for program in missing]
    if not set(_ALWAYS) & set(missing):
        found += _kernel_lacks()
    targets = {bind.target for node in topology.nodes.values() for bind in node.binds}
    found += [
        _("{target}, over which the topology binds a file, does not exist on this machine").format(target=target)
        for target in sorted(targets)
        if not Path(target).exists() and not missing
    ]
    return found


def has_netem() -> bool:
    """Tell whether the kernel and its tools emulate delay, loss and rate."""
    return shutil.which("tc") is not None and _succeeds(
        ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms", "loss", "1%", "rate", "1mbit"]
    )


def _program_lack(program: str) -> str:
    package = _PACKAGES[program]
    return _("the program {program} is missing: apt-get install {package}").format(
        program=Path(program).name, package=package
    )


def _kernel_lacks() -> Iterable[str]:
    for feature, option, argv, text in _PROBES:
        if not _succeeds(argv, text):
            yield _(
                "this kernel cannot do {feature}: load its module or use a kernel with CONFIG_{option}; "
                "a container must be privileged"
            ).format(feature=feature, option=option)


def _succeeds(argv: Sequence[str], text: str = "") -> bool:
    """Run a command in a network namespace of its own, which vanishes with it."""
    result = subprocess.run(["unshare", "--net", *argv], input=text.encode(), capture_output=True, check=False)
    return result.returncode == 0
