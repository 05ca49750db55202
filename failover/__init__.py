"""failover acts: BFD and linear protection in core, netlink in io, one agent and one fast path per site."""
