"""Runs that leave a folder: events, tables, figures, and how they ended."""
