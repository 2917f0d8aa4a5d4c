"""What ``gfile`` and ``file_io`` have in common: the file object, and functions on paths with TensorFlow's answers."""
