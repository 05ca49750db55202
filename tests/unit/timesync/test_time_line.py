"""A receiver's line with garbage on it: said with the next step, and taken back once the receiver is understood."""

import asyncio
import random
from contextlib import suppress

from lab.simulators.time_room import Line
from lab.simulators.time_sky import Receiver
from lab.simulators.time_voice import nmea
from timesync.io.listen import serial


async def told_within(troubles, wanted, line, words):
    for _ in range(200):
        line.say(words())
        await asyncio.sleep(0.01)
        if troubles and wanted(troubles[-1]):
            return True
    return False


async def test_garbage_on_the_line_is_told_with_the_next_step_and_taken_back(tmp_path):
    rng, troubles, heard = random.Random(1), [], []
    receiver = Receiver("gps", 39.9, 116.4, 50.0, random.Random(2))
    with Line(tmp_path / "gps.tty") as line:
        reads = asyncio.create_task(serial(str(tmp_path / "gps.tty"), 9600, heard.append, troubles.append))
        try:
            assert await told_within(troubles, lambda it: "baud: 9600" in it, line, lambda: rng.randbytes(512))
            assert not heard
            assert await told_within(troubles, lambda it: not it, line, lambda: nmea(receiver, 1.0, 1.8e9))
            assert heard
        finally:
            reads.cancel()
            with suppress(asyncio.CancelledError):
                await reads


async def test_a_line_that_is_not_there_is_told(tmp_path):
    troubles = []
    reads = asyncio.create_task(serial(str(tmp_path / "none"), 9600, lambda _said: None, troubles.append))
    for _ in range(500):
        if troubles:
            break
        await asyncio.sleep(0.01)
    reads.cancel()
    with suppress(asyncio.CancelledError):
        await reads
    assert "No such file" in troubles[0]
