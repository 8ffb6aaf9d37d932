"""What holds for every test."""

from hypothesis import settings

# The same examples in every run: a pipeline must not fail by chance. `-m fuzz` is where new ones are looked for.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
