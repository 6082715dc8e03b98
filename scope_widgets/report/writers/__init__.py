"""Writers: entries from what the package finds."""
