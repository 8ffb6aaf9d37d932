"""Remedies carried out: load commands edited in the room behind the header, signatures made anew, the result proved."""
