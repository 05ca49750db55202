"""What goes to chronyd and comes from it: samples, reports, and errors that say what to do."""

import errno
import socket
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesync.io.chrony import SOCK, Chronyc, ChronyError, Feeder, SockSample, why


def test_a_sample_survives_the_wire():
    sample = SockSample(1_795_000_000_123_456_000, -0.000_000_123, True, 1)
    assert SockSample.parse(sample.pack()) == sample
    assert SOCK.size == 40


@given(st.binary(max_size=60))
def test_garbage_is_refused_and_nothing_else(data):
    try:
        SockSample.parse(data)
    except ValueError:
        return
    assert len(data) == SOCK.size


@given(st.binary(min_size=36, max_size=36))
def test_marked_garbage_is_refused_or_finite(data):
    try:
        sample = SockSample.parse(data + (0x534F434B).to_bytes(4, "little"))
    except ValueError:
        return
    assert abs(sample.offset_s) < float("inf")


def test_a_feeder_outlives_chronyd(tmp_path):
    path = str(tmp_path / "gps.sock")
    feeder = Feeder(path)
    assert not feeder.send(SockSample(10**18, 0.0))
    assert f"'refclock SOCK {path}'" in feeder.error
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as chronyd:
        chronyd.bind(path)
        assert feeder.send(SockSample(10**18, 0.5))
        assert SockSample.parse(chronyd.recv(100)).offset_s == 0.5
    assert not feeder.send(SockSample(10**18, 0.0))
    assert "start it again" in feeder.error
    feeder.close()


@pytest.mark.parametrize(
    ("number", "says"), [(errno.EACCES, "0750"), (errno.EAGAIN, "does not read"), (errno.EIO, "/x/y")]
)
def test_why_a_socket_is_shut(number, says):
    assert says in why(OSError(number, "text"), "/x/y")


async def test_a_chronyd_that_is_not_there_is_told_with_the_next_step(tmp_path):
    with pytest.raises(ChronyError, match="bindcmdaddress"):
        await Chronyc(str(tmp_path / "no" / "chronyd.sock")).tracking()
    with pytest.raises(ChronyError, match="does not run"):
        await Chronyc(str(tmp_path / "chronyd.sock")).sources()


@pytest.mark.parametrize("garbage", ["", "x", "#,*,a", "#,*,BDS,0,4,zz,1,0.1,0.2,0.3", ",,,\n,,,"])
async def test_chronyc_that_talks_nonsense_breaks_nothing(monkeypatch, garbage):
    chronyc = Chronyc("/nowhere")

    async def run(*_command):
        return garbage

    monkeypatch.setattr(chronyc, "_run", run)
    for report in (chronyc.sources, chronyc.spans, chronyc.tracking):
        with suppress(ChronyError):
            await report()
