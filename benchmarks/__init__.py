"""Measurements of machochain: right answers and time."""
