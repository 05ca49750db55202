"""Thin shells around real protocols: they forward, re-arm one timer, and judge nothing."""
