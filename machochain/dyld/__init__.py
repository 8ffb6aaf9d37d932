"""What dyld would try, check and say: pure functions over frozen values.

Each rule cites the place in Apple's published source it was read from, as ``dyld-TAG, file: function()``.
A module here can be read with that source beside it.
"""
