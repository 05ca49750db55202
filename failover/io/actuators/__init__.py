"""Devices that can be changed, and what carries a change out: vtysh on this node, netmiko to all others."""

from .actuate import Actuators
from .device import Device, DeviceError, Session
from .planned import planned_device
from .ssh import SshDevice, Timeouts
from .vtysh import LocalFrr

__all__ = ["Actuators", "Device", "DeviceError", "LocalFrr", "Session", "SshDevice", "Timeouts", "planned_device"]
