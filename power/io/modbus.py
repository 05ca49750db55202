"""Asks a generator's controller over Modbus TCP for the registers that its profile knows."""

from __future__ import annotations

from dataclasses import replace

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from lifeline.devices import Decoded, Family, decode
from lifeline.i18n import _

PORT = 502


class ModbusError(Exception):
    """A controller's refusal, or an answer that is none."""


class ModbusClient:
    """One controller; the connection is kept while it works."""

    def __init__(self, host: str, family: Family, unit: int = 1, port: int = PORT, timeout_s: float = 2.0) -> None:
        self._client = AsyncModbusTcpClient(host, port=port, timeout=timeout_s, retries=1, reconnect_delay=0)
        self._family, self._unit, self._where = family, unit, f"{host}:{port}"

    async def ask(self) -> Decoded:
        """Return what the controller says. Registers it does not have are missing, the others still count.

        What is missing and why stands among the problems.

        Raises:
            ModbusError: it refuses everything, or answers nonsense.
            OSError: it cannot be reached.
        """
        if not self._client.connected and not await self._client.connect():
            raise ConnectionRefusedError(f"{self._where} cannot be reached")
        words: dict[int, int] = {}
        problems: list[str] = []
        for first, count in self._family.registers():
            try:
                answer = await self._client.read_holding_registers(first, count=count, device_id=self._unit)
            except ModbusException as error:
                self.close()
                raise ModbusError(f"{self._where}: {error}") from None
            if answer.isError():
                problems.append(_("registers from 0x{first:04X} are refused, exception {code}").format(
                    first=first, code=answer.exception_code))  # fmt: skip
            elif len(answer.registers) != count:
                problems.append(_("of {count} registers from 0x{first:04X} only {n} came").format(
                    count=count, first=first, n=len(answer.registers)))  # fmt: skip
            else:
                words |= dict(enumerate(answer.registers, first))
        if not words:
            raise ModbusError(f"{self._where}: {'; '.join(problems)}")
        decoded = decode(self._family, words)
        return replace(decoded, problems=(*problems, *decoded.problems))

    async def write(self, first: int, values: list[int]) -> None:
        """Write registers in one request.

        Raises:
            ModbusError: the controller refuses.
            OSError: it cannot be reached.
        """
        if not self._client.connected and not await self._client.connect():
            raise ConnectionRefusedError(f"{self._where} cannot be reached")
        try:
            answer = await self._client.write_registers(first, values, device_id=self._unit)
        except ModbusException as error:
            self.close()
            raise ModbusError(f"{self._where}: {error}") from None
        if answer.isError():
            raise ModbusError(f"{self._where} refuses to write register 0x{first:04X}")

    def close(self) -> None:
        """Forget the connection."""
        self._client.close()
