"""What `microscope doctor` looks at: packages, speed, and the hosts that show views."""

from scope_widgets.cli.installation.finding import Finding
from scope_widgets.cli.installation.hosts import hosts
from scope_widgets.cli.installation.packages import packages
from scope_widgets.cli.installation.speed import speed

__all__ = ["Finding", "hosts", "packages", "speed"]
