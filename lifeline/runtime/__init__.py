"""What every daemon runs on: outbox, uplink, logs, metrics, and the supervisor that keeps it alive.

Import from the modules; this package stays empty so that a light process pays only for what it uses.
"""
