"""Kinds of steps: what a playbook can do. Found by the entry points `lifeline.steps`, so that users add their own."""

from .kind import Context, SecretsError, StepError, StepKind
from .registry import Registry

__all__ = ["Context", "Registry", "SecretsError", "StepError", "StepKind"]
