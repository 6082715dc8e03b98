"""The user's side of a request to an NDIF server."""
