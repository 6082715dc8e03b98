"""What each kind of suite measures."""
