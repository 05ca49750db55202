"""A filter for BFD's receiving socket, in classic BPF: the kernel drops what could never be a packet of a session here.

It is no judge, only a doorman: whatever it lets in is looked at as ever (`packet`, `bfd`), and it lets in all that they
would. A flood that it stops costs this process nothing. It looks at TTL (RFC 5881 5), version, length, Detect Mult,
multipoint bit, My Discriminator, and whether the sender is a peer that speaks to nobody (Your Discriminator 0) or to
the session that we have with it.

A program runs from the top; offsets count from the UDP header, those from NETWORK on from the IP header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

SESSIONS_MAX: Final = 600
"""Sessions of one socket that a program has room for (BPF_MAXINSNS is 4096); with more, no sender is looked at."""

_INSTRUCTION: Final = struct.Struct("=HBBI")  # struct sock_filter: code, jump if true, jump if false, operand
_NETWORK: Final = 0x100000000 - 0x100000  # SKF_NET_OFF
_LOAD_WORD, _LOAD_BYTE, _LOAD_LENGTH, _LOAD_SCRATCH, _LOAD = 0x20, 0x30, 0x80, 0x60, 0x00
_STORE, _TO_X, _FROM_X, _AND, _SUBTRACT = 0x02, 0x07, 0x87, 0x54, 0x14
_IF_EQUAL, _IF_GREATER_EQUAL, _IF_BITS, _IF_NOT_LESS_THAN_X, _RETURN = 0x15, 0x35, 0x45, 0x3D, 0x06
_TTL_AT: Final = {4: _NETWORK + 8, 6: _NETWORK + 7}
_SOURCE_TAIL_AT: Final = {4: _NETWORK + 12, 6: _NETWORK + 20}
_UDP_HEADER, _BFD_MINIMUM = 8, 24
_TO_NOBODY: Final = 1 << 31
_DROP, _PASS = (_RETURN, 0, 0, 0), (_RETURN, 0, 0, 0xFFFF)

Instruction = tuple[int, int, int, int]


def bfd_filter(version: int, sessions: Iterable[tuple[str, int]], session_bits: int) -> bytes:
    """Return the program for a socket, as SO_ATTACH_FILTER wants it.

    Args:
        version: IP version of the socket, 4 or 6.
        sessions: for each session the peer's address, and the number in the low bits of the discriminators that we
            draw for it.
        session_bits: how many low bits that are.
    """
    peers = [(int(ip_address(address)) & 0xFFFFFFFF, number) for address, number in sessions]
    program = [*_form(version), *(_sender(version, peers, session_bits) if len(peers) <= SESSIONS_MAX else [_PASS])]
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def _form(version: int) -> list[Instruction]:
    """What RFC 5880 6.8.6 and RFC 5881 5 ask of any packet."""
    return [
        (_LOAD_BYTE, 0, 0, _TTL_AT[version]),
        (_IF_EQUAL, 1, 0, 255),
        _DROP,
        (_LOAD_LENGTH, 0, 0, 0),
        (_IF_GREATER_EQUAL, 1, 0, _UDP_HEADER + _BFD_MINIMUM),
        _DROP,
        (_LOAD_BYTE, 0, 0, _UDP_HEADER),  # Vers, Diag
        (_AND, 0, 0, 0xE0),
        (_IF_EQUAL, 1, 0, 0x20),
        _DROP,
        (_LOAD_BYTE, 0, 0, _UDP_HEADER + 1),  # Sta, flags
        (_IF_BITS, 0, 1, 0x01),
        _DROP,
        (_LOAD_BYTE, 0, 0, _UDP_HEADER + 2),  # Detect Mult
        (_IF_EQUAL, 0, 1, 0),
        _DROP,
        (_LOAD_BYTE, 0, 0, _UDP_HEADER + 3),  # Length
        (_IF_GREATER_EQUAL, 1, 0, _BFD_MINIMUM),
        _DROP,
        (_TO_X, 0, 0, 0),
        (_LOAD_LENGTH, 0, 0, 0),
        (_SUBTRACT, 0, 0, _UDP_HEADER),
        (_IF_NOT_LESS_THAN_X, 1, 0, 0),
        _DROP,
        (_LOAD_WORD, 0, 0, _UDP_HEADER + 4),  # My Discriminator
        (_IF_EQUAL, 0, 1, 0),
        _DROP,
    ]


def _sender(version: int, peers: list[tuple[int, int]], session_bits: int) -> list[Instruction]:
    """Who speaks, by the last 32 bits of its address, and to which session (X)."""
    program: list[Instruction] = [
        (_LOAD_WORD, 0, 0, _UDP_HEADER + 8),  # Your Discriminator
        (_IF_EQUAL, 0, 2, 0),
        (_LOAD, 0, 0, _TO_NOBODY),
        (_IF_EQUAL, 1, 0, _TO_NOBODY),
        (_AND, 0, 0, (1 << session_bits) - 1),
        (_TO_X, 0, 0, 0),
        (_LOAD_WORD, 0, 0, _SOURCE_TAIL_AT[version]),
        (_STORE, 0, 0, 0),
    ]
    for tail, number in peers:
        program += [
            (_IF_EQUAL, 0, 5, tail),
            (_FROM_X, 0, 0, 0),
            (_IF_EQUAL, 1, 0, number),
            (_IF_EQUAL, 0, 1, _TO_NOBODY),
            _PASS,
            (_LOAD_SCRATCH, 0, 0, 0),
        ]
    return [*program, _DROP]
