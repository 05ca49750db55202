"""Measures what lifeline must reach, and what its peers reach in the same run. It never asserts: it reports."""
