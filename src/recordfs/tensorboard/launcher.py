"""``recordfs tensorboard``: TensorBoard's own program over a catalog, with its two costly routes answered from columns.

TensorBoard spends a second and a half on the list of tags of 1,000 runs, and 12 microseconds on each point of a curve.
Its public ``server_class`` hands us the application before it is served, so ``timeseries/tags`` and
``timeseries/timeSeries`` are answered here, from the columns, as ready JSON. Everything else is TensorBoard's.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from recordfs.errors import MissingDependencyError
from recordfs.tensorboard.catalog import CatalogOptions, LogCatalog, LogDirectory
from recordfs.tensorboard.messages import Query
from recordfs.tensorboard.provider import DataProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from recordfs.tensorboard.series import RunSeries

__all__ = ["answer_time_series", "launch"]

_ROUTE = re.compile(r"(/experiment/[^/]*)?/data/plugin/timeseries/(tags|timeSeries)")

_MOST_FORM_BYTES = 16 << 20

_POINTS = 1000
"""Points of a curve that TensorBoard's page asks for."""


def launch(directories: Sequence[str], flags: Sequence[str], options: CatalogOptions) -> int:
    """Show log directories until the program is interrupted.

    Args:
        directories: Where runs are; of several, each run's name begins with the last part of its directory's.
        flags: Further flags of TensorBoard's, such as ``["--port", "6006"]``.
        options: How to look at the directories.

    Returns:
        TensorBoard's exit status.

    Raises:
        MissingDependencyError: TensorBoard is not installed.
    """
    try:
        import tensorboard as _  # noqa: F401 (its parts are imported below)
    except ImportError as missing:
        raise MissingDependencyError(
            'recordfs tensorboard needs TensorBoard; pip install "recordfs[tensorboard]" brings it'
        ) from missing
    with LogCatalog(_named(directories), options) as catalog:
        # The store answers while TensorBoard is imported, which takes a second or two.
        catalog.start()
        from recordfs.tensorboard.plugin import provider_options, serve_directories
        from tensorboard import default, main_lib, program

        main_lib.global_init()
        provider: DataProvider
        board = program.TensorBoard(
            default.get_plugins(),
            server_class=lambda application, flags: program.create_port_scanning_werkzeug_server(
                answer_time_series(application, provider), flags
            ),
        )
        # recordfs's own entry point leaves a provider alone that is named; this name is replaced below.
        named = ["--grpc_data_provider", "127.0.0.1:0", *_log_directory_flags(catalog.directories)]
        board.configure(["recordfs", *named, *flags])
        provider = DataProvider(catalog, **provider_options(board.flags))
        server = serve_directories(board.flags, [(one.path, one.prefix) for one in catalog.directories], provider)
        try:
            return int(board.main() or 0)
        finally:
            server.stop()


def _log_directory_flags(directories: Sequence[LogDirectory]) -> list[str]:
    """Return the flags by which TensorBoard's dashboards know where other files are than those with events."""
    if len(directories) == 1:
        return ["--logdir", directories[0].path]
    return ["--logdir_spec", ",".join(f"{directory.prefix}:{directory.path}" for directory in directories)]


def _named(directories: Sequence[str]) -> list[LogDirectory]:
    if len(directories) == 1:
        return [LogDirectory(directories[0])]
    names: dict[str, int] = {}
    named = []
    for directory in directories:
        name = directory.rstrip("/").rpartition("/")[2] or "logs"
        while name in names:
            names[name] += 1
            name = f"{name}_{names[name]}"
        names[name] = 1
        named.append(LogDirectory(directory, name))
    return named


def answer_time_series(
    application: Callable[..., Iterable[bytes]], provider: DataProvider
) -> Callable[..., Iterable[bytes]]:
    """Wrap TensorBoard's WSGI application: answer the two time-series routes from columns."""

    def answer(environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        match = _ROUTE.fullmatch(environment.get("PATH_INFO", ""))
        if match is None:
            return application(environment, start_response)
        body = _tags(provider) if match[2] == "tags" else _curves_asked_for(environment, provider)
        if body is None:
            return application(environment, start_response)
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-cache, must-revalidate")]
        if "gzip" in environment.get("HTTP_ACCEPT_ENCODING", ""):
            body = gzip.compress(body, 1, mtime=0)
            headers.append(("Content-Encoding", "gzip"))
        start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _tags(provider: DataProvider) -> bytes:
    """Return the tags of the dashboard."""
    parts = [f'"{plugin}":{_tags_of(provider, plugin)}' for plugin in ("scalars", "histograms", "images")]
    return f"{{{','.join(parts)}}}".encode()


def _tags_of(provider: DataProvider, plugin: str) -> str:
    """Return the tags of one plugin: JSON as ``tensorboard/plugins/metrics/http_api.md`` has it."""
    found = provider.tags_of(plugin)
    descriptions = json.dumps(_descriptions(found))
    if plugin == "images":
        samples: dict[str, dict[str, dict[str, int]]] = {}
        for run, series in found.items():
            for tag in series.tags:
                # Width and height stand before the pictures.
                samples.setdefault(tag, {})[run] = {"maxSamplesPerStep": provider.blobs_of(tag, series) - 2}
        return f'{{"tagDescriptions":{descriptions},"tagRunSampledInfo":{json.dumps(samples)}}}'
    # Runs of one program share their tags.
    tag_sets = {id(series.tags): series.tags for series in found.values()}
    names = {key: json.dumps(sorted(tags)) for key, tags in tag_sets.items()}
    entries = (f"{json.dumps(run)}:{names[id(series.tags)]}" for run, series in found.items())
    return f'{{"runTagInfo":{{{",".join(entries)}}},"tagDescriptions":{descriptions}}}'


def _descriptions(found: Mapping[str, RunSeries]) -> dict[str, str]:
    """Return the descriptions of tags as safe HTML; those of several runs together, as TensorBoard shows them."""
    by_tag: dict[str, dict[str, list[str]]] = {}
    texts_of: dict[tuple[int, bool], list[tuple[str, str]]] = {}
    for run, series in found.items():
        is_partial = series.is_partial
        key = (id(series.tags), is_partial)
        if key not in texts_of:
            shown = ((tag, one.shown_text(is_partial=is_partial)) for tag, one in series.tags.items())
            texts_of[key] = [(tag, text) for tag, text in shown if text]
        for tag, text in texts_of[key]:
            by_tag.setdefault(tag, {}).setdefault(text, []).append(run)
    if not by_tag:
        return {}
    from tensorboard.plugin_util import markdown_to_safe_html

    safe = lru_cache(maxsize=1024)(markdown_to_safe_html)
    answer = {}
    for tag, texts in by_tag.items():
        if len(texts) == 1:
            answer[tag] = safe(next(iter(texts)))
            continue
        parts = [
            f"## For run{'s' if len(runs) > 1 else ''}: {', '.join(sorted(runs))}\n{text}"
            for text, runs in sorted(texts.items())
        ]
        answer[tag] = safe("\n".join(["# Multiple descriptions", *parts]))
    return answer


def _curves_asked_for(environment: dict[str, Any], provider: DataProvider) -> bytes | None:
    """Return the curves of a question that is about scalars only; None leaves it to TensorBoard."""
    from werkzeug.exceptions import HTTPException
    from werkzeug.formparser import parse_form_data

    if environment.get("REQUEST_METHOD") != "POST":
        return None
    length = environment.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or not 0 < int(length) <= _MOST_FORM_BYTES:
        return None
    body = environment["wsgi.input"].read(int(length))
    environment["wsgi.input"] = io.BytesIO(body)  # for TensorBoard, if it is to answer
    try:
        # TensorBoard's page sends a form of several parts.
        _, form, _ = parse_form_data({**environment, "wsgi.input": io.BytesIO(body)})
        asked = json.loads(form["requests"])
    except (ValueError, KeyError, HTTPException):
        return None
    if not asked or not _are_of_scalars(asked):
        return None
    answers = []
    for one in asked:
        runs = frozenset([one["run"]]) if one.get("run") else None
        curves = provider.scalar_curves(Query("scalars", runs, (one["tag"],), _POINTS))
        series = [f"{json.dumps(run)}:[{_points(by_tag[one['tag']])}]" for run, by_tag in curves.items()]
        head = {"plugin": "scalars", "tag": one["tag"], **({"run": one["run"]} if one.get("run") else {})}
        answers.append(f'{json.dumps(head)[:-1]},"runToSeries":{{{",".join(series)}}}}}')
    return f"[{','.join(answers)}]".encode()


def _are_of_scalars(asked: Any) -> bool:
    """Tell whether requests are what the page asks for curves; to what else is sent TensorBoard says what is wrong."""
    return isinstance(asked, list) and all(
        isinstance(one, dict)
        and one.get("plugin") == "scalars"
        and "sample" not in one
        and isinstance(one.get("tag"), str)
        and isinstance(one.get("run", ""), str)
        for one in asked
    )


def _points(curve: Any) -> str:
    steps, wall_times, values = (column.tolist() for column in curve)
    return ",".join(
        f'{{"wallTime":{_number(wall_time)},"step":{step},"value":{_number(value)}}}'
        for step, wall_time, value in zip(steps, wall_times, values, strict=True)
    )


def _number(value: float) -> str:
    """Return a value as TensorBoard's JSON has it: what is no number is a string."""
    if value != value:
        return '"NaN"'
    if value in (float("inf"), float("-inf")):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return repr(value)
