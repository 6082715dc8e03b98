"""What all views share: the base class, requests of the browser, selection, saved pages, stills."""
