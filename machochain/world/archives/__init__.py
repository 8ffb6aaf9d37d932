"""Archives as inputs: what users download, opened as an installer would, into a temporary folder of its own.

- ``opening``: the door. `open_artifact` unpacks one file, and what is packed in it.
- ``containers``: how things are packed, one module a format, in one registry.
- ``packages``: what an archive is to those who install it, and where it comes to lie: one module a kind, one registry.
- ``tree``, ``links``, ``names``, ``budget``: what entries become on this machine, and what they may cost.
- ``compression``, ``forward``: streams of bounded memory.
- ``places``: an open archive on the modelled Mac.
"""
