"""`lifeline history`: what was measured, as a plot in the terminal, a table of latest values, or JSON."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from lifeline.clock import wall_ns
from lifeline.i18n import _
from noc.client import HubClient

from .ask import Duration, View, ask, clock_text, hub_option
from .output import emit, emit_json, emit_table, json_option

_HEIGHT_MAX, _WIDTH_MAX = 20, 160
_MARGIN = 14
"""What the plot's vertical axis takes."""


@click.command(
    help=_("""Plot METRIC of SUBJECT over time; without METRIC list the latest values.

\b
Examples:
  lifeline history power:sbs-dongcheng
  lifeline history power:sbs-dongcheng battery_charge --since 6h
  lifeline history device:core/router if_in_octets_rate --since 7d --step 1h --json""")
)
@click.argument("subject")
@click.argument("metric", required=False)
@click.option("--since", type=Duration(), default="2h", show_default=True, help=_("How far back: 30min, 2h, 7d."))
@click.option("--step", type=Duration(), help=_("Width of a point; what suits the span otherwise."))
@hub_option()
@json_option()
def history(subject: str, metric: str | None, since: float, step: float | None, hub: str | None, as_json: bool) -> None:
    """Show what was measured."""
    if metric is None:
        _latest(subject, hub, as_json=as_json)
        return
    now_s = wall_ns() // 1_000_000_000
    width_s = int(step) if step else None

    async def question(client: HubClient) -> View:
        return await client.history(subject, metric, now_s - int(since), now_s, width_s)

    found = ask(hub, question)
    if as_json:
        emit_json(found["schema"], {name: value for name, value in found.items() if name != "schema"})
        return
    points = [point for point in found["points"] if point[1] is not None]
    if not points:
        emit(_("nothing was measured in that time"))
        return
    emit(_plot(points, found["unit"]))
    values = [point[1] for point in points]
    emit(_("{metric}: now {now:g}, least {least:g}, greatest {most:g} {unit}").format(
        metric=metric, now=values[-1], least=min(point[2] for point in points), most=max(point[3] for point in points),
        unit=found["unit"]))  # fmt: skip


def _latest(subject: str, hub: str | None, *, as_json: bool) -> None:
    readings = ask(hub, lambda client: client.readings(subject))
    if as_json:
        emit_json("lifeline.readings/1", {"readings": readings})
        return
    emit_table(
        [_("Subject"), _("Metric"), _("Value"), _("Unit"), _("Quality"), _("At")],
        [
            [it["subject"], it["metric"], it["value"], it["unit"], it["quality"], clock_text(it["observed_at_ns"])]
            for it in sorted(readings, key=lambda it: (it["subject"], it["metric"]))
        ],
    )


def _plot(points: Sequence[Sequence[Any]], unit: str) -> str:
    """Return a plot as wide as the terminal; times are UTC."""
    import plotille

    size = shutil.get_terminal_size()
    figure = plotille.Figure()
    figure.width = max(20, min(size.columns, _WIDTH_MAX) - _MARGIN)
    figure.height = max(5, min(size.lines - 8, _HEIGHT_MAX))
    figure.origin = False
    figure.x_label, figure.y_label = "UTC", unit
    first, last = points[0][0], points[-1][0]
    form = "%H:%M:%S" if last - first < 86_400e9 else "%m-%d %H"
    figure.register_label_formatter(float, _label)
    times = [datetime.fromtimestamp(point[0] / 1e9, UTC) for point in points]
    figure.register_label_formatter(datetime, lambda value, **_more: value.strftime(form))
    figure.plot(times, [float(point[1]) for point in points])
    return str(figure.show())


def _label(value: float, *, chars: int, left: bool = False, **_more: Any) -> str:
    text = f"{value:.5g}"
    return text.ljust(chars) if left else text.rjust(chars)
