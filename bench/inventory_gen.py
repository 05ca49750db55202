"""Writes inventories of any size: stations on fibre and satellite round one core, as in the lab, only more of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

_HEAD = """\
lifeline: 1
districts:
{districts}
credentials:
  snmp: {{kind: snmp-v2c, secret: {{env: LIFELINE_SNMP_COMMUNITY}}}}
srgs:
{ducts}
sites:
  core:
    kind: core-room-wired
    name: Core room
    name_zh: 核心机房
    prefixes: [10.0.0.0/16]
  sathub: {{kind: satellite-hub, name: Satellite hub, name_zh: 卫星主站}}
"""
_SITE = """\
  sbs-{n:04}:
    kind: super-base-station
    name: Station {n}
    name_zh: 超级基站{n}
    district: district-{district}
    prefixes: [{prefix}]
    agent: true
    devices:
      router: {{kind: router, address: {router}, credential: snmp}}
      ups: {{kind: ups, address: {ups}, credential: snmp}}
    power:
      target_autonomy_h: 8
      design_load_kw: 3
      feeds: {{feed-a: {{rated_kw: 10}}}}
      ups: {{ups-1: {{module_kw: 3, modules: 2, modules_needed: 1, battery_kwh: 30}}}}
"""
_LINKS = """\
  fibre-{n:04}:
    media: fibre
    a: {{site: sbs-{n:04}, interface: fibre, address: {fibre_site}/30}}
    b: {{site: core, interface: f-{n:04}, address: {fibre_core}/30}}
    srgs: [duct-{duct}]
    bfd: {{interval_ms: 10, detect_mult: 3}}
    capacity_kbps: 1000000
  sat-{n:04}:
    media: satellite
    a: {{site: sbs-{n:04}, interface: sat, address: {satellite_site}/16}}
    b: {{site: core, interface: sat0, address: 10.254.0.1/16}}
    via: [sathub]
    bfd: {{interval_ms: 300, detect_mult: 3}}
    capacity_kbps: 4000
"""
_GROUP = """\
  pg-{n:04}:
    working: fibre-{n:04}
    protection: sat-{n:04}
    prefixes:
      sbs-{n:04}: [10.0.0.0/16]
      core: [{prefix}]
    wtr_ms: 300000
"""
DISTRICTS = 16
DUCTS = 40


def inventory_text(stations: int) -> str:
    """Return the YAML text of a valid inventory with so many stations, twice as many links and as many groups."""
    if not 1 <= stations <= 16_000:
        raise ValueError("the address plan holds 1 to 16,000 stations")
    values = list(_values(stations))
    head = _HEAD.format(
        districts="\n".join(f"  district-{n}: {{name: District {n}}}" for n in range(DISTRICTS)),
        ducts="\n".join(f"  duct-{n}: {{name: Duct {n}}}" for n in range(DUCTS)),
    )
    return "".join([
        head,
        *(_SITE.format(**value) for value in values),
        "links:\n",
        *(_LINKS.format(**value) for value in values),
        "protection_groups:\n",
        *(_GROUP.format(**value) for value in values),
    ])  # fmt: skip


def _values(stations: int) -> Iterator[dict[str, object]]:
    for n in range(stations):
        station, fibre, satellite = _dotted(0x0A400000 + n * 256), 0xAC100000 + n * 4, 0x0AFE0002 + n
        yield {
            "n": n,
            "district": n % DISTRICTS,
            "duct": n % DUCTS,
            "prefix": f"{station}/24",
            "router": _dotted(0x0A400001 + n * 256),
            "ups": _dotted(0x0A400002 + n * 256),
            "fibre_core": _dotted(fibre + 1),
            "fibre_site": _dotted(fibre + 2),
            "satellite_site": _dotted(satellite),
        }


def _dotted(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


if __name__ == "__main__":
    sys.stdout.write(inventory_text(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
