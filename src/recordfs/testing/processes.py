"""The conformance scenarios P (processes and threads) and K (capabilities)."""

from __future__ import annotations

import os
import pickle
import threading
import warnings
from typing import TYPE_CHECKING

import pytest

from recordfs.errors import FailedPreconditionError, UnimplementedError
from recordfs.filesystem import Capabilities
from recordfs.testing.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CapabilityScenarios", "ProcessScenarios"]


class ProcessScenarios:
    """Other threads and other processes."""

    def test_p1_a_pickled_filesystem_serves_the_same_files(self, place: Place) -> None:
        path = place.put("f", b"bytes")
        again = pickle.loads(pickle.dumps(place.file_system))  # noqa: S301  # made one line before
        assert type(again) is type(place.file_system)
        assert Place(again, place.root).get(path) == b"bytes"

    def test_p2_a_forked_child_reads(self, place: Place) -> None:
        path = place.put("f", b"bytes")
        with place.file_system.new_random_access_file(path) as file:
            assert file.read(0, 5) == b"bytes"
            assert in_child(lambda: place.get(path)) == b"bytes"

    def test_p3_a_writer_belongs_to_its_process(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        file = place.file_system.new_writable_file(path)
        file.append(b"parent")

        def use_it() -> bytes:
            refused = b""
            for call in (lambda: file.append(b"child"), file.flush, file.sync, file.tell, file.close):
                try:
                    call()
                except FailedPreconditionError:
                    refused += b"."
            return refused

        assert in_child(use_it) == b"....."
        file.append(b" only")
        file.close()
        assert place.get(path) == b"parent only"

    def test_p4_many_threads_use_one_filesystem(self, place: Place) -> None:
        place.needs("write")
        failures: list[BaseException] = []

        def run(number: int) -> None:
            try:
                name = f"t{number}/f"
                path = place.put(name, bytes([number]) * 70_000)
                assert place.get(path) == bytes([number]) * 70_000
                assert place.names(place.path(f"t{number}")) == ["f"]
                place.file_system.rename_file(path, place.path(f"t{number}/g"))
                place.file_system.delete_file(place.path(f"t{number}/g"))
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


def in_child(call: Callable[[], bytes]) -> bytes:
    """Return what a function returns in a forked child; fail if the child does or if it hangs."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    readable, writable = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what the scenario tries
        child = os.fork()
    if child == 0:
        # Nothing of the test runner may go on in the child, whatever happens.
        status = 1
        try:
            os.write(writable, call())
            status = 0
        finally:
            os._exit(status)
    os.close(writable)
    try:
        with open(readable, "rb") as results:
            result = results.read()
    finally:
        _, status = os.waitpid(child, 0)
    assert status == 0, "the child failed; its traceback stands above"
    return result


class CapabilityScenarios:
    """What a filesystem says of itself."""

    def test_k1_capabilities_are_plain_values(self, place: Place) -> None:
        capabilities = place.capabilities
        assert isinstance(capabilities, Capabilities)
        assert capabilities.directories in ("explicit", "implicit")
        assert capabilities.flush_visibility in ("flush", "close")
        assert pickle.loads(pickle.dumps(capabilities)) == capabilities  # noqa: S301  # made here

    def test_k2_what_is_not_declared_raises_and_changes_nothing(self, place: Place) -> None:
        capabilities, file_system = place.capabilities, place.file_system
        path = place.put("f", b"bytes")
        free = place.path("free")
        refused: list[Callable[[], object]] = []
        if not capabilities.write:
            refused += [lambda: file_system.new_writable_file(free), lambda: file_system.delete_file(path)]
            refused += [lambda: file_system.create_dir(free), lambda: file_system.rename_file(path, free)]
        if not (capabilities.write and capabilities.append):
            refused.append(lambda: file_system.new_appendable_file(path))
        if not (capabilities.write and capabilities.truncate):
            refused.append(lambda: file_system.truncate_file(path, 1))
        if not (capabilities.write and capabilities.atomic_write):
            refused.append(lambda: file_system.new_writable_file(free, atomic=True))
        if not (capabilities.write and capabilities.exclusive_create):
            refused.append(lambda: file_system.new_writable_file(free, exclusive=True))
        if not (capabilities.write and capabilities.update_in_place):
            refused.append(lambda: file_system.new_update_file(path))
        for call in refused:
            with pytest.raises(UnimplementedError) as caught:
                call()
            assert caught.value.path in (path, free)
        assert place.get(path) == b"bytes"
        assert not file_system.file_exists(free)
