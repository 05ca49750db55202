"""A simulated fleet of devices, in a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def fleet():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("0.0.0.0", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "lab.simulators.netwatch_fleet", "--sites", "12", "--port", str(port)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline())["ready"] == port

    def order(fault, sites=None):
        process.stdin.write(json.dumps({"fault": fault, "sites": sites}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield port, order
    process.stdin.close()
    process.wait(10)
    process.stdout.close()
