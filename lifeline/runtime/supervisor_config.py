"""The supervisor's small configuration file: which daemons run on this node.

```yaml
node: sbs-dongcheng
run: /run/lifeline
outbox: /var/lib/lifeline/supervisor.db     # with `hubs`: exits and crash loops reach the hub
hubs: ["https://10.0.10.1:8443"]
token_file: /etc/lifeline/token
ca: /etc/lifeline/hub.pem
daemons:
  - {name: fastpath, argv: [lifeline, fastpath, run, --inventory, /etc/lifeline/inventory.yml, --site, sbs-dongcheng]}
  - {name: agent, argv: [lifeline, agent, run, ...], env: {LIFELINE_LANG: zh_CN}, grace_s: 4}
```

It has its own reader: eleven supervisors run in the lab, and the inventory's costs each of them 0.2 s and 20 MB.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .restart import RestartPolicy

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
GRACE_S = 4.0


class SupervisorConfigError(ValueError):
    """The file cannot be used; the text names file, key and what is wrong."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """One daemon."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's environment."""
    grace_s: float = GRACE_S
    """Time between SIGTERM and SIGKILL when stopping."""


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    """One node's daemons, in the order in which they start; they stop in reverse."""

    node: str
    run: Path
    daemons: tuple[DaemonConfig, ...]
    site: str = ""
    outbox: Path | None = None
    hubs: tuple[str, ...] = ()
    token_file: Path | None = None
    ca: Path | None = None
    restart: RestartPolicy = field(default_factory=RestartPolicy)


def load_config(path: Path) -> SupervisorConfig:
    """Read a YAML or JSON file.

    Raises:
        SupervisorConfigError: it cannot be read, is no YAML, or says something else than it should.
    """
    try:
        data = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    except OSError as error:
        raise SupervisorConfigError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SupervisorConfigError(f"{path}: not YAML: {error}") from error
    try:
        return _config(data)
    except _FindingError as finding:
        raise SupervisorConfigError(f"{path}: {finding}") from None


class _FindingError(Exception):
    """What is wrong, by key."""


def _config(data: Any) -> SupervisorConfig:
    top = _fields("", data, SupervisorConfig, required=("node", "run", "daemons"))
    node = _text("node", top["node"])
    hubs = tuple(_text("hubs", hub) for hub in _list("hubs", top.get("hubs", [])))
    if hubs and "outbox" not in top:
        raise _FindingError("outbox: missing; with hubs there must be one, for what happens while none is reached")
    daemons = tuple(_daemon(f"daemons.{index}", item) for index, item in enumerate(_list("daemons", top["daemons"])))
    names = [daemon.name for daemon in daemons]
    for name in names:
        if names.count(name) > 1:
            raise _FindingError(f"daemons: {name!r} stands there {names.count(name)} times")
    return SupervisorConfig(
        node=node,
        run=Path(_text("run", top["run"])),
        daemons=daemons,
        site=_text("site", top.get("site", node)),
        outbox=_path("outbox", top),
        hubs=hubs,
        token_file=_path("token_file", top),
        ca=_path("ca", top),
        restart=_policy(top.get("restart", {})),
    )


def _daemon(where: str, data: Any) -> DaemonConfig:
    item = _fields(where, data, DaemonConfig, required=("name", "argv"))
    name = _text(f"{where}.name", item["name"])
    if not _NAME.fullmatch(name):
        raise _FindingError(f"{where}.name: {name!r} must be lower-case letters, digits and hyphens")
    argv = tuple(_text(f"{where}.argv", word) for word in _list(f"{where}.argv", item["argv"]))
    if not argv:
        raise _FindingError(f"{where}.argv: empty")
    env = item.get("env", {})
    if not isinstance(env, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in env.items()):
        raise _FindingError(f"{where}.env: must map words to words (quote numbers)")
    return DaemonConfig(name, argv, env, _seconds(f"{where}.grace_s", item.get("grace_s", GRACE_S)))


def _policy(data: Any) -> RestartPolicy:
    fields = _fields("restart", data, RestartPolicy)
    values = {name: _seconds(f"restart.{name}", value) for name, value in fields.items()}
    if "crash_loop_exits" in values:
        values["crash_loop_exits"] = max(1, int(values["crash_loop_exits"]))
    return RestartPolicy(**values)  # type: ignore[arg-type]  # the only int was made one above


def _fields(where: str, data: Any, shape: Any, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a mapping whose keys are fields of the dataclass `shape`."""
    prefix = f"{where}." if where else ""
    if not isinstance(data, dict):
        raise _FindingError(f"{where or 'file'}: must be a mapping")
    valid = [field.name for field in dataclasses.fields(shape)]
    for key in data:
        if key not in valid:
            near = difflib.get_close_matches(str(key), valid, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}"
            raise _FindingError(f"{prefix}{key}: unknown key; {hint}")
    for key in required:
        if key not in data:
            raise _FindingError(f"{prefix}{key}: missing")
    return data


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _FindingError(f"{where}: {value!r} must be a text")
    return value


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _FindingError(f"{where}: must be a list")
    return value


def _path(key: str, data: Mapping[str, Any]) -> Path | None:
    return Path(_text(key, data[key])) if key in data else None


def _seconds(where: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
        raise _FindingError(f"{where}: {value!r} must be a number, not negative")
    return value
