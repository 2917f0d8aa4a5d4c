"""What the object stores share: directories over flat keys, bulk work, counting. Never a backend itself."""
