"""The clock room speaks as receivers do: what it writes is read by libraries that are not ours, and its faults show."""

import asyncio
import contextlib
import json
import os
import random
import socket
from io import BytesIO
from struct import unpack

import pytest
from pynmeagps import NMEAReader
from pyubx2 import UBXReader

from lab.simulators.control import controlled
from lab.simulators.time_ntp import NtpServer
from lab.simulators.time_room import Line, Room
from lab.simulators.time_sky import Fault, Receiver
from lab.simulators.time_voice import nmea, ubx
from lifeline.clock import monotonic_s

NOON_S = 1_795_521_600.0  # 2026-11-24 12:00 UTC
CONFIG = {
    "lat_deg": 39.905, "lon_deg": 116.397, "height_m": 60, "seed": 3,
    "receivers": {"beidou": {"constellation": "beidou"}, "gps": {"constellation": "gps"}},
}  # fmt: skip


def receiver(constellation="beidou", fault=None):
    return Receiver(constellation, 39.905, 116.397, 60.0, random.Random(1), fault=fault)


def read(words, reader):
    return {it.identity: it for _raw, it in reader(BytesIO(words), quitonerror=2)}


@pytest.mark.parametrize(("constellation", "talker", "system"), [("beidou", "GB", "4"), ("gps", "GP", "1")])
def test_nmea_of_a_sound_receiver(constellation, talker, system):
    told = read(nmea(receiver(constellation), 10.0, NOON_S), NMEAReader)
    assert told[f"{talker}RMC"].status == "A"
    assert (told[f"{talker}RMC"].date.isoformat(), told[f"{talker}RMC"].time.isoformat()) == ("2026-11-24", "12:00:00")
    assert told[f"{talker}GGA"].lat == pytest.approx(39.905, abs=1e-4)
    assert told[f"{talker}GGA"].lon == pytest.approx(116.397, abs=1e-4)
    assert told[f"{talker}GSA"].systemId == system
    assert told[f"{talker}GSV"].numSV >= 8
    assert told[f"{talker}ZDA"].year == 2026


def test_nmea_of_a_jammed_receiver_has_no_fix_and_weak_satellites():
    told = read(nmea(receiver(fault=Fault("jam", 5.0)), 10.0, NOON_S), NMEAReader)
    assert told["GBRMC"].status == "V"
    assert told["GBGGA"].quality == 0
    assert told["GBGSA"].navMode == 1


def test_ubx_tells_solution_satellites_leap_second_and_jamming():
    sound = read(ubx(receiver(), 10.0, NOON_S), UBXReader)
    assert (sound["NAV-PVT"].fixType, sound["NAV-PVT"].gnssFixOk) == (3, 1)
    assert sound["NAV-PVT"].height == pytest.approx(60_000, abs=8000)
    assert sound["NAV-SAT"].numSvs >= 8
    assert sound["NAV-TIMELS"].currLs == 18
    assert sound["SEC-SIG"].jammingState == 1
    jammed = read(ubx(receiver(fault=Fault("jam", 5.0)), 10.0, NOON_S), UBXReader)
    assert (jammed["NAV-PVT"].fixType, jammed["SEC-SIG"].jammingState) == (0, 3)
    assert jammed["MON-RF"].jammingState_01 == 0


@pytest.mark.parametrize(("fault", "says"), [
    (Fault("leap", 5.0, -1), "2026-11-24T11:59:59"), (Fault("week", 5.0, -1024), "2007-04-10T12:00:00"),
    (Fault("frozen", 7.0), "2026-11-24T11:59:57"), (Fault("step", 5.0, 1000), "2026-11-24T12:00:00"),
])  # fmt: skip
def test_a_false_date_is_told_as_such(fault, says):
    pvt = read(ubx(receiver(fault=fault), 10.0, NOON_S), UBXReader)["NAV-PVT"]
    assert f"{pvt.year}-{pvt.month:02}-{pvt.day:02}T{pvt.hour:02}:{pvt.min:02}:{pvt.second:02}" == says


def test_pulses_are_told_in_chronys_form_and_silence_is_silence(tmp_path):
    with contextlib.ExitStack() as in_use, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(os.fspath(tmp_path / "p"))
        listener.setblocking(False)
        receivers = {"gps": {"constellation": "gps", "pulses": [os.fspath(tmp_path / "p"), "/nowhere/at/all"]}}
        room = in_use.enter_context(Room.of(CONFIG | {"receivers": receivers}))
        room.speak()
        _sec, usec, offset_s, pulse, leap, _pad, magic = unpack("@qqdiiii", listener.recv(100))
        assert (0 <= usec < 1_000_000, pulse, leap, magic) == (True, 0, 0, 0x534F434B)
        assert abs(offset_s) < 1e-6
        room.fault("gps", "step", 50e6)
        room.speak()
        assert unpack("@qqdiiii", listener.recv(100))[2] == pytest.approx(0.05, abs=1e-6)
        room.fault("gps", "silent")
        room.speak()
        with pytest.raises(BlockingIOError):
            listener.recv(100)
        room.heal("gps")
        assert room.stations["gps"].receiver.fault is None


def test_what_nobody_reads_of_a_line_is_lost_and_blocks_nobody(tmp_path):
    with Line(tmp_path / "tty") as line:
        for _ in range(40):
            line.say(b"x" * 1000)
        reader = os.open(tmp_path / "tty", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            heard, began_s = b"", monotonic_s()
            while b"alive" not in heard and monotonic_s() - began_s < 30:
                line.say(b"alive\n")
                with contextlib.suppress(BlockingIOError):
                    heard += os.read(reader, 8192)
        finally:
            os.close(reader)
        assert b"alive" in heard
        assert len(heard) < 40_000
    assert not (tmp_path / "tty").is_symlink()


async def test_it_is_told_over_its_socket_what_shall_be_wrong(tmp_path):
    async def ask(**wanted):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "room")
        writer.write(json.dumps(wanted).encode() + b"\n")
        answer = json.loads(await reader.readline())
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return answer

    with Room.of(CONFIG) as room:
        door = controlled(room.asked, str(tmp_path / "room"))
    async with door:
        assert (await ask(act="fault", at="gps", kind="ramp", size=1000))["receivers"]["gps"]["fault"] == "ramp"
        assert (await ask(act="fault", at="ntp", kind="frozen"))["ntp"] == "frozen"
        assert (await ask(act="heal", at="ntp"))["ntp"] is None
        assert "glonass" not in (await ask(act="look"))["receivers"]
        assert not (await ask(act="fault", at="glonass", kind="jam"))["ok"]
        assert not (await ask(act="burn", at="gps"))["ok"]


class _Wire:
    def __init__(self):
        self.sent = []

    def sendto(self, data, _addr):
        self.sent.append(data)


@pytest.mark.parametrize(("kind", "size", "leap", "off_s"), [
    (None, 0, 0, 0.0), ("step", 5e9, 0, 5.0), ("frozen", 0, 0, -100.0), ("leap", 0, 3, 0.0), ("silent", 0, None, None),
])  # fmt: skip
def test_the_ntp_server_and_its_faults(kind, size, leap, off_s):
    now = [NOON_S]
    server, wire = NtpServer(lambda: now[0]), _Wire()
    server._transport = wire
    if kind:
        server.break_(kind, size)
    now[0] += 100
    server.datagram_received(bytes([0x23]) + bytes(39) + b"originat", ("127.0.0.1", 9))
    if leap is None:
        assert not wire.sent
        return
    [answer] = wire.sent
    assert (answer[0] >> 6, answer[0] & 0b111, answer[24:32]) == (leap, 4, b"originat")
    assert unpack("!I", answer[40:44])[0] - 2_208_988_800 == pytest.approx(now[0] + off_s)
    server.datagram_received(b"garbage", ("127.0.0.1", 9))
    assert len(wire.sent) == 1
