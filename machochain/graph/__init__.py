"""The driver: dyld's walk over a process, and the load graph that comes of it."""
