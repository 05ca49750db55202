"""The edge loop's process (ADR 0003): BFD, protection and netlink in one loop with nothing else in it.

It imports the standard library, `failover.core`, `failover.io` and the plan; no asyncio, pydantic or logging framework.
"""
