"""The operations of /api/v1, a file a resource."""
