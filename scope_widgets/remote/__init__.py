"""Models on an NDIF server: what is asked travels there, and only what was asked for comes back."""
