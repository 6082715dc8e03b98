"""All latents of a sparse autoencoder: a list, a page of each, and what fires on a text."""

from scope_widgets.widgets.feature_browser.feature_browser import FeatureBrowser as FeatureBrowser

__all__ = ["FeatureBrowser"]
