//! Python's door to `recordfs_core::event`: events as plain values, files as columns, and what a writer's thread needs.

mod decode;
mod encode;
mod framer;
mod index;
mod queue;
mod scalar_writer;
mod scan;

use pyo3::prelude::*;

use crate::column_buffer::ColumnBuffer;
use recordfs_core::event::{Column, TagKind, Values};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    decode::register(module)?;
    encode::register(module)?;
    framer::register(module)?;
    index::register(module)?;
    queue::register(module)?;
    scalar_writer::register(module)?;
    scan::register(module)
}

/// A column as Python gets it: the row, the step and the time of each point, and the values: numbers, or offsets and
/// lengths of the records that hold them.
type PyColumn = (
    Py<ColumnBuffer>,
    Py<ColumnBuffer>,
    Py<ColumnBuffer>,
    Py<ColumnBuffer>,
    Option<Py<ColumnBuffer>>,
);

fn column_to_python(py: Python<'_>, column: Column) -> PyResult<PyColumn> {
    let rows: Vec<i64> = column.rows.into_iter().map(i64::from).collect();
    let (values, lengths) = match column.values {
        Values::Float(values) => (ColumnBuffer::from(values), None),
        Values::Double(values) => (ColumnBuffer::from(values), None),
        Values::Located(places) => {
            let (offsets, lengths): (Vec<i64>, Vec<i64>) = places
                .into_iter()
                .map(|(offset, length)| (offset as i64, length as i64))
                .unzip();
            (ColumnBuffer::from(offsets), Some(ColumnBuffer::from(lengths)))
        }
    };
    Ok((
        Py::new(py, ColumnBuffer::from(rows))?,
        Py::new(py, ColumnBuffer::from(column.steps))?,
        Py::new(py, ColumnBuffer::from(column.walls))?,
        Py::new(py, values)?,
        lengths.map(|lengths| Py::new(py, lengths)).transpose()?,
    ))
}

/// What a tag holds, as Python calls it; whole events by the name of their field.
const fn kind_name(kind: TagKind) -> &'static str {
    match kind {
        TagKind::Float => "float32",
        TagKind::Double => "float64",
        TagKind::Located(_) => "summary",
        TagKind::Event(4) => "graph_def",
        TagKind::Event(6) => "log_message",
        TagKind::Event(7) => "session_log",
        TagKind::Event(8) => "tagged_run_metadata",
        TagKind::Event(9) => "meta_graph_def",
        TagKind::Event(_) => "event",
    }
}

/// The name of the field in `Summary.Value` that a tag's first value was in; None where nobody knows, or it is a scalar.
const fn value_kind_name(kind: TagKind) -> Option<&'static str> {
    match kind {
        TagKind::Located(3) => Some("obsolete_old_style_histogram"),
        TagKind::Located(4) => Some("image"),
        TagKind::Located(5) => Some("histo"),
        TagKind::Located(6) => Some("audio"),
        TagKind::Located(8) => Some("tensor"),
        _ => None,
    }
}
