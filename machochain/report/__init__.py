"""Renderers: one form a file. Words live here; facts come from below."""
