"""ptp4l as pmc 3.1.1 writes of it, recorded from two of them on a veth pair; and none at all."""

import asyncio
import shutil

import pytest

from timesync.io.ptp import follow, of_ptp, parse

SLAVE = """\
sending: GET TIME_STATUS_NP
	beedd8.fffe.12424d-0 seq 0 RESPONSE MANAGEMENT TIME_STATUS_NP
		master_offset              -123
		ingress_time               1795532369984297703
		lastGmPhaseChange          0x0000'0000000000000000.0000
		gmPresent                  true
		gmIdentity                 baef48.fffe.17f9e6
	beedd8.fffe.12424d-1 seq 1 RESPONSE MANAGEMENT PORT_DATA_SET
		portIdentity            beedd8.fffe.12424d-1
		portState               SLAVE
		peerMeanPathDelay       0
	beedd8.fffe.12424d-0 seq 2 RESPONSE MANAGEMENT PARENT_DATA_SET
		gm.ClockClass                         6
		grandmasterIdentity                   baef48.fffe.17f9e6
	beedd8.fffe.12424d-0 seq 3 RESPONSE MANAGEMENT TIME_PROPERTIES_DATA_SET
		currentUtcOffset      37
		currentUtcOffsetValid 1
		ptpTimescale          1
"""


def test_a_slave_follows_its_grandmaster_and_knows_utc():
    said = of_ptp(parse(SLAVE), 5.0)
    assert said.synchronised is True
    assert said.leap_s == 18
    assert said.detail == {"port_state": "SLAVE", "grandmaster": "baef48.fffe.17f9e6", "clock_class": 6,
                           "offset_ns": -123, "path_delay_ns": 0}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [("SLAVE", "UNCALIBRATED"), ("SLAVE", "MASTER"), ("true", "false")])
def test_whoever_follows_nothing_says_so(old, new):
    assert of_ptp(parse(SLAVE.replace(old, new)), 5.0).synchronised is False


def test_what_is_not_told_is_unknown():
    assert of_ptp({}, 5.0).synchronised is None
    assert of_ptp(parse(SLAVE.replace("Valid 1", "Valid 0")), 5.0).leap_s is None
    assert of_ptp(parse(SLAVE.replace("-123", "soon")), 5.0).detail["offset_ns"] is None


def test_of_several_ports_the_slave_counts():
    other = SLAVE.replace("SLAVE", "LISTENING")
    assert of_ptp(parse(SLAVE + other), 5.0).synchronised is True
    assert of_ptp(parse(other + SLAVE), 5.0).synchronised is True


@pytest.mark.parametrize("installed", [True, False])
async def test_without_ptp4l_it_is_said_what_to_do(installed, monkeypatch, tmp_path):
    if installed and not shutil.which("pmc"):
        pytest.skip("linuxptp is not installed")
    if not installed:
        monkeypatch.setenv("PATH", str(tmp_path))
    troubles, heard = asyncio.Queue(), []
    asking = asyncio.create_task(follow(str(tmp_path / "ptp4l"), 1.0, lambda: 0.0, heard.append, troubles.put_nowait))
    said = await asyncio.wait_for(troubles.get(), 30)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert ("start it" if installed else "install the package linuxptp") in said
    assert heard == []
