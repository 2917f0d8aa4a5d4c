//! Events as plain Python values.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use recordfs_core::event::{Content, Event, NotAnEvent, Value, What, decode_event, decode_metadata, for_each_value};
use recordfs_core::protobuf::{Field, Malformed, for_each_field};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(decode_event_record, module)?)?;
    module.add_function(wrap_pyfunction!(decode_message, module)?)?;
    module.add_function(wrap_pyfunction!(check_event, module)?)
}

/// What ends the reading of a summary: it is broken, or Python has no memory left.
enum Stop {
    NotAnEvent(NotAnEvent),
    Python(PyErr),
}

impl From<NotAnEvent> for Stop {
    fn from(error: NotAnEvent) -> Self {
        Stop::NotAnEvent(error)
    }
}

impl From<Malformed> for Stop {
    fn from(error: Malformed) -> Self {
        Stop::NotAnEvent(error.into())
    }
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Self {
        Stop::Python(error)
    }
}

impl From<Stop> for PyErr {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::NotAnEvent(error) => PyValueError::new_err(error.to_string()),
            Stop::Python(error) => error,
        }
    }
}

/// Reads an Event.
///
/// Returns:
///     ``(wall_time, step, field number of what it holds or 0, content, writer or None, whether it is an index)``. The
///     content of a summary is a list of values ``(tag, field number or 0, number or bytes or None, metadata or None,
///     node name)``, with metadata ``(plugin name, plugin content, display name, description, data class)``; of a
///     version str; of all else bytes.
///
/// Raises:
///     ValueError: It is not an Event.
#[pyfunction]
fn decode_event_record<'py>(py: Python<'py>, record: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    let event = decode_event(record).map_err(Stop::from)?;
    let content = content_of(py, &event)?;
    let what = event.what.number();
    (
        event.wall_time,
        event.step,
        what,
        content,
        event.writer,
        event.index.is_some(),
    )
        .into_pyobject(py)
}

fn content_of<'py>(py: Python<'py>, event: &Event<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match event.what {
        What::Nothing => py.None().into_bound(py),
        What::FileVersion(version) => version.into_pyobject(py)?.into_any(),
        What::Summary(summary) => {
            let values = PyList::empty(py);
            for_each_value::<Stop>(summary, |value| Ok(values.append(value_to_python(py, &value)?)?))?;
            values.into_any()
        }
        What::GraphDef(bytes)
        | What::LogMessage(bytes)
        | What::SessionLog { message: bytes, .. }
        | What::TaggedRunMetadata(bytes)
        | What::MetaGraphDef(bytes) => PyBytes::new(py, bytes).into_any(),
    })
}

fn value_to_python<'py>(py: Python<'py>, value: &Value<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let content = match value.content {
        Content::Nothing => py.None().into_bound(py),
        Content::Simple(number) => number.into_pyobject(py)?.into_any(),
        Content::Obsolete(bytes)
        | Content::Image(bytes)
        | Content::Histogram(bytes)
        | Content::Audio(bytes)
        | Content::Tensor(bytes) => PyBytes::new(py, bytes).into_any(),
    };
    let metadata = match value.metadata {
        None => None,
        Some(message) => Some(metadata_to_python(py, message)?),
    };
    (value.tag, value.content.number(), content, metadata, value.node_name).into_pyobject(py)
}

/// A `SummaryMetadata` as ``(plugin name, plugin content, display name, description, data class)``.
pub fn metadata_to_python<'py>(py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    let metadata = decode_metadata(message).map_err(Stop::from)?;
    let content = PyBytes::new(py, metadata.plugin_content);
    (
        metadata.plugin_name,
        content,
        metadata.display_name,
        metadata.description,
        metadata.data_class,
    )
        .into_pyobject(py)
}

/// Raise ValueError unless bytes are an Event, with all values of its summary.
#[pyfunction]
fn check_event(record: &[u8]) -> PyResult<()> {
    check(record).map_err(|error| Stop::from(error).into())
}

/// Whether bytes are an Event that every reader can read.
fn check(record: &[u8]) -> Result<(), NotAnEvent> {
    let event = decode_event(record)?;
    match event.what {
        What::Summary(summary) => for_each_value(summary, |_| Ok(())),
        _ => Ok(()),
    }
}

/// Reads any message's fields.
///
/// Returns:
///     ``(number, value)`` of each field in order: int for a varint, float for four or eight bytes, bytes for what has
///     a length. Groups are left out.
///
/// Raises:
///     ValueError: It is not a protobuf message.
#[pyfunction]
fn decode_message<'py>(py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyList>> {
    let fields = PyList::empty(py);
    for_each_field::<Stop>(message, |number, field| {
        let value = match field {
            Field::Varint(value) => value.into_pyobject(py).map_err(PyErr::from)?.into_any(),
            Field::Fixed64(bytes) => f64::from_le_bytes(bytes)
                .into_pyobject(py)
                .map_err(PyErr::from)?
                .into_any(),
            Field::Fixed32(bytes) => f32::from_le_bytes(bytes)
                .into_pyobject(py)
                .map_err(PyErr::from)?
                .into_any(),
            Field::Delimited(bytes) => PyBytes::new(py, bytes).into_any(),
            Field::Group => return Ok(()),
        };
        Ok(fields.append((number, value))?)
    })?;
    Ok(fields)
}
