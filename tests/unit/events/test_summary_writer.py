"""SummaryWriter: what torch's and tensorboardX's programs call, and what each call leaves in the file."""

import io
import os
import threading
import warnings
import wave

import numpy as np
import pytest

from recordfs import RecordReader
from recordfs.errors import InvalidArgumentError
from recordfs.events import EventLog, SummaryWriter, block, columns, decode_event
from recordfs.events.at_exit import close_all
from recordfs.events.message_readers import decode_audio, decode_histogram, decode_image, decode_tensor


@pytest.fixture
def logged(tmp_path):
    """Return the events that a call of a SummaryWriter leaves, the first of the file left out."""

    def call(use, **keywords):
        with SummaryWriter(tmp_path / "run", **keywords) as writer:
            use(writer)
        with RecordReader(writer.file_writer.paths[0]) as reader:
            events = [decode_event(record) for record in reader]
        return [event for event in events[1:] if not event.is_index]

    return call


@pytest.fixture
def value(logged):
    def call(use):
        (event,) = logged(use)
        (only,) = event.summary
        return only

    return call


class Tensor:
    """As much of a tensor of torch as a scalar needs."""

    def __init__(self, number):
        self.number = number

    def item(self):
        return self.number


@pytest.mark.parametrize("number", [1, 1.5, True, np.float32(1.5), np.array([[1.5]]), Tensor(1.5)])
def test_anything_that_is_one_number_is_a_scalar(logged, number):
    (event,) = logged(lambda writer: writer.add_scalar("a", number, np.int64(7), 12.5))
    assert (event.step, event.wall_time) == (7, 12.5)
    assert event.summary[0].content == (1.0 if number in (1, True) else 1.5)


@pytest.mark.parametrize("number", ["text", None, [1.0], np.zeros(2)])
def test_what_is_no_number_is_refused(tmp_path, number):
    with SummaryWriter(tmp_path) as writer, pytest.raises((TypeError, ValueError)):
        writer.add_scalar("a", number)


def test_a_scalar_of_64_bits_warns_and_is_stored_so(logged):
    with pytest.warns(RuntimeWarning, match="fast mode"):
        events = logged(lambda writer: [writer.add_scalar("a", 0.1, step, double_precision=True) for step in range(3)])
    values = [event.summary[0] for event in events]
    assert [decode_tensor(one.content).values.item() for one in values] == [0.1] * 3
    assert [one.metadata is not None for one in values] == [True, False, False], "metadata stands with the first value"


def test_a_tag_has_values_of_one_kind(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("a", 1.0)
        writer.add_histogram("h", [1.0])
        with pytest.raises(InvalidArgumentError, match='"a" holds values of the kind scalar'):
            writer.add_histogram("a", [1.0])
        with pytest.raises(InvalidArgumentError, match='"h" holds values of the kind histogram'):
            writer.add_scalar("h", 1.0)
        with pytest.raises(InvalidArgumentError, match="NaN"):
            writer.add_scalar("b", 1.0, 1, float("nan"))
        with pytest.raises(InvalidArgumentError, match="NaN"):
            writer.add_text("t", "x", 1, float("nan"))


@pytest.mark.parametrize(
    "values", [[0.0, 1.0, 1.0, -2.0], np.ones((3, 2)), [5], [1e30, -1e30, 0.5], [1e-300], range(7)]
)
def test_a_histogram_counts_every_value(value, values):
    histogram = decode_histogram(value(lambda writer: writer.add_histogram("h", values)).content)
    array = np.array(values, "float64").reshape(-1)
    assert (histogram.min, histogram.max, histogram.num) == (array.min(), array.max(), array.size)
    assert histogram.sum == pytest.approx(array.sum())
    assert histogram.sum_squares == pytest.approx((array**2).sum())
    limits, counts = histogram.bucket_limits, histogram.bucket_counts
    assert len(limits) == len(counts)
    assert limits == sorted(limits)
    assert sum(counts) == array.size
    for limit, total in zip(limits, np.cumsum(counts), strict=True):
        assert (array < limit).sum() <= total <= (array <= limit).sum()


def test_values_that_are_not_finite_stay_out_of_a_histogram(value, logged):
    histogram = decode_histogram(value(lambda writer: writer.add_histogram("h", [1.0, np.nan, np.inf])).content)
    assert (histogram.num, histogram.max) == (1, 1.0)
    with pytest.warns(RuntimeWarning, match="no value of this histogram is finite"):
        assert logged(lambda writer: writer.add_histogram("h", [np.nan])) == []


def test_buckets_are_joined_to_no_more_than_asked_for(value):
    content = value(lambda writer: writer.add_histogram("h", np.linspace(-5, 5, 1000), max_bins=10)).content
    histogram = decode_histogram(content)
    assert len(histogram.bucket_counts) <= 11
    assert sum(histogram.bucket_counts) == 1000


@pytest.mark.parametrize(
    ("shape", "formats", "size", "channels"),
    [
        ((3, 4, 5), "CHW", (4, 5), 3),
        ((4, 5, 4), "HWC", (4, 5), 4),
        ((4, 5), "HW", (4, 5), 1),
        ((1, 4, 5), "CHW", (4, 5), 1),
        ((10, 3, 4, 5), "NCHW", (8, 40), 3),
        ((2, 4, 5), "NHW", (4, 10), 1),
    ],
)
def test_a_picture_has_the_size_that_its_dimensions_say(value, shape, formats, size, channels):
    image = decode_image(value(lambda writer: writer.add_image("p", np.zeros(shape), dataformats=formats)).content)
    assert ((image.height, image.width), image.colorspace) == (size, channels)
    assert image.encoded[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_file_of_a_picture_is_taken_as_it_is(value, logged):
    png = decode_image(value(lambda writer: writer.add_image("p", np.zeros((3, 4, 5)))).content).encoded
    image = decode_image(logged(lambda writer: writer.add_image("q", png))[0].summary[0].content)
    assert image == (4, 5, 3, png)
    with pytest.raises(InvalidArgumentError, match="PNG, GIF or JPEG"):
        logged(lambda writer: writer.add_image("q", b"something"))


@pytest.mark.parametrize(("shape", "formats"), [((3, 4), "CHW"), ((4, 5), "HX"), ((5, 4, 5), "CHW"), ((0, 5), "HW")])
def test_an_array_that_cannot_be_a_picture_is_refused(logged, shape, formats):
    with pytest.raises(InvalidArgumentError):
        logged(lambda writer: writer.add_image("p", np.zeros(shape), dataformats=formats))


@pytest.mark.parametrize(("shape", "channels"), [((100,), 1), ((1, 100), 1), ((100, 2), 2)])
def test_a_sound_is_a_wav_file(value, shape, channels):
    audio = decode_audio(value(lambda writer: writer.add_audio("s", np.full(shape, 2.0), sample_rate=8000)).content)
    assert (audio.sample_rate, audio.num_channels, audio.length_frames) == (8000, channels, 100)
    with wave.open(io.BytesIO(audio.encoded)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, channels, 100)
        assert set(np.frombuffer(file.readframes(100), "<i2").tolist()) == {32767}, "samples are cut off at 1"


def test_hyperparameters_say_what_an_experiment_is_only_if_more_than_values_is_given(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": np.float64(0.1)}, {"acc": 0.5}, run_name="plain")
        writer.add_hparams({"lr": 0.1}, {"acc": 0.5}, {"lr": [0.1, 0.2]}, name="described")
        with pytest.raises(InvalidArgumentError, match="a bool, a number or a str, found list"):
            writer.add_hparams({"lr": [0.1]}, {}, run_name="wrong")
    for run, count in (("plain", 2), ("described", 3)):
        (name,) = os.listdir(tmp_path / run)
        with RecordReader(str(tmp_path / run / name)) as reader:
            tags = [value.tag for record in reader for value in decode_event(record).summary]
        assert sum(tag.startswith("_hparams_/") for tag in tags) == count
        assert columns(tmp_path / run)["acc"].value.tolist() == [0.5]


def test_hyperparameters_of_the_run_itself_are_in_its_file(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 1.0, 0)
        writer.add_hparams({"lr": 0.1}, {"acc": 0.5}, run_name=".")
    (name,) = os.listdir(tmp_path)
    with RecordReader(str(tmp_path / name)) as reader:
        tags = [value.tag for record in reader for value in decode_event(record).summary]
    assert tags == ["loss", "_hparams_/session_start_info", "acc", "_hparams_/session_end_info"]


def test_hyperparameters_of_which_one_is_wrong_leave_no_half_of_a_session(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(InvalidArgumentError):
            writer.add_hparams({"lr": [0.1]}, {"acc": 0.5}, {"lr": [0.1]}, run_name="run")
        with pytest.raises(TypeError):
            writer.add_hparams({"lr": 0.1}, {"acc": None}, run_name="run")
    assert not (tmp_path / "run").exists()


def test_a_tag_keeps_its_kind_after_close(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.add_scalar("a", 1.0, 0)
    writer.add_text("b", "x")
    writer.close()
    with pytest.raises(InvalidArgumentError, match="holds values of the kind scalar"):
        writer.add_histogram("a", [1, 2], 1)
    writer.close()
    with pytest.raises(InvalidArgumentError, match="holds values of the kind text"):
        writer.add_scalar("b/text_summary", 1.0, 1)
    writer.close()


def test_a_call_that_fails_gives_its_tag_no_kind(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(InvalidArgumentError):
            writer.add_text("a", "x", 1, float("nan"))
        with pytest.raises(InvalidArgumentError):
            writer.add_scalar("b", 1.0, 1, float("nan"))
        writer.add_scalar("a/text_summary", 1.0, 1)
        writer.add_histogram("b", [1, 2], 1)


def test_logging_goes_on_after_close_in_another_file(tmp_path):
    writer = SummaryWriter(tmp_path)
    for step in range(3):
        writer.add_scalar("a", 1.0, step)
        writer.add_text("t", "x", step)
        writer.close()
    writer.close()
    assert len(writer.file_writer.paths) == 3
    assert len(os.listdir(tmp_path)) == 3
    assert sorted(columns(tmp_path)["a"].step.tolist()) == [0, 1, 2]


@pytest.mark.parametrize("close", [lambda writer: writer.file_writer.close(), lambda writer: close_all()])
def test_logging_goes_on_after_somebody_else_closed_the_writer(tmp_path, close):
    def log(step):
        writer.add_scalar("a", 1.0, step)
        writer.add_scalar("t", 1.0, step, summary_description="described")
        writer.add_scalars("m", {"x": 1.0}, step)

    with SummaryWriter(tmp_path) as writer:
        log(0)
        close(writer)
        log(1)
        writer.flush()
        close(writer)
        log(2)
    found = columns(tmp_path)
    assert sorted(found["a"].step.tolist()) == sorted(found["t"].step.tolist()) == [0, 1, 2]
    assert sorted(columns(tmp_path / "m_x")["m"].step.tolist()) == [0, 1, 2]


@pytest.mark.parametrize("name", ["/../../x", "a/../../../x", "..", "a//b", "s3://bucket/x", "/x/.."])
def test_a_name_that_leads_out_of_the_log_directory_is_refused(tmp_path, name):
    with SummaryWriter(tmp_path / "logs" / "run") as writer:
        with pytest.raises(InvalidArgumentError):
            writer.add_scalars("m", {"fine": 1.0, f"/{name}": 1.0})
        with pytest.raises(InvalidArgumentError):
            writer.add_hparams({}, {"m": 1.0}, run_name=name)
        with pytest.raises(InvalidArgumentError):
            SummaryWriter(tmp_path / "logs" / "run", filename_suffix=f"/{name}")
        writer.add_scalars("m", {"train/loss": 1.0})
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["run"]
    assert list(columns(tmp_path / "logs" / "run" / "m_train" / "loss")) == ["m"]


def test_a_close_in_another_thread_loses_no_scalar(tmp_path):
    writer = SummaryWriter(tmp_path)
    is_over = threading.Event()
    counts = []

    def log():
        count = 0
        while not is_over.is_set():
            writer.add_scalar("a", 1.0, count)
            count += 1
        counts.append(count)

    thread = threading.Thread(target=log)
    thread.start()
    try:
        for _ in range(20):
            writer.close()
    finally:
        is_over.set()
        thread.join()
    writer.close()
    assert sorted(columns(tmp_path)["a"].step.tolist()) == list(range(counts[0]))


def test_a_writer_that_is_not_to_write_makes_nothing(tmp_path):
    with SummaryWriter(tmp_path / "run", write_to_disk=False) as writer:
        writer.add_scalar("a", 1.0)
        writer.add_scalars("b", {"c": 1.0})
        writer.add_histogram("h", [1.0])
        writer.add_image("i", np.zeros((3, 2, 2)))
        writer.add_hparams({"a": 1}, {"b": 1})
        writer.flush()
    assert not (tmp_path / "run").exists()


def test_without_a_directory_the_run_is_named_by_time_and_host(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_lr") as writer:
        writer.add_scalar("a", 1.0)
    assert writer.log_dir.startswith("runs/")
    assert writer.log_dir.endswith("_lr")
    assert columns(writer.get_logdir())["a"].step.tolist() == [0]


def test_torchs_and_tensorboardxs_names_of_arguments_are_taken(tmp_path):
    with SummaryWriter(
        log_dir=tmp_path / "torch", purge_step=2, max_queue=5, flush_secs=1, filename_suffix=".x"
    ) as writer:
        writer.add_scalar(tag="a", scalar_value=1, global_step=3, walltime=5.0)
    assert writer.file_writer.paths[0].endswith(".x")
    with SummaryWriter(logdir=str(tmp_path / "x"), comment="", write_to_disk=True) as writer:
        writer.add_scalar("a", 1, display_name="A", summary_description="text")
    assert columns(tmp_path / "x")["a"].value.tolist() == [1.0]


def test_a_figure_is_stored_as_its_file(value):
    png = decode_image(value(lambda writer: writer.add_image("p", np.zeros((3, 4, 5)))).content).encoded

    class Figure:
        def savefig(self, out, format):
            assert format == "png"
            out.write(png)

    with SummaryWriter("ram://figures") as writer:
        writer.add_figure("f", Figure(), 1)
        writer.add_figure("g", [Figure(), Figure()], 1)
    with RecordReader(writer.file_writer.paths[0]) as reader:
        values = [one for record in reader for one in decode_event(record).summary]
    assert [one.tag for one in values] == ["f", "g/0", "g/1"]
    assert decode_image(values[0].content).encoded == png


@pytest.mark.parametrize("name", ["recordfs+s3:/bucket/run", "gs:/bucket/run"])
def test_a_url_that_was_made_a_local_path_is_warned_of(tmp_path, name):
    url = f"{name.removeprefix('recordfs+').replace(':/', '://')}"
    with pytest.warns(RuntimeWarning, match=f"took {url} for a local path"):
        SummaryWriter(tmp_path / name).close()
    with pytest.warns(RuntimeWarning, match=f"took {url} for a local path") as caught:
        EventLog(tmp_path)
    assert len(caught) == 1


def test_a_local_folder_that_is_meant_is_warned_of_by_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("./s3:/run", "a:b/run", "10:/30", "nothing:/known/run"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            SummaryWriter(name).close()


@pytest.mark.parametrize(
    "call",
    [
        lambda writer: writer.add_histogram("h", [1, 2], max_bins=0),
        lambda writer: writer.add_audio("a", [0.1], sample_rate=0),
        lambda writer: writer.add_audio("a", [0.1], sample_rate=float("nan")),
        lambda writer: writer.add_audio("a", [0.1], sample_rate=1e12),
        lambda writer: writer.add_pr_curve("p", [1, 0], [float("nan"), 0.5]),
        lambda writer: writer.add_pr_curve("p", [1], [0.5], weights=[1, 2]),
        lambda writer: writer.add_mesh("m", np.zeros((3, 3))),
        lambda writer: writer.add_custom_scalars({"a": ["b"]}),
        lambda writer: writer.add_custom_scalars(5),
        lambda writer: writer.add_custom_scalars({"a": {"b": []}}),
        lambda writer: writer.add_custom_scalars({"a": {"b": ["Multiline", "loss"]}}),
        lambda writer: writer.add_custom_scalars({"a": {"b": ["Multiline", [1]]}}),
        lambda writer: writer.add_hparams({1: 2}, {"m": 1.0}),
    ],
)
def test_an_argument_that_cannot_be_is_refused_and_nothing_logged(logged, call):
    def use(writer):
        with pytest.raises(InvalidArgumentError):
            call(writer)

    assert logged(use) == []


def test_scalars_of_which_one_is_wrong_are_not_logged(tmp_path):
    with SummaryWriter(tmp_path) as writer, pytest.raises(TypeError):
        writer.add_scalars("m", {"a": 1.0, "b": None})
    assert not (tmp_path / "m_a").exists()


def test_samples_that_are_too_loud_are_cut_off(value):
    audio = decode_audio(value(lambda writer: writer.add_audio("s", np.array([-70000, 5, 70000]))).content)
    with wave.open(io.BytesIO(audio.encoded)) as file:
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [-32768, 5, 32767]


def test_a_histogram_of_numbers_whose_squares_are_none_says_so(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        histogram = decode_histogram(value(lambda writer: writer.add_histogram("h", [1e300, 1.0])).content)
    assert (histogram.max, histogram.sum, histogram.sum_squares) == (1e300, 1e300, float("inf"))


@pytest.mark.parametrize(
    "arguments",
    [{"max_file_bytes": 0}, {"policy": block(-1)}, {"policy": block(float("nan"))}, {"flush_secs": 0}],
)
def test_settings_that_cannot_be_are_refused(tmp_path, arguments):
    with pytest.raises(InvalidArgumentError):
        SummaryWriter(tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_an_empty_directory_is_none_that_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SummaryWriter("").close()
    assert os.listdir(tmp_path) == ["runs"]


@pytest.mark.parametrize("suffix", ["/../x", "\0", ".profile-empty"])
def test_an_end_of_a_name_that_no_reader_would_find_is_refused_before_there_is_a_file(tmp_path, suffix):
    with pytest.raises(InvalidArgumentError, match="found"):
        SummaryWriter(tmp_path, filename_suffix=suffix)
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_is_no_str_is_said_to_be_none(tmp_path):
    with SummaryWriter(tmp_path) as writer, pytest.raises(TypeError, match="a text has to be a str, found bytes"):
        writer.add_text("note", b"bytes")


def test_a_step_of_more_than_64_bits_is_refused_wherever_it_comes_from(tmp_path):
    with SummaryWriter(tmp_path / "run") as writer:
        for step in (1 << 63, -(1 << 63) - 1, 10**400):
            calls = [
                lambda step=step: writer.add_scalar("a", 1.0, step),
                lambda step=step: writer.add_scalar("a", 1.0, step, new_style=True),
                lambda step=step: writer.add_scalars("m", {"x": 1.0}, step),
                lambda step=step: writer.add_text("t", "text", step),
                lambda step=step: writer.file_writer.add_summary(b"", step),
                lambda step=step: writer.add_event(b"", step),
                lambda step=step: SummaryWriter(tmp_path / "other", purge_step=step),
            ]
            for call in calls:
                with pytest.raises(InvalidArgumentError, match="64 bits"):
                    call()
        for step in ((1 << 63) - 1, -(1 << 63), "7", 1.5):
            writer.add_scalar("a", 1.0, step)
            writer.add_text("t", "text", step)
    assert columns(tmp_path / "run")["a"].step.tolist() == [(1 << 63) - 1, -(1 << 63), 7, 1]
