"""Device profiles: what a device's answers mean, as data, and the engine that reads them.

Pure but for `snmp`, which asks. netwatch, power and timesync share it (docs/adr/0011).
"""

from .decode import Decoded, Measurement, State, decode
from .identify import Match, identify
from .library import Family, Library, load_library, shipped
from .recording import Value, parse_recording, read_recording
from .traps import Meaning, meanings
from .vocabulary import Health

__all__ = [
    "Decoded", "Family", "Health", "Library", "Match", "Meaning", "Measurement", "State", "Value",
    "decode", "identify", "load_library", "meanings", "parse_recording", "read_recording", "shipped",
]  # fmt: skip
