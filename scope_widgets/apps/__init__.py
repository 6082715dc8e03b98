"""What stands on top of everything else and uses only what is public."""
