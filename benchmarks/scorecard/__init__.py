"""Nineteen small situations with one right answer each, put to machochain and to every peer that is installed.

``python -m benchmarks.scorecard`` prints the table. The files are made by the tests' factory, so no Mac is needed.
"""
