"""A site's agent: turns the fast path's reports into durable events, conditions and live states for the hub.

The agent never stands between the fast path and the traffic. Killed at any moment, it goes on where its outbox stands.
"""
