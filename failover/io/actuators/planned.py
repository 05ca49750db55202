"""Makes of a plan a device that can be changed."""

from __future__ import annotations

from pathlib import Path

from ...actuator_plan import ActuatorPlan
from ...core.actuation import DIALECTS
from .device import Device
from .ssh import KNOWN_HOSTS, SshDevice
from .vtysh import LocalFrr


def planned_device(plan: ActuatorPlan, known_hosts: Path = KNOWN_HOSTS, transcripts: Path | None = None) -> Device:
    """Return the router of a plan.

    Args:
        plan: which, and how it is reached.
        known_hosts: host keys, in OpenSSH's format.
        transcripts: folder of the device's transcript, redacted; None keeps none.
    """
    if plan.address is None:
        return LocalFrr(plan.name)
    from lifeline.model.inventory import SecretRef  # pydantic: not before there is a router behind ssh

    assert plan.user is not None
    return SshDevice(
        name=plan.name,
        address=plan.address,
        dialect=DIALECTS[plan.driver],
        user=plan.user,
        secret=SecretRef(env=plan.secret_env, file=plan.secret_file),
        port=plan.port,
        known_hosts=known_hosts,
        transcripts=transcripts,
    )
