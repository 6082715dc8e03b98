"""The version of this package, for the wheel and for the provenance of its figures."""

__version__ = "0.1.0"
