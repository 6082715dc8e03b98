"""Other packages that a run tells too, each named by the user and imported only then."""

from scope_widgets.tracking.adapters.adapter import Adapter
from scope_widgets.tracking.adapters.open_adapters import NAMES, Options, check_adapters, open_adapters

__all__ = ["NAMES", "Adapter", "Options", "check_adapters", "open_adapters"]
