"""What every open file of every backend shares, below the contract: checks, views of buffers, and being let go of.

The contract itself is ``recordfs.filesystem``, whose files are built of this.
"""
