"""What follows from the contract for any filesystem: copies, trees, patterns, pinned files.

Each function takes the filesystem as its first argument and uses nothing but its public methods. ``FileSystem`` calls
them where a backend has no faster way of its own, and a backend does where its own way does not apply.
"""
