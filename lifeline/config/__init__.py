"""Reads the inventory; every error names file, line, column, what is wrong and what would be right."""

from .loader import ConfigError, Problem, load_inventory

__all__ = ["ConfigError", "Problem", "load_inventory"]
