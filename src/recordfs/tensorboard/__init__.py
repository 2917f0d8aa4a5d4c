"""TensorBoard over any filesystem: a data provider that opens a log directory without reading it.

``LogCatalog`` knows which runs and tags there are, from one listing and one read a file; ``DataProvider`` answers
TensorBoard's questions from it, a curve by one ranged read a file; ``serve`` lets TensorBoard ask them over gRPC, as
its public flag ``--grpc_data_provider`` has it. ``recordfs.tensorboard.plugin`` sets that flag in every TensorBoard
that is given a URL, and ``recordfs.tensorboard.launcher`` is ``recordfs tensorboard``.
"""
