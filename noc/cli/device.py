"""`lifeline device`: recognise a device, decode what it says, list and publish the profiles that know how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lifeline.i18n import _

from .device_live import list_, show
from .output import ExitCode, Styled, VerbError, emit, emit_json, emit_table, json_option

if TYPE_CHECKING:
    from lifeline.devices import Decoded, Library, Match, Value

_F = TypeVar("_F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)
_COLOURS = {"good": "green", "ok": "green", "suspect": "yellow", "missing": "bright_black", "unknown": "yellow"}


@click.group(help=_("Recognise devices and decode what they say"))
def device() -> None:
    """Group the verbs."""


def _profiles_option() -> Callable[[_F], _F]:
    return click.option(
        "--profiles", "directory", type=click.Path(path_type=Path, file_okay=False, exists=True),
        help=_("Directory of further profiles; a file of the same name goes before one that ships."),
    )  # fmt: skip


def _library(directory: Path | None) -> Library:
    from lifeline.devices import load_library, shipped

    return load_library(directory) if directory else shipped()


@device.command(
    help=_("Tell which profiles recognise the device at ADDRESS, or the one in a recording, and by what."),
    epilog=_("Example: lifeline device identify 10.1.11.20 --inventory govnet.yml --credential snmp-v3"),
)
@click.argument("address", required=False)
@click.option("--recording", type=_FILE, help=_("A recording of snmpsim (.snmprec) instead of a device."))
@click.option("--inventory", type=_FILE, envvar="LIFELINE_INVENTORY", help=_("The inventory with the credential."))
@click.option("--credential", help=_("The credential's id in the inventory."))
@click.option("--port", type=click.IntRange(1, 65535), default=161, show_default=True, help=_("UDP port."))
@_profiles_option()
@json_option()
def identify(
    address: str | None,
    recording: Path | None,
    inventory: Path | None,
    credential: str | None,
    port: int,
    directory: Path | None,
    as_json: bool,
) -> ExitCode:
    """Recognise a device; exit with DEGRADED when no profile but the generic one does."""
    from lifeline.devices import decode
    from lifeline.devices import identify as recognise
    from lifeline.devices.identify import GENERIC

    library = _library(directory)
    if (address is None) is (recording is None):
        raise click.UsageError(_("give either an ADDRESS or a --recording"))
    if recording is not None:
        answers = _read(recording)
    else:
        assert address is not None
        answers = _asked(address, port, inventory, credential, library)
    matches = recognise(answers, library)
    told = decode(library.family(matches[0].profile), answers) if matches else None
    if as_json:
        emit_json("lifeline.device-identity/1", _identity(matches, told))
    else:
        if told:
            emit(" ".join(filter(None, (told.kind.value, told.vendor, told.model, told.serial, told.firmware))))
        emit_table([_("Profile"), _("Because")], [[match.profile, match.because] for match in matches])
    return ExitCode.OK if matches and matches[0].profile != GENERIC else ExitCode.DEGRADED


@device.command(
    help=_("Decode a recording: every value with its quality, and why where it is not good."),
    epilog=_("Example: lifeline device decode --recording my-ups.snmprec --profile my-ups --profiles ."),
)
@click.option("--recording", type=_FILE, required=True, help=_("A recording of snmpsim (.snmprec)."))
@click.option("--profile", help=_("Decode by this profile, whatever recognises the device."))
@_profiles_option()
@json_option()
def decode(recording: Path, profile: str | None, directory: Path | None, as_json: bool) -> ExitCode:
    """Decode a recording."""
    from lifeline.devices import decode as decoded
    from lifeline.devices import identify as recognise

    library = _library(directory)
    answers = _read(recording)
    if profile is None:
        matches = recognise(answers, library)
        if not matches:
            raise VerbError(_("no profile recognises {file}").format(file=recording), ExitCode.ACTION_FAILED)
        profile = matches[0].profile
    elif profile not in library.families:
        from lifeline.config.problems import did_you_mean

        hint = did_you_mean(profile, library.families, _("there are"))[1]
        raise VerbError(_("there is no profile {name!r}").format(name=profile) + f"; {hint}", ExitCode.USAGE)
    told = decoded(library.family(profile), answers)
    if as_json:
        emit_json("lifeline.device/1", _told(told))
        return ExitCode.OK
    emit(" ".join(filter(None, (told.profile, told.kind.value, told.vendor, told.model, told.serial))))
    rows: list[list[object]] = [
        [it.key, it.value, it.unit, Styled(it.quality.value, _COLOURS.get(it.quality)), it.object, it.reason]
        for it in told.measurements
    ]
    rows += [
        [it.key, Styled(it.word, _COLOURS.get(it.health, "red")), None, it.health.value, it.object, it.reason]
        for it in told.states
    ]
    emit_table([_("Name"), _("Value"), _("Unit"), _("Quality"), _("Object"), _("Because")], rows)
    return ExitCode.OK


@device.command(help=_("List the profiles, or the vocabulary in which they tell everything."))
@click.option("--vocabulary", is_flag=True, help=_("List metrics and states instead."))
@_profiles_option()
@json_option()
def profiles(vocabulary: bool, directory: Path | None, as_json: bool) -> None:
    """List profiles or the vocabulary."""
    library = _library(directory)
    if vocabulary:
        words = library.vocabulary
        if as_json:
            metrics = {n: {"unit": it.unit, "range": it.range, "text": it.text} for n, it in words.metrics.items()}
            states = {n: {"words": it.words, "text": it.text} for n, it in words.states.items()}
            emit_json("lifeline.device-vocabulary/1", {"metrics": metrics, "states": states})
            return
        emit_table([_("Metric"), _("Unit"), _("Text")], [[n, it.unit, it.text] for n, it in words.metrics.items()])
        emit("")
        emit_table(
            [_("State"), _("Words"), _("Text")], [[n, " ".join(it.words), it.text] for n, it in words.states.items()]
        )
        return
    listed = [
        {
            "profile": name, "kind": it.kind.value, "vendor": it.vendor, "title": it.title, "mibs": list(it.mibs),
            "readings": len(library.families[name].readings), "states": len(library.families[name].states),
        }
        for name, it in sorted(library.profiles.items())
    ]  # fmt: skip
    if as_json:
        emit_json("lifeline.device-profiles/1", {"profiles": listed})
        return
    emit_table(
        [_("Profile"), _("Kind"), _("Title"), _("Readings"), _("States")],
        [[it["profile"], it["kind"], it["title"], it["readings"], it["states"]] for it in listed],
    )


@device.command(help=_("Print the profile format's JSON Schema, for editors and other programs."))
def schema() -> None:
    """Print the JSON Schema of a profile."""
    from lifeline.devices.library import json_schema

    emit_json("lifeline.device-profile-schema/1", json_schema())


def _read(recording: Path) -> dict[str, Value]:
    from lifeline.devices import read_recording

    try:
        return read_recording(recording)
    except (OSError, ValueError) as error:
        raise VerbError(
            _("{file} cannot be read: {error}").format(file=recording, error=error), ExitCode.USAGE
        ) from error


def _asked(
    address: str, port: int, inventory: Path | None, credential: str | None, library: Library
) -> dict[str, Value]:
    """Return what a device says of itself, with all that its best profile asks."""
    import asyncio

    from lifeline.config import load_inventory
    from lifeline.devices.snmp import Access, Session

    if inventory is None or credential is None:
        raise click.UsageError(_("a device needs --inventory and --credential"))
    credentials = load_inventory(inventory).credentials
    if credential not in credentials:
        raise VerbError(_("there is no credential {name!r}").format(name=credential), ExitCode.USAGE)
    try:
        access = Access.of(credentials[credential])
    except ValueError as error:
        raise VerbError(str(error), ExitCode.USAGE) from error

    async def ask() -> dict[str, Value]:
        async with Session(address, access, port=port, timeout_s=2) as session:
            names, answers = await session.recognise(library)
            return answers | await session.ask(library.family(names[0]), 30) if names else answers

    try:
        return asyncio.run(ask())
    except TimeoutError as error:
        raise TimeoutError(str(error) or _("{address} does not answer in time").format(address=address)) from error
    except OSError as error:
        raise VerbError(f"{address}: {error.strerror or error}", ExitCode.UNREACHABLE) from error


def _identity(matches: list[Match], told: Decoded | None) -> dict[str, Any]:
    body: dict[str, Any] = {"matches": [{"profile": it.profile, "because": it.because} for it in matches]}
    if told is not None:
        body |= {"profile": told.profile, "kind": told.kind.value, "vendor": told.vendor, "model": told.model,
                 "serial": told.serial, "firmware": told.firmware}  # fmt: skip
    return body


def _told(told: Decoded) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(told)


device.add_command(list_)
device.add_command(show)
