"""Errors that several threads get from one native object at once: no thread waits for another for ever."""

import subprocess
import sys
import textwrap

import pytest


@pytest.mark.parametrize(
    ("prepare", "call"),
    [
        pytest.param(
            "builder = BundleIndexBuilder(); builder.add('a', 1, [1], (0, 0, 4, 0))",
            "builder.check('a', 1, [1])",
            id="a check of a checkpoint's index",
        ),
        pytest.param(
            "builder = BundleIndexBuilder(); builder.add('a', 1, [1], (0, 0, 4, 0))",
            "builder.add('a', 1, [1], (0, 0, 4, 0))",
            id="an entry of a checkpoint's index",
        ),
        pytest.param(
            "region = recordfs.get_file_system(path).new_read_only_memory_region_from_file(path); region.close()",
            "region.subregion(0, 0)",
            id="a memory region",
        ),
    ],
)
def test_threads_that_get_errors_from_one_object_do_not_wait_for_each_other_for_ever(tmp_path, prepare, call):
    program = f"""
        import sys
        from concurrent.futures import ThreadPoolExecutor

        import recordfs
        from recordfs._core import BundleIndexBuilder

        path = {str(tmp_path / "file")!r}
        with open(path, "wb") as file:
            file.write(b"x")
        {prepare}

        def get_errors():
            count = 0
            for _ in range(2000):
                try:
                    {call}
                except ValueError:
                    count += 1
            return count

        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(4) as pool:
            print(sum(future.result() for future in [pool.submit(get_errors) for _ in range(4)]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "8000\n", "")
