"""Recording and indexing on several machines, by Ray: `pip install 'scope-widgets[ray]'`."""

from scope_widgets.features.distributed.index_on_ray import index
from scope_widgets.features.distributed.record_on_ray import record

__all__ = ["index", "record"]
