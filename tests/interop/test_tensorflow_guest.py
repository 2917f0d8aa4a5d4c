"""Filesystems of recordfs inside TensorFlow: everything of TensorFlow's that opens files, over files in memory."""

import pytest

from support.peers import PeerError, peer_process

pytestmark = pytest.mark.peer

PREPARE = """
    import os, threading, time
    import tensorflow as tf
    import recordfs
    from recordfs.interop.tensorflow import register

    # TensorFlow has a ram:// of its own, so recordfs's goes by another name.
    register("mem", target="ram")
    memory = recordfs.get_file_system("ram://")

    class StubbornFileSystem(type(memory)):
        '''Raises what it is told to raise.'''
        error = None

        def new_random_access_file(self, path):
            file = super().new_random_access_file(path)
            if self.error is not None:
                raise self.error
            return file

        def stat(self, path):
            if self.error is not None:
                raise self.error
            return super().stat(path)

    stubborn = StubbornFileSystem()
    register("stubborn", stubborn, target="ram")

    class OnceWrittenFileSystem(type(memory)):
        '''Cannot append, like most object stores.'''
        def capabilities(self, path):
            return super().capabilities(path)._replace(append=False)

        def new_appendable_file(self, path):
            raise self._unimplemented("append to files", path)

    register("once", OnceWrittenFileSystem(), target="ram")

    def contents(path):
        with memory.new_random_access_file(path) as file:
            return file.read(0, file.size())

    def put(path, data):
        with memory.new_writable_file(path) as file:
            file.append(data)

    def put_records(path, records):
        with recordfs.RecordWriter(path) as writer:
            writer.write_batch(records)

    state.update({name: value for name, value in globals().items() if not name.startswith("_")})
"""


@pytest.fixture(scope="module")
def tensorflow():
    with peer_process("tensorflow", recordfs=True) as process:
        process.call(PREPARE)
        yield lambda source, **arguments: process.call("globals().update(state)\n" + _dedented(source), **arguments)


def _dedented(source):
    import textwrap

    return textwrap.dedent(source)


def test_gfile_makes_lists_moves_and_deletes(tensorflow):
    found = tensorflow("""
        gfile = tf.io.gfile
        gfile.makedirs("mem://g/a/b")
        gfile.makedirs("mem://g/a/b")
        with gfile.GFile("mem://g/a/one", "w") as file:
            file.write("1234")
        with gfile.GFile("mem://g/a/one", "a") as file:
            file.write("56")
        gfile.copy("mem://g/a/one", "mem://g/a/two")
        gfile.rename("mem://g/a/two", "mem://g/three", overwrite=True)
        result = {
            "listed": sorted(gfile.listdir("mem://g/a")),
            "matched": sorted(gfile.glob("mem://g/*")),
            "walked": [(top, sorted(d), sorted(f)) for top, d, f in gfile.walk("mem://g")],
            "read": gfile.GFile("mem://g/three").read(),
            "size": gfile.stat("mem://g/three").length,
            "directories": [gfile.isdir("mem://g/a"), gfile.isdir("mem://g/three"), gfile.isdir("mem://g/no")],
            "exists": [gfile.exists("mem://g/three"), gfile.exists("mem://g/no")],
        }
        gfile.remove("mem://g/three")
        gfile.rmtree("mem://g")
        result["after"] = gfile.exists("mem://g")
    """)
    assert found == {
        "listed": ["b", "one"],
        "matched": ["mem://g/a", "mem://g/three"],
        "walked": [["mem://g", ["a"], ["three"]], ["mem://g/a", ["b"], ["one"]], ["mem://g/a/b", [], []]],
        "read": "123456",
        "size": 6,
        "directories": [True, False, False],
        "exists": [True, False],
        "after": False,
    }


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_records_written_by_tensorflow_are_read_by_both(tensorflow, compression):
    assert tensorflow(
        """
        import recordfs
        records = [b"%d" % number * (number % 700) for number in range(3000)] + [b"x" * 3_000_000]
        with tf.io.TFRecordWriter("mem://records/file", compression) as writer:
            for record in records:
                writer.write(record)
        assert list(recordfs.RecordReader("ram://records/file")) == records
        dataset = tf.data.TFRecordDataset("mem://records/file", compression)
        result = [record.numpy() for record in dataset] == records
        """,
        compression=compression,
    )


def test_parallel_interleaved_prefetched_reading_loses_and_repeats_nothing(tensorflow):
    assert tensorflow("""
        expected = []
        for shard in range(16):
            records = [b"%d/%d" % (shard, number) * 50 for number in range(500)]
            put_records(f"ram://shards/{shard}", records)
            expected += records
        names = [f"mem://shards/{shard}" for shard in range(16)]
        parallel = tf.data.TFRecordDataset(names, num_parallel_reads=8)
        interleaved = (
            tf.data.Dataset.from_tensor_slices(names)
            .interleave(tf.data.TFRecordDataset, cycle_length=8, num_parallel_calls=4)
            .map(tf.identity, num_parallel_calls=4)
            .prefetch(4)
        )
        result = [sorted(r.numpy() for r in dataset) == sorted(expected) for dataset in (parallel, interleaved)]
    """) == [True, True]


def test_checkpoints_and_saved_models_come_back(tensorflow):
    assert tensorflow("""
        variable = tf.Variable(tf.random.normal([300, 1000]))
        saved = variable.numpy()
        checkpoint = tf.train.Checkpoint(variable=variable)
        manager = tf.train.CheckpointManager(checkpoint, "mem://checkpoints", max_to_keep=2)
        for _ in range(4):
            manager.save()
        variable.assign(tf.zeros_like(variable))
        checkpoint.restore(manager.latest_checkpoint)
        module = tf.Module()
        module.variable = variable
        module.double = tf.function(lambda x: 2.0 * x, input_signature=[tf.TensorSpec([], tf.float32)])
        tf.saved_model.save(module, "mem://model")
        loaded = tf.saved_model.load("mem://model")
        result = [
            (variable.numpy() == saved).all(),
            (loaded.variable.numpy() == saved).all(),
            float(loaded.double(4.0)),
            sorted(name for name in tf.io.gfile.listdir("mem://checkpoints") if name.endswith("index")),
        ]
    """) == [True, True, 8.0, ["ckpt-3.index", "ckpt-4.index"]]


def test_summaries_arrive(tensorflow):
    assert (
        tensorflow("""
        writer = tf.summary.create_file_writer("mem://summaries")
        with writer.as_default():
            for step in range(100):
                tf.summary.scalar("loss", 1.0 / (step + 1), step=step)
            writer.flush()
            [name] = memory.get_children("ram://summaries")
            flushed = sum(1 for _ in tf.compat.v1.train.summary_iterator(f"mem://summaries/{name}"))
        writer.close()
        result = flushed
    """)
        == 101
    )  # the version comes first


@pytest.mark.parametrize("scheme", ["mem", "once"])
def test_the_cache_and_saved_datasets_of_tf_data_work(tensorflow, scheme):
    assert tensorflow(
        """
        numbers = tf.data.Dataset.range(1000)
        cached = numbers.cache(f"{scheme}://cache-{scheme}/data")
        first, second = list(cached.as_numpy_iterator()), list(cached.as_numpy_iterator())
        numbers.save(f"{scheme}://saved-{scheme}")
        loaded = tf.data.Dataset.load(f"{scheme}://saved-{scheme}")
        result = [first == second == list(range(1000)), sorted(loaded.as_numpy_iterator()) == list(range(1000))]
        """,
        scheme=scheme,
    ) == [True, True]


def test_a_memory_region_becomes_a_constant_wherever_its_bytes_lie(tensorflow):
    """TensorFlow takes aligned memory only; a bytes object is aligned by chance."""
    assert tensorflow("""
        from recordfs import ReadOnlyMemoryRegion

        class Shifted(type(memory)):
            shift = 0

            def new_read_only_memory_region_from_file(self, path):
                data = contents(path)
                return ReadOnlyMemoryRegion(bytes(self.shift) + data).subregion(self.shift, len(data))

        shifted = Shifted()
        register("shifted", shifted, target="ram")
        numbers = tf.range(1000, dtype=tf.int64)
        put("ram://region", numbers.numpy().tobytes())
        result = set()
        for shifted.shift in range(0, 65, 8):
            constant = tf.raw_ops.ImmutableConst(
                dtype=tf.int64, shape=[1000], memory_region_name="shifted://region"
            )
            result.add(int(tf.reduce_sum(constant)))
        result = list(result)
    """) == [sum(range(1000))]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("recordfs.errors.NotFoundError('gone', path='ram://x')", "NotFoundError"),
        ("recordfs.errors.PermissionDeniedError('no')", "PermissionDeniedError"),
        ("recordfs.errors.UnavailableError('away')", "UnavailableError"),
        ("recordfs.errors.DataLossError('lost')", "DataLossError"),
        ("FileNotFoundError(2, 'gone')", "NotFoundError"),
        ("PermissionError('no errno')", "PermissionDeniedError"),
        ("TimeoutError('late')", "DeadlineExceededError"),
        ("NotImplementedError('cannot')", "UnimplementedError"),
        ("MemoryError()", "ResourceExhaustedError"),
        ("ZeroDivisionError('a fault of the filesystem')", "UnknownError"),
    ],
)
@pytest.mark.parametrize("by", ["tf.io.gfile.GFile(path).read()", "next(iter(tf.data.TFRecordDataset(path)))"])
def test_an_exception_becomes_the_error_of_its_kind_with_its_message(tensorflow, error, kind, by):
    with pytest.raises(PeerError) as caught:
        tensorflow(
            f"""
            put("ram://stubborn", b"")
            path = "stubborn://stubborn"
            stubborn.error = {error}
            try:
                {by}
            finally:
                stubborn.error = None
            """
        )
    assert caught.value.kind == kind
    message = error.split("'")[1] if "'" in error and not error.startswith("FileNotFound") else ""
    assert message in caught.value.message


def test_a_missing_file_whose_name_is_no_text_is_not_found(tensorflow):
    """The message names the path, and TensorFlow reads messages as UTF-8."""
    assert tensorflow("""
        result = [tf.io.gfile.exists(b"mem://caf\\xe9")]
        try:
            tf.io.gfile.stat(b"mem://caf\\xe9")
        except tf.errors.NotFoundError as error:
            result.append("caf" in error.message)
    """) == [False, True]


def test_an_out_of_range_in_the_middle_of_a_file_is_no_end_of_it(tensorflow):
    with pytest.raises(PeerError) as caught:
        tensorflow("""
            class Stops(type(memory)):
                def new_random_access_file(self, path):
                    file = super().new_random_access_file(path)

                    class Stopping(type(file)):
                        def read_into(self, offset, buffer):
                            if offset >= 4:
                                raise recordfs.errors.OutOfRangeError("not so far")
                            return super().read_into(offset, memoryview(buffer)[: 4 - offset])

                    file.__class__ = Stopping
                    return file

            register("stops", Stops(), target="ram")
            put("ram://stops", b"0123456789")
            tf.io.gfile.GFile("stops://stops").read()
        """)
    assert caught.value.kind == "InternalError"
    assert "before the end of the file failed: not so far" in caught.value.message


def test_a_name_with_a_nul_in_a_listing_is_an_error(tensorflow):
    with pytest.raises(PeerError) as caught:
        tensorflow("""
            class Nul(type(memory)):
                def get_matching_paths(self, pattern):
                    return ["ram://a", "ram://b\\0c"]

            register("nul", Nul(), target="ram")
            tf.io.gfile.glob("nul://*")
        """)
    assert caught.value.kind == "InternalError"
    assert "no name has a NUL in it" in caught.value.message


def test_a_missing_file_is_not_found_everywhere(tensorflow):
    for by in (
        'tf.io.gfile.GFile("mem://no").read()',
        'tf.io.gfile.listdir("mem://no/directory")',
        'tf.io.gfile.remove("mem://no")',
        'tf.io.gfile.stat("mem://no")',
        'tf.io.gfile.rmtree("mem://no")',
        'next(iter(tf.data.TFRecordDataset("mem://no")))',
    ):
        with pytest.raises(PeerError) as caught:
            tensorflow(by)
        assert caught.value.kind == "NotFoundError", by


def test_a_file_that_is_not_closed_is_published_when_it_is_dropped(tensorflow):
    assert (
        tensorflow("""
            import gc
            file = tf.io.gfile.GFile("mem://dropped", "w")
            file.write("kept")
            del file
            gc.collect()
            result = contents("ram://dropped")
        """)
        == b"kept"
    )


def test_a_file_that_was_closed_takes_no_more(tensorflow):
    with pytest.raises(PeerError) as caught:
        tensorflow("""
            writer = tf.io.TFRecordWriter("mem://closed")
            writer.write(b"kept")
            writer.close()
            writer.write(b"lost")
        """)
    assert caught.value.kind == "FailedPreconditionError"
    assert tensorflow('result = list(recordfs.RecordReader("ram://closed"))') == [b"kept"]


def test_readers_of_a_growing_file_see_what_comes(tensorflow):
    assert tensorflow("""
        writer = tf.io.gfile.GFile("mem://growing", "w")
        writer.write("1" * 10)
        writer.flush()
        reader = tf.io.gfile.GFile("mem://growing")
        first = reader.read(10)
        writer.write("2" * 10)
        writer.close()
        result = [first, tf.io.gfile.GFile("mem://growing").read()]
    """) == ["1" * 10, "1" * 10 + "2" * 10]


def test_what_cannot_be_registered_is_refused(tensorflow):
    for call, kind in (
        ('register("gs", memory)', "AlreadyExistsError"),
        ('register("mem", memory)', "AlreadyExistsError"),
        ('register("with-dash", memory)', "InvalidArgumentError"),
        ('register("unknown.scheme")', "UnknownSchemeError"),
        ('register("both", memory, options={})', "InvalidArgumentError"),
        ("register(5, memory)", "TypeError"),
        ('register("five", memory, target=5)', "TypeError"),
        ('register("number", 5)', "TypeError"),
        ('register("other.class", dict)', "TypeError"),
        ('register("abstract", recordfs.FileSystem)', "TypeError"),
    ):
        with pytest.raises(PeerError) as caught:
            tensorflow(call)
        assert caught.value.kind == kind, call


def test_a_class_of_filesystems_serves_a_scheme_and_so_does_one_that_is_false(tensorflow):
    assert tensorflow("""
        class Sized(type(memory)):
            def __len__(self):
                return 0

            def get_file_size(self, path):
                return 77

            def stat(self, path):
                return super().stat(path)._replace(length=77)

        put("ram://three", b"123")
        register("by.class", Sized, target="ram")
        register("false", Sized(), target="ram")
        result = [tf.io.gfile.stat(f"{scheme}://three").length for scheme in ("mem", "by.class", "false")]
    """) == [3, 77, 77]


def test_a_scheme_can_be_served_by_another_filesystem_later(tensorflow):
    assert (
        tensorflow("""
        put("ram://later", b"bytes")
        register("later", OnceWrittenFileSystem(), target="ram")
        register("later", memory, target="ram", overwrite=True)
        with tf.io.gfile.GFile("later://later", "a") as file:
            file.write(" and more")
        result = tf.io.gfile.GFile("later://later").read()
    """)
        == "bytes and more"
    )


def test_busy_python_threads_and_dropped_iterators_stop_nothing(tensorflow):
    assert tensorflow("""
        for shard in range(4):
            put_records(f"ram://busy/{shard}", [b"x" * 1000] * 2000)
        over = threading.Event()

        def spin():
            while not over.is_set():
                sum(range(1000))

        threads = [threading.Thread(target=spin) for _ in range(3)]
        for thread in threads:
            thread.start()
        names = [f"mem://busy/{shard}" for shard in range(4)]
        try:
            for _ in range(15):
                iterator = iter(tf.data.TFRecordDataset(names, num_parallel_reads=4).repeat().prefetch(8))
                for _ in range(5):
                    next(iterator)
                del iterator
        finally:
            over.set()
            for thread in threads:
                thread.join()
        result = True
    """)


def test_a_filesystem_may_use_tensorflow_itself(tensorflow):
    assert (
        tensorflow("""
        class Reentrant(type(memory)):
            def new_random_access_file(self, path):
                inner = path.replace("outer", "inner")
                if inner != path:
                    # From a thread of TensorFlow's this needs a second worker while the first waits for it.
                    assert [r.numpy() for r in tf.data.TFRecordDataset("re" + inner[3:])] == [b"inner"]
                return super().new_random_access_file(path)

        register("re", Reentrant(), target="ram")
        put_records("ram://inner", [b"inner"])
        for number in range(6):
            put_records(f"ram://outer{number}", [b"outer"])
        register("reram", memory, target="ram")
        names = [f"re://outer{number}" for number in range(6)]
        for number in range(6):
            put_records(f"ram://inner{number}", [b"inner"])
        result = [r.numpy() for r in tf.data.TFRecordDataset(names, num_parallel_reads=6)]
    """)
        == [b"outer"] * 6
    )


def test_ctrl_c_in_a_filesystem_reaches_the_program(tensorflow):
    assert (
        tensorflow("""
            put("ram://interrupted", b"")
            stubborn.error = KeyboardInterrupt()
            result = []
            try:
                try:
                    tf.io.gfile.stat("stubborn://interrupted")
                except tf.errors.CancelledError:
                    result.append("cancelled")
                    # Python sees an interrupt between two of its lines: it ends no sleep that has begun.
                    end = time.monotonic() + 60
                    while time.monotonic() < end:
                        time.sleep(0.01)
            except KeyboardInterrupt:
                result.append("interrupted")
            finally:
                stubborn.error = None
            result = result[-1]
        """)
        == "interrupted"
    )


def test_a_forked_child_reads_and_writes(tensorflow):
    """In the thread that forked; of TensorFlow's own threads the child has none, whatever the filesystem."""
    assert (
        tensorflow("""
            import os
            from recordfs.filesystems.posix import PosixFileSystem

            class Local(PosixFileSystem):
                def new_random_access_file(self, path):
                    return super().new_random_access_file(path.removeprefix("local://"))
                def new_writable_file(self, path, **options):
                    return super().new_writable_file(path.removeprefix("local://"), **options)
                def stat(self, path):
                    return super().stat(path.removeprefix("local://"))

            register("local", Local())
            path = f"local://{os.getcwd()}/forked"
            with tf.io.gfile.GFile(path, "w") as file:
                file.write("parent")
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    with tf.io.gfile.GFile(path + "2", "w") as file:
                        file.write(tf.io.gfile.GFile(path).read() + " and child")
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            result = tf.io.gfile.GFile(path + "2").read()
        """)
        == "parent and child"
    )
