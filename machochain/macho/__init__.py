"""Readers of Mach-O files and static archives: bytes to facts, no judgement."""
