"""Reads the inventory; every error names file, line, column, what is wrong and what would be right."""

from .loader import load_inventory, parse_inventory
from .problems import ConfigError, Problem
from .secrets import SecretError, read_secret

__all__ = ["ConfigError", "Problem", "SecretError", "load_inventory", "parse_inventory", "read_secret"]
