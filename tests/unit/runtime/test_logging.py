from __future__ import annotations

import json
import subprocess
import sys

import structlog

from lifeline.runtime.logging import EdgeLog, redact

PROGRAM = """
import logging, structlog
from lifeline.runtime.logging import configure_logging
configure_logging("sbs-test/agent")
log = structlog.get_logger("x")
log.info("switched", selector="protection", token="abc", url="Authorization: Bearer s3cr.et")
logging.getLogger("other").warning("odd %s", "thing", extra={"password": "p"})
logging.getLogger("websockets").info("noise")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken")
"""


def test_every_record_is_a_json_line_on_stderr_and_holds_no_secret() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    switched, odd, broken = map(json.loads, done.stderr.splitlines())
    assert switched["event"] == "switched"
    assert switched["daemon"] == "sbs-test/agent"
    assert switched["level"] == "info"
    assert switched["timestamp"].endswith("Z")
    assert switched["token"] == "[redacted]"
    assert switched["url"] == "Authorization: Bearer [redacted]"
    assert odd["event"] == "odd thing"
    assert odd["password"] == "[redacted]"
    assert broken["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_redaction_reaches_nested_values_and_spares_what_is_no_secret() -> None:
    record = redact(
        None, "", {"device": {"snmp": [{"community": "public"}]}, "token_file": "/etc/t", "fencing_token": "7", "n": 1}
    )
    assert record == {
        "device": {"snmp": [{"community": "[redacted]"}]}, "token_file": "/etc/t", "fencing_token": "7", "n": 1
    }  # fmt: skip


def test_a_repeating_error_is_told_at_its_edges_only() -> None:
    with structlog.testing.capture_logs() as records:
        edges = EdgeLog(structlog.get_logger())
        edges.succeeded("hub", "reached again")
        for _ in range(100):
            edges.failed("hub", "not reached", OSError("no route"))
        for _ in range(100):
            edges.failed("hub", "not reached", TimeoutError())
        edges.succeeded("hub", "reached again")
        edges.succeeded("hub", "reached again")
    assert [(r["event"], r.get("error"), r.get("failures")) for r in records] == [
        ("not reached", "no route", None),
        ("not reached", "TimeoutError", None),
        ("reached again", None, 200),
    ]
