"""A namenode that does not answer: what is asked of it, and what is kept."""

import threading

import pytest

from recordfs.errors import DeadlineExceededError, UnavailableError
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.hdfs import name_service as name_service_module
from recordfs.filesystems.hdfs.configuration import HadoopConfiguration
from recordfs.filesystems.hdfs.name_service import NameService
from recordfs.filesystems.hdfs.settings import Settings


def service_that_answered(**settings):
    service = NameService(
        "127.0.0.1:1", Settings(webhdfs=False, **settings).checked(), HadoopConfiguration({}), RequestCounter()
    )
    service._answered = True
    return service


def hanging_call(service, operation, release):
    return lambda: service.ask(operation, "hdfs://nn/f", release.wait)


def test_only_a_change_that_got_no_answer_is_in_doubt():
    release = threading.Event()
    service = service_that_answered(namenode_timeout=0.05)
    try:
        with pytest.raises(DeadlineExceededError, match="may have been done"):
            hanging_call(service, "rename", release)()
        service._answered = True
        with pytest.raises(DeadlineExceededError) as caught:
            hanging_call(service, "getFileInfo", release)()
        assert "may have been done" not in str(caught.value)
    finally:
        release.set()


def test_after_many_calls_without_an_answer_no_more_are_made_until_they_return(monkeypatch):
    monkeypatch.setattr(name_service_module, "MOST_LEFT_CALLS", 3)
    release = threading.Event()
    service = service_that_answered(namenode_timeout=0.05)
    try:
        for _ in range(3):
            service._answered = True
            with pytest.raises(DeadlineExceededError):
                hanging_call(service, "getFileInfo", release)()
        service._answered = True
        service.settings = service.settings._replace(namenode_timeout=60)  # so that "just now" lasts
        with pytest.raises(UnavailableError, match="3 calls without an answer"):
            hanging_call(service, "getFileInfo", release)()
    finally:
        release.set()
    while not all(has_returned() for has_returned in service._left_calls):
        pass
    assert service.ask("getFileInfo", "hdfs://nn/f", lambda: "answer") == "answer"
