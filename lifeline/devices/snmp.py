"""Asks devices over SNMP v2c and v3 (gufo-snmp): the one part of the package that has sockets. It judges nothing.

A session belongs to one device and outlives its silences. Scalars are fetched in batches, tables with GETBULK on the
first round and as plain GETs of the cells found there on the next ones. Whatever an agent answers is bounded: rows,
bytes of a value, OIDs that do not grow, and the time of the whole round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, TypeVar

from gufo.snmp import (
    Aes128Key,
    Aes256Key,
    DesKey,
    Md5Key,
    NoSuchInstance,
    Sha1Key,
    Sha256Key,
    Sha512Key,
    SnmpAuthError,
    SnmpError,
    User,
)
from gufo.snmp.aio.client import SnmpSession

from ..clock import monotonic_s
from ..config.secrets import read_secret
from ..i18n import _
from ..model.inventory import Credential
from .exchange import Exchange, is_panic
from .identify import SYSTEM, identify, is_below, probes
from .library import Family, Library
from .recording import Value

_T = TypeVar("_T")
_AUTH = {"md5": Md5Key, "sha1": Sha1Key, "sha256": Sha256Key, "sha512": Sha512Key}
_PRIVACY = {"des": DesKey, "aes128": Aes128Key, "aes256": Aes256Key}
_MOST_BYTES = 4096
_ROUNDS = 99
_REFRESH_S = 120.0
"""RFC 3414 3.2 (7): an authoritative engine refuses what is more than 150 s off its clock."""


class DeviceError(Exception):
    """A device answers, but not as an agent does; the text says how."""

    exit_code = 1


class RefusedError(DeviceError):
    """An agent does not accept who asks."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Access:
    """What opens a device: a community, or a user with keys. Never shown."""

    community: str = ""
    user: str = ""
    auth_secret: str = ""
    privacy_secret: str = ""
    auth: Literal["md5", "sha1", "sha256", "sha512"] = "sha1"
    privacy: Literal["des", "aes128", "aes256"] = "aes128"

    def __repr__(self) -> str:
        """Return who, not with what."""
        return f"Access(user={self.user!r})" if self.user else "Access(community)"

    @classmethod
    def of(cls, credential: Credential) -> Access:
        """Return what a credential of the inventory refers to.

        Raises:
            SecretError: the secret cannot be fetched.
            ValueError: the credential opens no SNMP agent.
        """
        if credential.kind == "snmp-v2c":
            return cls(community=read_secret(credential.secret))
        if credential.kind != "snmp-v3":
            raise ValueError(_("{kind} opens no SNMP agent").format(kind=credential.kind))
        privacy = read_secret(credential.privacy_secret) if credential.privacy_secret else ""
        auth = read_secret(credential.secret)
        return cls("", credential.user or "", auth, privacy, credential.auth, credential.privacy)

    def snmp_user(self) -> User | None:
        """Return the SNMPv3 user, or None for v2c."""
        if not self.user:
            return None
        auth = _AUTH[self.auth](self.auth_secret.encode()) if self.auth_secret else None
        privacy = _PRIVACY[self.privacy](self.privacy_secret.encode()) if self.privacy_secret else None
        return User(self.user, auth_key=auth, priv_key=privacy)


class Session:
    """One device's agent, asked one request at a time.

    Args:
        address: IPv4 or IPv6.
        access: what opens it.
        port: UDP port.
        timeout_s: how long an answer may take before the request is repeated.
        retries: how often a request is repeated.
        max_varbinds: objects in one GET; halved for good when the agent cannot.
        max_rows: cells of one column; more are cut off.
    """

    def __init__(
        self,
        address: str,
        access: Access,
        *,
        port: int = 161,
        timeout_s: float = 1.0,
        retries: int = 1,
        max_varbinds: int = 24,
        max_rows: int = 4096,
    ) -> None:
        self.address = address
        self.cut_off: set[str] = set()
        """Columns of which not all was taken: too many rows, or an agent that goes round in circles."""
        self._access = access
        self._port = port
        self._timeout_s = timeout_s
        self._tries = retries + 1
        self._batch = max_varbinds
        self._max_rows = max_rows
        self._session: SnmpSession | None = None
        self._exchange: Exchange | None = None
        self._asked_s = 0.0
        self._known: dict[str, tuple[list[str], int]] = {}
        """By family: the objects that were there, and for how many rounds more only these are asked."""
        self._plain: dict[str, frozenset[str]] = {}
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the socket; the next request opens a new one."""
        self._let_go()
        self._session = None

    def _let_go(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """Return the objects that the agent has, by OID.

        Raises:
            TimeoutError: no answer.
            OSError: the address cannot be reached.
            DeviceError: the agent's answers make no sense.
        """
        async with self._turn:
            found: dict[str, Value] = {}
            waiting = [list(oids[n : n + self._batch]) for n in range(0, len(oids), self._batch)]
            while waiting:
                batch = waiting.pop(0)
                try:
                    found |= await self._get(batch)
                except NoSuchInstance:
                    if len(batch) > 1:  # an agent that refuses the whole for one of its parts
                        waiting[:0] = [[oid] for oid in batch]
                except SnmpError as error:
                    if len(batch) == 1:
                        raise DeviceError(_("{address}: {error}").format(address=self.address, error=error)) from error
                    half = len(batch) // 2
                    self._batch = max(1, min(self._batch, half))  # tooBig, or a datagram that does not pass
                    waiting[:0] = [batch[:half], batch[half:]]
            return found

    async def walk(self, root: str) -> dict[str, Value]:
        """Return what lies below an OID, bounded.

        Raises:
            TimeoutError, OSError, DeviceError: as `get`.
        """
        async with self._turn:
            found: dict[str, Value] = {}
            session = await self._open()
            rows = session.getbulk(root)
            last: tuple[int, ...] = ()
            while True:
                try:
                    oid, value = await self._again(rows.__anext__)
                except (StopAsyncIteration, NoSuchInstance):
                    return found
                except SnmpError as error:
                    raise DeviceError(_("{address}: {error}").format(address=self.address, error=error)) from error
                place = tuple(map(int, oid.split(".")))
                if place <= last or len(found) >= self._max_rows:
                    self.cut_off.add(root)  # RFC 3416 4.2.2.1: OIDs grow; an agent that loops would never end
                    return found
                last = place
                if not is_below(oid, (root,)):
                    return found
                if value is not None:
                    found[oid] = _bounded(value)

    async def recognise(self, library: Library, deadline_s: float = 15.0) -> tuple[list[str], dict[str, Value]]:
        """Return the profiles that recognise the device, best first, and what was asked to know.

        Raises:
            TimeoutError, OSError, DeviceError: as `get`.
        """
        async with asyncio.timeout(deadline_s):
            answers = await self.get(SYSTEM)
            for root in probes(library):
                if first := await self._first(root):
                    answers |= first
        return [match.profile for match in identify(answers, library)], answers

    async def ask(self, family: Family, deadline_s: float = 10.0, *, anew: bool = False) -> dict[str, Value]:
        """Return what a family's device has to say: all objects walked first, then those fetched that were there.

        Every hundredth round is a first one again, for objects that have come since; so is the round after one in
        which nothing was there.

        Args:
            family: from `Library.family`.
            deadline_s: for the whole round; a device that needs longer has not answered.
            anew: make this round a first one.

        Raises:
            TimeoutError, OSError, DeviceError: as `get`.
        """
        async with asyncio.timeout(deadline_s):
            known, rounds = self._known.get(family.name, ([], 0))
            if known and rounds and not anew:
                self._known[family.name] = known, rounds - 1
                return await self.get(known)
            answers = await self.get(family.scalars())
            for column in family.columns():
                answers |= await self.walk(column)
            self._known[family.name] = list(answers), _ROUNDS
            self._plain[family.name] = frozenset(answers)
            return answers

    def begin(self, family: Family, take: Callable[[dict[str, Value] | Exception], None]) -> bool:
        """Put the question of a plain round, and have the answer taken, or what was wrong with it.

        It is one datagram and no coroutine: what a poller of thousands does nearly always. Nothing is repeated, and
        nothing timed; whoever gets no answer, or an error, asks by `ask`.

        Args:
            family: from `Library.family`.
            take: called once with the answers or an error; not at all where no answer comes.

        Returns:
            False when this round takes more than that: use `ask`.
        """
        known = self._plain.get(family.name)
        if known is None or self._exchange is None or self._turn.locked() or monotonic_s() - self._asked_s > _REFRESH_S:
            return False
        objects, rounds = self._known[family.name]
        if not rounds or len(objects) > self._batch:
            return False
        self._known[family.name] = objects, rounds - 1
        self._asked_s = monotonic_s()
        try:
            self._exchange.begin(
                objects, lambda told: take(told if isinstance(told, Exception) else _kept(told, known))
            )
        except (SnmpError, OSError, ValueError):
            return False
        return True

    async def _first(self, root: str) -> dict[str, Value]:
        """Return the first object below an OID, if there is one."""
        async with self._turn:
            session = await self._open()
            rows = session.getnext(root)
            try:
                oid, value = await self._again(rows.__anext__)
            except (StopAsyncIteration, SnmpError):
                return {}
            return {oid: _bounded(value)} if value is not None and is_below(oid, (root,)) else {}

    async def _get(self, oids: Iterable[str]) -> dict[str, Value]:
        session = await self._open()
        wanted = list(oids)
        if self._exchange is None:
            self._exchange = Exchange(session)
        exchange = self._exchange
        told = await self._again(lambda: exchange.get(wanted, self._timeout_s), exchanged=True)
        return _kept(told, frozenset(wanted))

    async def _open(self) -> SnmpSession:
        """Return the session, opened or, after a pause, with the agent's clock read again."""
        now_s = monotonic_s()
        if self._session is None:
            user = self._access.snmp_user()
            self._session = SnmpSession(
                self.address, self._port, community=self._access.community, user=user, timeout=self._timeout_s
            )
            await self._again(self._session.refresh)
        elif self._access.user and now_s - self._asked_s > _REFRESH_S:
            await self._again(self._session.refresh)
        self._asked_s = now_s
        return self._session

    async def _again(self, request: Callable[[], Awaitable[_T]], *, exchanged: bool = False) -> _T:
        """Return a request's answer, repeated when none comes."""
        if not exchanged:
            self._let_go()  # gufo-snmp waits at the same socket by itself
        for attempt in range(self._tries):
            try:
                return await request()
            except TimeoutError:
                if attempt == self._tries - 1:
                    self.close()  # a late answer must not be taken for the next request's
                    raise TimeoutError(_("{address} does not answer").format(address=self.address)) from None
            except SnmpAuthError as error:
                self.close()
                raise RefusedError(
                    _("{address} refuses us: {error}").format(address=self.address, error=error)
                ) from None
            except OSError:
                self.close()
                raise
            except BaseException as error:
                if not is_panic(error):
                    raise
                self.close()
                raise DeviceError(_("{address} answers noise").format(address=self.address)) from None
        raise AssertionError


def _kept(told: Mapping[str, Value | None], asked: frozenset[str]) -> dict[str, Value]:
    """Return what was asked for and is there, bounded."""
    return {
        oid: value if isinstance(value, int) else _bounded(value)
        for oid, value in told.items()
        if value is not None and oid in asked
    }


def _bounded(value: Value) -> Value:
    """Return a value no longer than anything of use: agents have been seen to send 64 KiB."""
    return value[:_MOST_BYTES] if isinstance(value, str | bytes) else value
