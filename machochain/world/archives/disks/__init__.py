"""Disk images.

How their bytes are packed (``udif``, ``codecs``), where file systems begin in them (``partitions``), and the file
systems (``apple``, which are read by libyal, and ``fat``).
"""
