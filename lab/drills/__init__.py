"""Drills: objective, target, steady state, timed critical tasks, rating, and a lab that is always healed.

`record` says what a drill leaves behind, `judge` turns what was seen into tasks and a verdict (pure), `steady` knows
when the network is fit to be drilled (pure), `watch` follows the hub, and each drill is a module of its own.
"""
