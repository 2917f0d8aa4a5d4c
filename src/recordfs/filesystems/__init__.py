"""The filesystems that come with recordfs, one a module. The registry imports them by name, when first needed."""
