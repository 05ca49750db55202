"""Sentences that daemons write into the journal, shown in the operator's language.

A journal speaks one language, English, whoever reads it. Its sentences are made from a few templates; here a sentence
is matched against them, and what stood in its gaps is put into the translated template. A sentence that matches none
is shown as it came. A test holds these templates to the code that writes the sentences, which this package may not
import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Final

from lifeline.i18n import N_, _

from .words import BFD_DIAGNOSTIC, PROTECTION_STATE

WHY: Final[Sequence[str]] = (
    N_("Just started: staying on {on} until both paths are known."),
    N_("Just started: staying on {on}, as found, until both paths are known."),
    N_("Both paths are healthy; carrying on {working}."),
    N_("Protection path {protection} failed ({protection_reason}); carrying on {working}."),
    N_("Working path {working} failed ({working_reason}); carrying on {protection}."),
    N_("Both paths failed, {working} ({working_reason}) and {protection} ({protection_reason}); staying on {on}."),
    N_("Working path {working} is healthy; carrying on {protection} until it has been so for {wtr_s:g} s."),
    N_("Working path {working} is healthy; staying on {protection} because the group is non-revertive."),
    N_(
        "Working path {working} failed ({working_reason}), and the far end sees protection path {protection} "
        "failed; staying on {on}."
    ),
    N_("Locked out by command: carrying on {working}, and never on {protection}."),
    N_("Forced to {protection} by command."),
    N_("Protection path {protection} is degraded ({protection_degrade}); carrying on {working}."),
    N_("Working path {working} is degraded ({working_degrade}); carrying on {protection}."),
    N_("Switched to {protection} by command."),
    N_("Switched to {working} by command."),
    N_("Exercising the protocol by command; carrying on {working}."),
    N_("Exercising the protocol by command; carrying on {protection}."),
    N_("The far end is locked out by command: carrying on {working}, and never on {protection}."),
    N_("The far end sees both paths failed; staying on {on}."),
    N_("The far end sees protection path {protection} failed; carrying on {working}."),
    N_("The far end is forced to {protection} by command."),
    N_("The far end sees working path {working} failed; carrying on {protection}."),
    N_("The far end sees protection path {protection} degraded; carrying on {working}."),
    N_("The far end sees working path {working} degraded; carrying on {protection}."),
    N_("The far end was switched to {protection} by command."),
    N_("The far end was switched to {working} by command."),
    N_("The far end waits until working path {working} has been healthy long enough; carrying on {protection}."),
    N_("The far end stays on {protection} because it is set non-revertive."),
    N_("The far end exercises the protocol; carrying on {working}."),
    N_("The far end exercises the protocol; carrying on {protection}."),
    N_("Path {on} failed ({reason}); giving it {hold_off_s:g} s to recover (hold-off)."),
    N_("Frozen by command: staying on {on}, whatever happens."),
    N_("Working path {working} is healthy but failed too often; carrying on {protection} until it has settled."),
)
"""Why a selector stands where it does (`failover.core.protection`)."""
REFUSALS: Final[Sequence[str]] = (
    N_("{command} is refused: {stands}."),
    N_("{command} already stands."),
    N_("The group is frozen; clear that first."),
    N_("{command} is refused: it is not known whether {path} works."),
    N_("{command} is refused: it would send traffic from {protection} to {working}, which has failed."),
    N_("{command} is refused: the far end does not speak APS."),
    N_("There is no command and no wait to clear here."),
    N_("There is nothing to clear here: {stands}; clear it there."),
    N_("Lockout"),
    N_("Forced switch"),
    N_("Manual switch to protection"),
    N_("Manual switch to working"),
    N_("Exercise"),
    N_("Clear"),
    N_("the group is locked out by command (LO)"),
    N_("protection path {protection} has failed (SF-P)"),
    N_("both paths have failed (SF-P)"),
    N_("the group is forced by command (FS)"),
    N_("working path {working} has failed (SF-W)"),
    N_("protection path {protection} is degraded (SD-P)"),
    N_("working path {working} is degraded (SD-W)"),
    N_("the group is switched to {protection} by command (MS-P)"),
    N_("the group is switched to {working} by command (MS-W)"),
    N_("the protocol is being exercised (EXER)"),
    N_("the far end is locked out by command (LO)"),
    N_("the far end sees both paths failed (SF-P)"),
    N_("the far end sees protection path {protection} failed (SF-P)"),
    N_("the far end is forced by command (FS)"),
    N_("the far end sees working path {working} failed (SF-W)"),
    N_("the far end sees protection path {protection} degraded (SD-P)"),
    N_("the far end sees working path {working} degraded (SD-W)"),
    N_("the far end was switched to {protection} by command (MS-P)"),
    N_("the far end was switched to {working} by command (MS-W)"),
    N_("the far end waits to restore (WTR)"),
    N_("the far end exercises the protocol (EXER)"),
    N_("the far end does not revert (DNR)"),
    N_("the group waits to restore (WTR)"),
    N_("the group does not revert (DNR)"),
    N_("the group has just started"),
    N_("Command {token} comes late: {highest} has been obeyed."),
    N_("The fast path of {site} is not reached."),
    N_("The fast path of {site} does not listen: {reason}."),
)
"""Why a command is refused (`failover.core.protection`, `failover.fastpath.commands`, `failover.agent.orders`)."""
ORDERED: Final[Sequence[str]] = (
    N_("Order: {order}, group {group}, at {site} ({why})."),
    N_("lock out protection"),
    N_("force to protection"),
    N_("switch manually to working"),
    N_("switch manually to protection"),
    N_("exercise the protocol"),
    N_("freeze"),
    N_("clear"),
    N_("as ordered"),
    N_("where the command stands"),
    N_("the station's end"),
    N_("because the agent of {site} is not connected"),
    N_("It would be refused: {reason}"),
    N_("Traffic would move from {before} to {after}."),
    N_("Both paths work: no loss is expected."),
    N_("Not both paths are known to work: expect loss."),
    N_("Traffic would stay on {path}."),
    N_("State: {before}, then {after}."),
    N_("neither the agent of {site} nor that of {other} is connected"),
    N_("the agent of {site} is not connected ({why})"),
    N_("the agent of {site} is not connected; nothing was sent"),
    N_("{node} has not answered within {seconds} s"),
    N_("the connection to {node} broke before it answered"),
    N_("the hub stopped before it heard what became of it"),
    N_("no answer came; the end's state shows it"),
    N_("no answer came, and it is not in force: it was not carried out, or something overrode it"),
)
"""What a command would do, and what became of it (`noc.protection`, `noc.commands`, `noc.settling`)."""
REASONS: Final[Sequence[str]] = (
    N_("signal fail"),
    N_("BFD detection time expired"),
    N_("BFD session is Up"),
    N_("BFD session did not come Up within {establish_s:g} s"),
    N_("far end's process had gone, now nothing answers"),
    N_("far end signalled {state}"),
    N_("far end signalled {state}: {diagnostic}"),
    N_("reported locally: {diagnostic}"),
    N_("the far end carries traffic on the other path"),
    N_("the far end is not heard by APS although the protection path works"),
    N_("APS comes over the working path: the paths are swapped at one end"),
    N_("one end is revertive and the other is not"),
    N_("the far end speaks for group {other}, this is group {number}"),
    N_("the far end is set otherwise in {bits}"),
    N_("{quantity} was too high and is not known now"),
    N_("{quantity} {value} {unit}, raised at {limit}"),
    N_("{quantity} {value} {unit}, clears at {limit}"),
)
"""Why a path has failed or is degraded (`failover.core.bfd`, `failover.core.quality`), and what is wrong between two
ends (`failover.core.protection`)."""
CONDITIONS: Final[Sequence[str]] = (
    N_("{site} has lost {link}: {symptom}"),
    N_("the interface is gone"),
    N_("no carrier on the interface"),
    N_("BFD is {state} ({diagnostic})"),
    N_("BFD is {state} ({diagnostic}), packets are refused: {refusal}"),
    N_("hash is wrong for key {key}"),
    N_("unknown Key ID {key}"),
    N_("not authenticated, but authentication is in use"),
    N_("authenticated, but authentication is not in use"),
    N_("{site} has {group} on protection: {why}"),
    N_("{site} has no path for {group}: {working} and {protection} have failed"),
    N_("{site} finds {link} degraded: {reasons}"),
    N_("{site} on {group}: {defect}"),
    N_("{site} cannot route {group} by {link}: {trouble}"),
    N_("{site} does not divide {link} among the traffic classes: {trouble}"),
    N_(
        "{site} uses {rate} of {planned} kbit/s of {link}, which carries less by the word of {teller}: {classes} "
        "cannot have what they are guaranteed"
    ),
    N_(
        "{site} uses {rate} of {planned} kbit/s of {link}, which carries less by the word of {teller}: every "
        "guarantee still holds"
    ),
    N_("{site} cannot bring {device} to working of {group}: {trouble}"),
    N_("{site} cannot bring {device} to protection of {group}: {trouble}"),
    N_("the fast path of {site} is silent: a cut fibre would not be switched there"),
    N_("The daemon ended {exits} times in a short while"),
    N_("The daemon runs steadily"),
    N_("The database is sound"),
    N_("The database was corrupt; it was set aside as {set_aside}"),
    N_("the agent of {site} is silent: how it is there is not known"),
    N_("the agent of {site} is heard again"),
    N_("no agent is expected at {site} any more"),
    N_("The journal takes no events, nothing is acknowledged: {trouble}"),
    N_("The journal has room again"),
)
"""What conditions say (`failover.core`: `conditions`, `traffic_report`, `follow`; `lifeline.runtime.conditions`,
`noc.projection`, `noc.hub`)."""
ROOTS: Final[Sequence[str]] = (
    N_("{srg} is cut: its links failed together"),
    N_("{srg} is whole again: its links are back, or something else explains them"),
    N_("Notifications do not reach {receivers}"),
    N_("Notifications get through"),
    N_("Nothing that stands explains it."),
    N_("Nothing that stands explains it; {n} alarm follows from it."),
    N_("Nothing that stands explains it; {n} alarms follow from it."),
    N_(
        "Links of this shared-risk group, which has {all}, failed together, and neither power nor a site explains "
        "them: {n} alarms follow from it."
    ),
    N_("It follows from {causes}: {because}."),
    N_("It follows from {causes}: {because}; the root is {root}."),
    N_("who reports it knows its cause"),
    N_("it ends at, or passes, a site without power"),
    N_("all links of that site, which share no risk, have failed together: the site itself has failed"),
    N_("it ends there"),
    N_("it runs through it"),
    N_("it has no power"),
    N_("its daemon keeps ending"),
    N_("its site has failed"),
    N_("no other path leads to its site"),
    N_("its way to the core is lost"),
    N_("the link is lost"),
    N_("a path of the group is lost"),
    N_("a path is degraded"),
    N_("all paths of the group are lost"),
    N_("its time source is at fault"),
    N_("it takes its time from the core"),
    N_("its controller does not work"),
    N_("the base station serves on its own"),
    N_("no other path leads to the station"),
    N_("nothing is heard from the station's site"),
    N_("it is the device's summary of its alarms"),
)
"""Why an alarm is a root, or follows from others (`lifeline.alarms`: `explain`, `correlate`, `ducts`)."""
TEMPLATES: Final = (*WHY, *REFUSALS, *ORDERED, *REASONS, *CONDITIONS, *ROOTS, *BFD_DIAGNOSTIC, *PROTECTION_STATE)

_GAP = re.compile(r"\{(\w+)(:[^}]*)?\}")


def phrase(sentence: str, site_name: Callable[[str], str] = str) -> str:
    """Return a daemon's sentence in the operator's language, its gaps' contents too where they are phrases.

    Args:
        sentence: as it stands in the journal.
        site_name: gives the name to show for a site's id.
    """
    if (found := _match(sentence)) is None:
        return sentence
    template, gaps = found
    shown = {name: site_name(text) if name == "site" else phrase(text, site_name) for name, text in gaps}
    # The gaps are filled as they stand: a number that came as text is not formatted again.
    return _GAP.sub(lambda gap: shown[gap[1]], _(template))


@lru_cache(maxsize=1024)
def _match(sentence: str) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """Return the template that a sentence was made from, and what stands in its gaps."""
    for pattern, template in _patterns():
        if match := pattern.fullmatch(sentence):
            return template, tuple(match.groupdict().items())
    return None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return each template as a pattern, the longest first: the most particular wins."""
    return tuple((_pattern(t), t) for t in sorted(TEMPLATES, key=len, reverse=True))


def _pattern(template: str) -> re.Pattern[str]:
    parts: list[str] = []
    at = 0
    for gap in _GAP.finditer(template):
        parts += (re.escape(template[at : gap.start()]), f"(?P<{gap[1]}>.+?)")
        at = gap.end()
    return re.compile("".join(parts) + re.escape(template[at:]))
