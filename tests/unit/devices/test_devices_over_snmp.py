"""Recordings served by a real snmpd decode to what they decode to as files: the transport neither loses nor adds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from snmp_agents import SNMPD, snmpd

from lifeline.devices import decode, identify, read_recording, shipped
from lifeline.devices.identify import SYS_DESCR, SYS_OBJECT_ID
from lifeline.devices.recording import text_of
from lifeline.devices.snmp import Access, Session

ROOT = Path(os.environ.get("LIFELINE_RECORDINGS", Path(__file__).parents[4] / "shared" / "recordings")) / "snmprec"
if SNMPD is None or not ROOT.exists():
    pytest.skip(f"needs snmpd and recordings at {ROOT} (LIFELINE_RECORDINGS)", allow_module_level=True)

SERVED = {
    "apc_smtl1000-nmc3": ["1.3.6.1.4.1.318"],
    "netvision-rfc": ["1.3.6.1.2.1.33", "1.3.6.1.4.1.4555"],
    "eltek-webpower": ["1.3.6.1.4.1.12148"],
    "mbg-ltos6": ["1.3.6.1.4.1.5597"],
}


@pytest.mark.parametrize("name", SERVED)
async def test_a_recording_over_the_wire_is_the_recording(tmp_path, name):
    answers = read_recording(ROOT / f"{name}.snmprec")
    library = shipped()
    system = [f"sysdescr {text_of(answers[SYS_DESCR])}", f"sysobjectid .{text_of(answers[SYS_OBJECT_ID]).lstrip('.')}"]
    async with (
        snmpd(tmp_path, *system, recording=ROOT / f"{name}.snmprec", subtrees=tuple(SERVED[name])) as port,
        Session("127.0.0.1", Access(community="public"), port=port, timeout_s=5) as session,
    ):
        async with asyncio.timeout(60):
            while True:
                try:
                    profiles, _answers = await session.recognise(library, deadline_s=30)
                    break
                except (TimeoutError, OSError):
                    await asyncio.sleep(0.05)
        assert profiles[0] == identify(answers, library)[0].profile
        family = library.family(profiles[0])
        heard = decode(family, await session.ask(family, deadline_s=60))
    kept = decode(family, answers)

    def vendors(told):
        return {
            (it.place, it.value, it.quality) for it in told.measurements if not it.place.startswith("1.3.6.1.2.1.1.")
        }

    assert vendors(heard) >= vendors(kept)
    assert {(it.place, it.word) for it in heard.states} >= {(it.place, it.word) for it in kept.states}
