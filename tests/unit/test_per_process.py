"""One value a process, made once."""

import os
import threading

from recordfs.per_process import OwningProcess, PerProcess


def in_child(check):
    """Run ``check`` in a forked child and return what it returned, as a byte."""
    child = os.fork()
    if child == 0:
        os._exit(check())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_value_is_made_once_when_many_threads_ask():
    made = []
    entered = threading.Barrier(4)

    def make():
        made.append(threading.get_ident())
        return object()

    value = PerProcess(make)

    def ask():
        entered.wait()
        found.append(value.get())

    found = []
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(map(id, found))) == 1
    assert value.peek() is found[0]
    assert value.take() is found[0]
    assert value.peek() is None
    assert value.get() is not found[0]


def test_value_that_cannot_be_made_is_made_by_the_next_who_asks():
    answers = iter([OSError("not now"), 5])

    def make():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    value = PerProcess(make)
    try:
        value.get()
    except OSError:
        pass
    else:
        raise AssertionError("the first attempt fails")
    assert value.get() == 5


def test_child_makes_its_own_and_never_destroys_the_parents():
    class Client:
        def __init__(self):
            self.process = os.getpid()

        def __del__(self):
            if self.process != os.getpid():
                os._exit(99)

    value = PerProcess(Client)
    value.get()

    def check():
        inherited = value.peek() is not None
        own = value.get()
        value.take()
        return 0 if own is not None and not inherited else 1

    assert in_child(check) == 0
    assert value.peek() is not None


def test_child_does_not_wait_for_a_lock_that_a_thread_of_the_parent_holds():
    held, done = threading.Event(), threading.Event()

    def make():
        if threading.current_thread() is not threading.main_thread():
            held.set()
            done.wait()
        return 7

    value = PerProcess(make)
    thread = threading.Thread(target=value.get)
    thread.start()
    held.wait()
    assert in_child(lambda: value.get()) == 7
    done.set()
    thread.join()


def test_owning_process_is_current_only_in_the_process_that_made_it():
    owner = OwningProcess()
    assert owner.pid == os.getpid()
    assert owner.is_current
    assert in_child(lambda: owner.is_current) == 0
    assert in_child(lambda: OwningProcess().is_current) == 1
