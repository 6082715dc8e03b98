"""Circuits and documentations in the files of others."""
