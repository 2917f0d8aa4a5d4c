"""The commands, one a file; ``recordfs.cli`` says what such a file holds."""
