"""News of a request, shown as a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

from scope_widgets.remote.client.job import JobStatus, Listener

#: seconds before a bar appears: most requests are over by then
_DELAY = 1.0


@contextmanager
def told(listener: Listener | None) -> Iterator[Listener]:
    """Give who is told the news: `listener`, or a progress bar for the length of the block."""
    if listener is not None:
        yield listener
        return
    with tqdm(desc="NDIF", delay=_DELAY, leave=False, total=0) as bar:

        def show(news: JobStatus) -> None:
            if news.state == "said":
                tqdm.write(news.text)
                return
            words = news.text if news.total or news.state != "running" else ""
            bar.set_description(f"NDIF: {news.state}{f', {words}' if words else ''}", refresh=False)
            bar.total, bar.n = news.total, news.done
            bar.bar_format = None if news.total else "{desc}[{elapsed}]"
            bar.update(0)

        yield show
