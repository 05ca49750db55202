"""What a playbook file may say. The dataclasses are the format: the JSON Schema and the checks follow from them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from lifeline.i18n import _
from lifeline.model.fields import STRICT, Id
from lifeline.model.inventory import SecretRef
from lifeline.model.records import PerceivedSeverity

Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Seconds = Annotated[float, Field(ge=0, le=31 * 86_400)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$", max_length=40)]
"""Of a parameter or a secret: a word that expressions can use."""
StepName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)?$", max_length=60)]
CRON_FIELDS: Final = 5


@dataclass(frozen=True, slots=True, config=STRICT)
class Trigger:
    """The condition on which the playbook starts by itself."""

    condition: Text
    """Name of the condition; `*` stands for any letters."""
    subject: Text = "*"
    """Subject of the condition, such as `power:*`."""
    severity: PerceivedSeverity = PerceivedSeverity.WARNING
    """The least severity."""
    for_s: Seconds = 0.0
    """How long the condition must stand."""
    correlate: Literal["subject", "site", "playbook"] = "subject"
    """What shares one run while it is not over: the same subject, the same site, or everything."""
    debounce_s: Seconds = 60.0
    """After a run of the same correlation began, none begins for this long."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Schedule:
    """When the playbook starts by the calendar."""

    cron: Text
    """Minute, hour, day of month, month and day of week, as crontab has them."""
    timezone: Text = "UTC"
    """IANA name of the zone in which the calendar counts."""
    late_s: Seconds = 3600.0
    """A start missed while nobody could start it is made up for within this time."""
    parameters: dict[Name, Any] = Field(default_factory=dict)
    """Of the run."""

    @model_validator(mode="after")
    def _five_fields(self) -> Self:
        if len(self.cron.split()) != CRON_FIELDS:
            raise ValueError(_("cron has five fields: minute hour day month weekday"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Check:
    """What must be so, by a fact that is known and not too old: the unknown and the stale satisfy nothing."""

    fact: Text
    """The fact's name, such as `live:power:{{ site }}`."""
    that: Text
    """Expression over `value`, `age_s`, the parameters, `trigger` and `steps`."""
    max_age_s: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    """How old the fact may be."""
    within_s: Seconds = 0.0
    """How long to wait for it to become so."""
    text: str = ""
    """What it means, for people."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Approval:
    """Who must agree before anything is done. It binds to the hash of the resolved plan."""

    people: Annotated[int, Field(ge=1, le=5)] = 1
    """How many different people."""
    not_initiator: bool = True
    """Whether the one who started the run does not count."""
    expires_s: Annotated[float, Field(ge=1, le=7 * 86_400)] = 600.0
    """How long the request stands."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Limits:
    """How much may go on at once."""

    site: Count = 1
    """Runs of this playbook at one site."""
    everywhere: Count = 20
    """Runs of this playbook at all sites."""
    per_hour: Count = 60
    """Runs of this playbook begun in an hour."""
    freeze_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """When more than this share of sites fails at once, the run waits for a person."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Retry:
    """How often a step is tried again after a failure that left nothing behind."""

    max: Annotated[int, Field(ge=0, le=20)] = 0
    """Times beyond the first."""
    backoff_s: Seconds = 5.0
    """Wait before the first of these; each further one twice as long, at most five minutes."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Undo:
    """How a step is taken back."""

    do: StepName
    """The kind of step."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Its arguments; text may contain `{{ expression }}`."""
    verify: Check | None = None
    """What must be so afterwards."""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How long it may take."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Step:
    """One thing to do."""

    id: Id
    """Names it within the playbook."""
    do: StepName
    """The kind of step, such as `protection.force`; `lifeline playbook steps` lists them."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Its arguments; text may contain `{{ expression }}`."""
    text: str = ""
    """What it is for."""
    when: Text | None = None
    """Expression over parameters, `trigger` and `steps`; the step is passed over when it is false."""
    precheck: Check | None = None
    """What must be so before it is done."""
    verify: Check | None = None
    """What must be so afterwards, besides what the step itself can read."""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How long it may take."""
    retry: Retry = Field(default_factory=Retry)
    """What happens after a failure."""
    idempotency: Literal["kind", "never"] = "kind"
    """`kind`: what its kind offers (a read probe, or repetition without harm) decides when its outcome is not known;
    `never`: a person does."""
    compensate: Undo | None = None
    """How it is taken back when a later step fails."""
    on_failure: Literal["compensate", "continue"] = "compensate"
    """`continue`: the run goes on; for what only informs."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Parameter:
    """A value that a run is given."""

    text: str = ""
    """What it is."""
    default: Any = None
    """Expression text in `{{ }}` or a value; without it the run must be given one."""
    pattern: str | None = None
    """Regular expression that the whole value must match."""

    @model_validator(mode="after")
    def _pattern_is_one(self) -> Self:
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(_("is no regular expression: {error}").format(error=error)) from None
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Playbook:
    """What to do when something happens, how to know that it worked, and how to take it back."""

    playbook: Id
    """Its name."""
    version: Annotated[int, Field(ge=1)]
    """Grows with each change of meaning."""
    summary: Text
    """What it does, in a sentence."""
    steps: Annotated[list[Step], Field(min_length=1, max_length=100)]
    """In this order."""
    triggers: list[Trigger] = Field(default_factory=list)
    """Conditions that start it; none: people only."""
    schedules: list[Schedule] = Field(default_factory=list)
    """Times that start it."""
    parameters: dict[Name, Parameter] = Field(default_factory=dict)
    """What a run is given."""
    guards: list[Check] = Field(default_factory=list)
    """What must be so before the run begins."""
    not_in_maintenance: list[Text] = Field(default_factory=list)
    """Subjects that must not be under maintenance."""
    approval: Approval | None = None
    """Who must agree; none: nobody needs to."""
    locks: list[Text] = Field(default_factory=list)
    """What no two runs touch at once, such as `site:{{ site }}`."""
    limits: Limits = Field(default_factory=Limits)
    """How much may go on at once."""
    verify: list[Check] = Field(default_factory=list)
    """What must be so when all steps are done."""
    secrets: dict[Name, SecretRef] = Field(default_factory=dict)
    """Secrets that steps use by name, by reference."""

    @model_validator(mode="after")
    def _ids_once(self) -> Self:
        seen: set[str] = set()
        for step in self.steps:
            if step.id in seen:
                raise ValueError(_("step id {id!r} is used twice").format(id=step.id))
            seen.add(step.id)
        return self
