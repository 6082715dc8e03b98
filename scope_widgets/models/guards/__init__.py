"""What holds for as long as a model is run: its lock, no dropout, no compiler, and that all is put back afterwards."""

from scope_widgets.models.guards import wait_before_fork as wait_before_fork
