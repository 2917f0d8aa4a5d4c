"""SummaryWriter: what torch's and tensorboardX's writers of this name log, on any filesystem, and never in the way."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from recordfs._core import encode_message
from recordfs.errors import InvalidArgumentError
from recordfs.events import media, messages
from recordfs.events.optional import require_numpy
from recordfs.events.run_writers import RunWriters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SummaryWriter"]

TENSOR = messages.TENSOR


class SummaryWriter(RunWriters):
    """Logs scalars, images, audio, texts, histograms and more for TensorBoard.

    Args:
        logdir: The directory of the run, on any filesystem; if None or empty, ``runs/<date>_<host><comment>``.
        comment: The end of the directory's name if no ``logdir`` is given.
        purge_step: The step at which this job goes on: what an earlier one logged at it or later counts no longer.
        max_queue: Taken for the sake of programs that give it, and not used: the queue is bounded in bytes.
        flush_secs: Seconds between two flushes that nobody asked for.
        filename_suffix: What the files' names end with.
        write_to_disk: Whether to log at all; False makes every call do nothing.
        log_dir: Another name for ``logdir``: torch's.
        max_queue_bytes: As EventFileWriter, and so are those that follow.
        policy: As there.
        index: As there.
        max_file_bytes: As there.
        file_system: As there.
        options: As there.

    A tag has values of one kind: another kind is an InvalidArgumentError, because TensorBoard cannot show it. After
    ``close`` logging goes on in another file, where tags keep their kinds; another process begins without any.
    Lifetime, forks, pickling and threads: as EventFileWriter.

    Attributes:
        log_dir: The directory of the run.

    Raises:
        As EventFileWriter.
    """

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Log several numbers to be drawn in one chart: each in a run of its own, ``<logdir>/<main_tag>_<key>``.

        As torch does; slashes of the tag become underscores in the run's name. Those of a key make directories.

        Raises:
            InvalidArgumentError: A key makes a path that does not stay below the log directory, or the time is NaN or
                infinite.
        """
        if not self._writes:
            return
        wall_time = time.time() if walltime is None else walltime
        beginning = main_tag.replace("/", "_")
        # All are looked at before any is logged.
        runs = {self._run_below(f"{beginning}_{key}"): float(value) for key, value in tag_scalar_dict.items()}
        for run, value in runs.items():
            self._add_number(run, main_tag, value, global_step, wall_time)

    def add_text(self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None) -> None:
        """Log a text, in Markdown. The tag is written as ``<tag>/text_summary``, as torch and tensorboardX do.

        Raises:
            TypeError: The text is not a str.
        """
        if not isinstance(text_string, str):
            raise TypeError(f"a text has to be a str, found {type(text_string).__name__}")
        tensor = messages.encode_string_tensor([text_string.encode()], [1])
        metadata = messages.encode_metadata("text", data_class=TENSOR)
        self._add(f"{tag}/text_summary", "text", 8, tensor, global_step, walltime, metadata)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Log how values are distributed.

        Values that are not finite are left out; if none is finite, it warns and logs nothing.

        Args:
            tag: What they are values of.
            values: An array or tensor of any shape.
            global_step: The training step.
            bins: ``"tensorflow"`` (powers of 1.1), or what ``numpy.histogram`` takes.
            walltime: Seconds since 1970; now, if None.
            max_bins: The most buckets.
        """
        if not self._writes:
            return
        histogram = media.histogram_of(values, bins, max_bins)
        if histogram is None:
            warnings.warn(
                f"{tag}: no value of this histogram is finite; it is not logged", RuntimeWarning, stacklevel=2
            )
            return
        self._add(tag, "histogram", 5, messages.encode_histogram(histogram), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: float,
        sum: float,
        sum_squares: float,
        bucket_limits: Sequence[float],
        bucket_counts: Sequence[float],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log a histogram whose buckets are counted already.

        Raises:
            InvalidArgumentError: There are not as many limits as counts.
        """
        if len(bucket_limits) != len(bucket_counts):
            raise InvalidArgumentError(
                f"a histogram has a limit for each count, found {len(bucket_limits)} and {len(bucket_counts)}"
            )
        limits, counts = [float(limit) for limit in bucket_limits], [float(count) for count in bucket_counts]
        histogram = messages.Histogram(min, max, num, sum, sum_squares, limits, counts)
        self._add(tag, "histogram", 5, messages.encode_histogram(histogram), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Log an image.

        Args:
            tag: What it is a picture of.
            img_tensor: An array or tensor: uint8, or floats from 0 to 1; or the bytes of a PNG, GIF or JPEG file.
            global_step: The training step.
            walltime: Seconds since 1970; now, if None.
            dataformats: What the dimensions are: ``"CHW"``, ``"HWC"``, ``"HW"``, with ``N`` for several pictures.

        Raises:
            InvalidArgumentError: It cannot be a picture.
        """
        if not self._writes:
            return
        if isinstance(img_tensor, (bytes, bytearray, memoryview)):
            image = media.image_from_bytes(bytes(img_tensor))
        else:
            image = media.picture_of(img_tensor, dataformats)
        self._add(tag, "image", 4, messages.encode_image(image), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Log several images side by side.

        Args:
            tag: What they show.
            img_tensor: An array of four dimensions, or what ``add_image`` takes.
            global_step: The training step.
            walltime: Seconds since 1970; now, if None.
            dataformats: What each dimension is; ``N`` is the image's number.

        Raises:
            As ``add_image``.
        """
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_figure(
        self, tag: str, figure: Any, global_step: Any = None, close: bool = True, walltime: float | None = None
    ) -> None:
        """Log a figure of Matplotlib, or several, each under ``<tag>/<place>``.

        Args:
            tag: What it shows.
            figure: A ``matplotlib.figure.Figure``, or a list of them.
            global_step: The training step.
            close: Whether to close it afterwards.
            walltime: Seconds since 1970; now, if None.
        """
        figures = figure if isinstance(figure, (list, tuple)) else [figure]
        for place, one in enumerate(figures):
            name = tag if figures is not figure else f"{tag}/{place}"
            self._add(name, "image", 4, messages.encode_image(media.figure_of(one)), global_step, walltime)
            if close:
                import sys

                # A figure that was made without pyplot is not pyplot's to close.
                pyplot = sys.modules.get("matplotlib.pyplot")
                if pyplot is not None:
                    pyplot.close(one)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: float = 44100,
        walltime: float | None = None,
    ) -> None:
        """Log audio: samples from -1 to 1, or integers of 16 bits; louder samples are clipped.

        Their shape is [length], [1, length] or [length, channels].

        Raises:
            InvalidArgumentError: It has another shape, or the sample rate cannot be.
        """
        if self._writes:
            audio = media.sound_of(snd_tensor, sample_rate)
            self._add(tag, "audio", 6, messages.encode_audio(audio), global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Sequence[Any]] | None = None,
        run_name: str | None = None,
        global_step: Any = None,
        *,
        name: str | None = None,
        display_names: Mapping[str, str] | None = None,
    ) -> None:
        """Log the hyperparameters of a run and the metrics that it reached, in a run below this one.

        TensorBoard takes the first description of an experiment that it finds and ignores the others, so that one in
        each run would hide what other runs have: it is written only if domains or display names are given. Without it
        TensorBoard shows the hyperparameters of all runs.

        Args:
            hparam_dict: Bools, numbers and strs by name.
            metric_dict: Numbers by tag.
            hparam_domain_discrete: The values that a hyperparameter can have.
            run_name: The name of the run below; the time, if None; ``"."`` for this run itself.
            global_step: The training step.
            name: tensorboardX's word for ``run_name``.
            display_names: Names of hyperparameters for people.

        Raises:
            InvalidArgumentError: A hyperparameter is nothing of this kind, or the run would not lie below this one.
        """
        if not self._writes:
            return
        now = time.time()
        run = str(run_name or name or now)
        directory = self._directory if run == "." else self._run_below(run)
        # All of it is made before any of it is logged: what is wrong with one argument leaves no half of a session.
        start = messages.encode_hparams_start(hparam_dict, "", now)
        metrics = {tag: float(value) for tag, value in metric_dict.items()}
        if hparam_domain_discrete or display_names:
            domains, names = hparam_domain_discrete or {}, display_names or {}
            content = messages.encode_hparams_experiment(domains, names, list(metrics))
            self._add_hparams_part("experiment", content, directory, now)
        self._add_hparams_part("session_start_info", start, directory, now)
        for tag, value in metrics.items():
            self._add_number(directory, tag, value, global_step, now)
        self._add_hparams_part("session_end_info", messages.encode_hparams_end(time.time()), directory, now)

    def _add_hparams_part(self, part: str, content: bytes, directory: str, wall_time: float) -> None:
        metadata = messages.encode_metadata("hparams", content, data_class=TENSOR)
        nothing = messages.encode_empty_tensor()
        self._add(f"_hparams_/{part}", "hparams", 8, nothing, None, wall_time, metadata, directory=directory)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log precision and recall of predictions over thresholds from 0 to 1.

        Args:
            tag: What was predicted.
            labels: 0 or 1, or a bool, for each example; an array of any shape.
            predictions: A number from 0 to 1 for each label.
            global_step: The training step.
            num_thresholds: How many thresholds, at least 2; of more than 127 only 127 are used.
            weights: One for each label, or one number; 1, if None.
            walltime: Seconds since 1970; now, if None.

        Raises:
            InvalidArgumentError: There is not a prediction for each label, or not a weight, or a prediction is NaN.
        """
        if self._writes:
            self._add_curve(tag, media.pr_curve_of(labels, predictions, num_thresholds, weights), global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log a curve of precision and recall that is computed already.

        Args:
            tag: What was predicted.
            true_positive_counts: One number for each threshold, from the lowest to the highest; so are those below.
            false_positive_counts: As above.
            true_negative_counts: As above.
            false_negative_counts: As above.
            precision: As above.
            recall: As above.
            global_step: The training step.
            num_thresholds: How many of them are logged at most.
            weights: Not used; torch's writer takes it.
            walltime: Seconds since 1970; now, if None.
        """
        np = require_numpy("pr curves")
        counts = [true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts]
        rows = np.stack([media.as_array(row).reshape(-1) for row in [*counts, precision, recall]])
        self._add_curve(tag, rows.astype("float32")[:, :num_thresholds], global_step, walltime)

    def _add_curve(self, tag: str, curve: Any, step: Any, walltime: float | None) -> None:
        content = encode_message([(2, "v", curve.shape[1])])
        metadata = messages.encode_metadata("pr_curves", content, data_class=TENSOR)
        self._add(tag, "pr_curve", 8, messages.encode_tensor(curve), step, walltime, metadata)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log meshes or clouds of points.

        Args:
            tag: What they show.
            vertices: Points, of shape [batch, points, 3].
            colors: The colour of each point, 0 to 255, of the same shape.
            faces: Triangles as numbers of points, of shape [batch, faces, 3].
            config_dict: Settings of three.js.
            global_step: The training step.
            walltime: Seconds since 1970; now, if None.

        Raises:
            InvalidArgumentError: An array has another shape.
        """
        if not self._writes:
            return
        given = [(1, "VERTEX", vertices, "float32"), (2, "FACE", faces, "int32"), (3, "COLOR", colors, "uint8")]
        parts = [(number, name, media.as_array(part), dtype) for number, name, part, dtype in given if part is not None]
        components = sum(1 << number for number, _, _, _ in parts)
        for number, name, part, dtype in parts:
            if part.ndim != 3 or part.shape[2] != 3:
                raise InvalidArgumentError(
                    f"the {name.lower()} array of a mesh has the shape [batch, n, 3], found {part.shape}"
                )
            content = messages.encode_mesh_metadata(tag, number, components, part.shape, config_dict)
            metadata = messages.encode_metadata("mesh", content, data_class=TENSOR)
            tensor = messages.encode_tensor(part.astype(dtype))
            self._add(f"{tag}_{name}", "mesh", 8, tensor, global_step, walltime, metadata)

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Say which scalars TensorBoard's Custom Scalars page is to show in one chart.

        Args:
            layout: ``{category: {chart: ["Multiline", tags] or ["Margin", [value, low, high]]}}``, as in torch.

        Raises:
            InvalidArgumentError: It is no such thing.
        """
        tensor = messages.encode_string_tensor([messages.encode_custom_scalars(layout)], [])
        metadata = messages.encode_metadata("custom_scalars", data_class=TENSOR)
        self._add("custom_scalars__config__", "custom_scalars", 8, tensor, None, None, metadata)

    def add_graph(self, graph_def: Any, walltime: float | None = None) -> None:
        """Log a graph that is made already.

        Args:
            graph_def: A serialized ``GraphDef``, or anything with ``SerializeToString``.
            walltime: Seconds since 1970; now, if None.
        """
        if self._writes:
            self._in_open_writer(self._directory, lambda writer: writer.add_graph(graph_def, walltime))

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """Log an event; the arguments and errors are those of ``EventFileWriter.add_event``."""
        if self._writes:
            self._in_open_writer(self._directory, lambda writer: writer.add_event(event, step, walltime))
