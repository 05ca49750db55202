"""Telling people: which alarms, whom, when, how often, and by which means.

    alarm views -> pipeline (pure: select, settle, group, repeat, escalate) -> senders (webhook, e-mail, syslog)

Only roots are told of, so that one cut is one message. A heartbeat outward lets somebody else notice when lifeline
itself is silent.
"""
