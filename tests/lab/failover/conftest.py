from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def _missing() -> str:
    """Return what these tests lack on this machine, or an empty string."""
    if os.geteuid() != 0:
        return "needs root: network namespaces"
    if missing := [tool for tool in ("ip", "nft", "sysctl") if shutil.which(tool) is None]:
        return f"needs {', '.join(missing)}"
    name = f"ffcheck{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "needs to make network namespaces"
    try:
        rule = "add table netdev t; add chain netdev t c { type filter hook ingress device lo priority 0; }"
        probe = ["ip", "netns", "exec", name, "nft", rule]
        lacking = subprocess.run(probe, capture_output=True, check=False).returncode
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)
    return "needs nftables with netdev ingress hooks in the kernel" if lacking else ""


@pytest.fixture(scope="session", autouse=True)
def _machine_is_fit() -> None:
    if missing := _missing():
        pytest.skip(missing)
