"""What the project runs on itself: making the peers' environments, and talking to them."""
