"""Entries: statements about components, their names, and the edges that they document."""
