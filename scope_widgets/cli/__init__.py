"""The command line, `microscope`: one module a command."""

from scope_widgets.cli.command_line import main

__all__ = ["main"]
