"""The projector of a TensorBoard with TensorFlow: embeddings of checkpoints on a filesystem of the user's own."""

import textwrap

import pytest

from support.peers import call_peer
from support.tensorboard import TensorBoard

pytestmark = [pytest.mark.peer, pytest.mark.slow]

STORE = """
    import recordfs
    from recordfs.filesystems.posix import PosixFileSystem

    @recordfs.register_file_system("mystore")
    class MyStore(PosixFileSystem):
        pass
"""


def test_embeddings_on_a_filesystem_of_the_users_own_are_found_when_asked_for(tmp_path):
    root = str(tmp_path / "logs")
    call_peer(
        "tensorflow",
        """
        import tensorflow as tf
        embedding = tf.Variable(tf.zeros((20, 3)))
        tf.train.Checkpoint(embedding=embedding).save(root + "/run/checkpoint_of_run")
        with tf.summary.create_file_writer(root + "/run").as_default():
            tf.summary.scalar("loss", 1.0, step=1)
            tf.summary.flush()
        """,
        root=root,
    )
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "my_store.py").write_text(textwrap.dedent(STORE))
    environment = {"RECORDFS_PLUGIN_MODULES": "my_store"}
    flags = ("--recordfs_projector", "on")
    with TensorBoard(
        f"mystore://{root}", "recordfs", *flags, environment=environment, modules=str(tmp_path / "modules")
    ) as board:
        board.wait_for_runs({"run"})
        board.wait_until(lambda: board.get("plugins_listing")["projector"]["enabled"])
        assert board.get("plugin/projector/runs") == ["run"]
        [found] = board.get("plugin/projector/info", run="run")["embeddings"]
        assert found["tensorShape"] == [20, 3]
