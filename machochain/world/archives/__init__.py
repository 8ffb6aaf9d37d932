"""Wheels, zips, tars and their like: opened, unpacked, and placed on the modelled Mac."""
