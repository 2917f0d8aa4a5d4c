"""Filesystem plugins for TensorFlow's C interface, loaded without TensorFlow: ``recordfs.load_file_system_library``."""
