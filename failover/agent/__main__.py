"""`python -m failover.agent PLAN`: the process that `lifeline agent run` turns into."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import structlog

from lifeline.runtime.logging import configure_logging
from lifeline.runtime.outbox import Outbox, OutboxFullError, OutboxVersionError
from lifeline.runtime.uplink import Uplink

from ..plan import PlanError
from .agent import Agent
from .observe import Observer
from .plan import AgentPlan

EXIT_FAILED, EXIT_USAGE = 1, 2
FULL_RETRY_S = 1.0
FAREWELL_S = 1.0

log = structlog.get_logger("failover.agent")


async def serve(plan: AgentPlan, token: str | None) -> None:
    """Run an agent until SIGTERM or SIGINT, then give the uplink a moment to tell the last news."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    outbox = Outbox(Path(plan.data) / "agent-outbox.db", plan.node)
    if not await _open(outbox, stop):
        return
    uplink = Uplink(
        outbox, plan.site, plan.hubs, token, plan.ca,
        on_command=lambda command: agent.command(command),  # noqa: PLW0108 - the agent is made of the uplink
    )  # fmt: skip
    agent = Agent(plan, outbox, uplink)
    observer = Observer(agent, outbox, uplink)
    running = asyncio.create_task(_run(agent, observer))
    stopping = asyncio.create_task(stop.wait())
    log.info("agent started", site=plan.site, hubs=list(plan.hubs), fast_path=plan.expects_fast_path)
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await uplink.flush(FAREWELL_S)
    finally:
        for task in (running, stopping):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        outbox.close()
        log.info("agent stopped")


async def _run(agent: Agent, observer: Observer) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.run(observer.look))
        if agent.plan.metrics:
            tasks.create_task(observer.serve(agent.plan.metrics))


async def _open(outbox: Outbox, stop: asyncio.Event) -> bool:
    """Open the outbox, waiting for room on a full disk; return False when told to stop meanwhile."""
    while not stop.is_set():
        try:
            outbox.open()
        except OutboxFullError:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FULL_RETRY_S)
        else:
            return True
    return False


def main(arguments: list[str]) -> int:
    """Run the agent of a plan. Returns the exit code."""
    configure_logging("agent")
    try:
        plan = AgentPlan.load(Path(arguments[0]))
        configure_logging(plan.node)
        token = Path(plan.token_file).read_text(encoding="utf-8").strip() if plan.token_file else None
        asyncio.run(serve(plan, token))
    except IndexError:
        log.error("usage: python -m failover.agent PLAN")  # noqa: TRY400 - a traceback tells nothing here
        return EXIT_USAGE
    except (PlanError, ValueError, OutboxVersionError) as error:
        log.error("cannot start", error=str(error))  # noqa: TRY400 - the text is all there is to know
        return EXIT_USAGE
    except OSError as error:
        log.error("cannot start", error=str(error))  # noqa: TRY400 - the text is all there is to know
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
