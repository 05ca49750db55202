"""Simulated equipment for the lab."""
