"""What a site's agent needs to know, compiled from the inventory and the command line: plain data, JSON in and out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifeline.runtime.files import write_json

from ..actuator_plan import ActuatorPlan
from ..plan import FastPathPlan, PlanError
from ..traffic_plan import TrafficPlan

SCHEMA = "lifeline.agent-plan/2"


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """One agent's life: whom it serves, whom it tells, where it keeps what it has not told yet."""

    site: str
    links: tuple[str, ...]
    """Links whose path this site's fast path watches; empty where none runs."""
    groups: tuple[str, ...]
    hubs: tuple[str, ...]
    token_file: str | None
    ca: str | None
    data: str
    run: str
    metrics: str | None
    """`host:port` for metrics and health, None for nowhere."""
    traffic: TrafficPlan
    """What is divided among the traffic classes here, and what pins flows to a path."""
    actuators: tuple[ActuatorPlan, ...] = ()
    """Routers that follow the groups' selectors."""
    known_hosts: str = "/etc/lifeline/known_hosts"
    """Their host keys, in OpenSSH's format."""

    @property
    def node(self) -> str:
        """Name of this daemon in events."""
        return f"{self.site}/agent"

    @property
    def expects_fast_path(self) -> bool:
        """Whether a fast path runs beside this agent."""
        return bool(self.links)

    @property
    def subjects(self) -> frozenset[str]:
        """Subjects on which this agent may have a condition."""
        watched = {f"daemon:{self.node}"}
        links = {*self.links, *(link.link for interface in self.traffic.interfaces for link in interface.links)}
        watched |= {f"link:{link}" for link in links} | {f"group:{group}" for group in self.groups}
        return frozenset(watched | ({f"daemon:{self.site}/fastpath"} if self.links else set()))

    @classmethod
    def compile(cls, fast_path: FastPathPlan, **settings: Any) -> AgentPlan:
        """Return the plan of the agent beside a fast path; `settings` are the remaining fields."""
        settings.setdefault("traffic", TrafficPlan(fast_path.site, (), ()))
        links = tuple(session.link for session in fast_path.sessions)
        return cls(fast_path.site, links, tuple(group.id for group in fast_path.groups), **settings)

    def save(self, path: Path) -> None:
        """Write the plan to a file, whole or not at all."""
        write_json(path, {"schema": SCHEMA, **dataclasses.asdict(self)})

    @classmethod
    def load(cls, path: Path) -> AgentPlan:
        """Read a plan from a file.

        Raises:
            PlanError: the file is no plan.
            OSError: the file cannot be read.
        """
        try:
            data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA:
                raise PlanError(f"{path}: not a {SCHEMA}")
            fields: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k != "schema"
            }
            fields["traffic"] = TrafficPlan.from_json(data["traffic"])
            fields["actuators"] = tuple(map(ActuatorPlan.from_json, data["actuators"]))
            return cls(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise PlanError(f"{path}: {error}") from None
