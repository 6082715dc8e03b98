"""What the residual stream says when it is read out before its end."""
