"""What a bought router would bring: routing, SNMP and SSH, as programs of Debian with the lab's configuration."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lifeline.model.inventory import Site

from . import clocks, devices, plants
from .place import write_secret
from .topology import Node

SNMP_USER = "lifeline"
_FRR = ("zebra", "staticd", "ospfd")
CLOCKS = ("sky", "gpsd", "chronyd")
_ETC = "/run/etc"


@dataclass(frozen=True, slots=True)
class Access:
    """What opens the lab's nodes: made anew at each deployment."""

    snmp_auth: str
    snmp_priv: str
    ssh_private: str
    ssh_public: str
    host_private: str
    host_public: str

    @classmethod
    def make(cls) -> Access:
        """Return fresh keys and passphrases."""
        own, host = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        return cls(secrets.token_hex(12), secrets.token_hex(12), _private(own), _public(own), _private(host),
                   _public(host))  # fmt: skip

    @property
    def snmp_user(self) -> Mapping[str, str]:
        """Who may ask the agents over SNMPv3: `name`, `auth`, `privacy`, `hash`."""
        return {"name": SNMP_USER, "auth": self.snmp_auth, "privacy": self.snmp_priv, "hash": "sha256"}

    def save(self, folder: Path) -> None:
        """Write them where only root reads; existing files are replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name, text in (
            ("snmp-auth", self.snmp_auth),
            ("snmp-priv", self.snmp_priv),
            ("ssh-key", self.ssh_private),
            ("ssh-key.pub", self.ssh_public),
            ("ssh-host.pub", self.host_public),
        ):
            write_secret(folder / name, text)


def service(name: str) -> dict[str, Any]:
    """Return how a service of a node's label is started."""
    if name in _FRR:
        return {
            "name": name,
            # Each daemon announces itself by its terminal socket; then it gets its part of /etc/frr/frr.conf.
            "argv": [f"/usr/lib/frr/{name}", "-P", "0"],
            "ready": f"/run/frr/{name}.vty",
            "configure": ["vtysh", "-b", "-d", name],
            "graceful": False,
        }
    if name in CLOCKS:
        return clocks.service(name)
    if name == "plant":
        return plants.service()
    if name == "devices":
        return devices.service()
    if name == "snmpd":
        # MIBS: numbers are enough for an agent, and Debian ships no MIB files.
        argv = [
            "/usr/sbin/snmpd",
            "-f",
            "-Lo",
            "-I",
            "-smux,mteTrigger,mteTriggerConf",
            "-C",
            "-c",
            f"{_ETC}/snmpd.conf",
        ]
        return {"name": name, "argv": argv, "env": {"MIBS": ""}, "graceful": False}
    return {"name": name, "argv": ["/usr/sbin/sshd", "-D", "-e", "-f", f"{_ETC}/sshd_config"], "graceful": False}


def files(node: Node, access: Access, site: Site | None = None) -> Mapping[str, str]:
    """Return the configuration files of a node's services, by name.

    Args:
        node: of the topology.
        access: what opens it.
        site: what the inventory says of it, if it is one of its sites.
    """
    made: dict[str, str] = dict(clocks.files(node.services, site))
    if "plant" in node.services:
        made |= plants.files(site, access.snmp_user)
    if "snmpd" in node.services:
        # RFC 3411 5: our engine's id is text (04) under Net-SNMP's enterprise number, the same at each boot.
        engine = "80001f8804" + node.name.encode()[:27].hex()
        # At the node's own address: other devices of the site have agents at theirs.
        at = f"udp:{next(iter(site.prefixes[0].hosts()))}:161" if site else "udp:161"
        made["snmpd.conf"] = _SNMPD.format(node=node.name, engine=engine, user=SNMP_USER, access=access, at=at)
    if "sshd" in node.services:
        made["sshd_config"] = _SSHD.format(etc=_ETC)
        made["ssh_host_key"] = access.host_private
        made["authorized_keys"] = access.ssh_public
    return made


def _private(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " lifeline-lab\n"


_SNMPD = """\
agentAddress {at}
exactEngineID 0x{engine}
createUser {user} SHA-256 {access.snmp_auth} AES {access.snmp_priv}
rouser {user} authpriv
sysName {node}
sysServices 72
[snmp] persistentDir /run/snmp
"""

_SSHD = """\
AddressFamily inet
HostKey {etc}/ssh_host_key
AuthorizedKeysFile {etc}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
"""
