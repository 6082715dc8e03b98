"""`python -m scope_widgets.cli`."""

import sys

from scope_widgets.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
