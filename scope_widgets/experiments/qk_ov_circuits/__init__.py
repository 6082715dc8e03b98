"""What heads make of residual streams by their weights alone (QK and OV circuits), and the streams of single tokens."""
