"""A stateless STAMP reflector built of Scapy's packets: `scapy_reflector.py LOCAL`, until it is ended."""

import socket
import sys
import time

from scapy.contrib.stamp import STAMPSessionReflectorTestUnauthenticated as Answer
from scapy.contrib.stamp import STAMPSessionSenderTestUnauthenticated as Probe

NTP_EPOCH_S = 2_208_988_800

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
sock.bind((sys.argv[1], 862))
while True:
    data, sender = sock.recvfrom(1500)
    now = time.time() + NTP_EPOCH_S
    probe = Probe(data)
    answer = Answer(
        seq=probe.seq,
        ts=now,
        ts_rx=now,
        ssid=probe.ssid,
        seq_sender=probe.seq,
        ts_sender=probe.ts,
        err_estimate_sender=probe.err_estimate,
        ttl_sender=255,
    )
    sock.sendto(bytes(answer), sender)
