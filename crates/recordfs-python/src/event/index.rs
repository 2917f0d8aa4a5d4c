//! Reading the index of an event file: pure functions over bytes that Python fetches.

use std::sync::Arc;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use recordfs_core::event::{
    ColumnPlace, DescribedTag, Directory, IndexError, IndexPlace, Rows, TagEntry, locate_index,
};

use super::{PyColumn, column_to_python, kind_name, value_kind_name};
use crate::error::{ErrorClass, error};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EventIndexPlace>()?;
    module.add_class::<EventDirectory>()?;
    module.add_class::<EventRows>()?;
    module.add_function(wrap_pyfunction!(locate_event_index, module)?)
}

fn data_loss(py: Python<'_>, fault: IndexError) -> PyErr {
    error(py, ErrorClass::DataLoss, &fault.to_string(), None, None)
}

/// Where the last index of an event file is; offsets and lengths in bytes.
#[pyclass(frozen, module = "recordfs._core")]
pub struct EventIndexPlace {
    place: IndexPlace,
}

#[pymethods]
impl EventIndexPlace {
    /// Where the record of the index begins: it covers every event before.
    #[getter]
    const fn record_offset(&self) -> u64 {
        self.place.record_offset
    }

    /// Where its rows begin; the directory follows them.
    #[getter]
    const fn rows_offset(&self) -> u64 {
        self.place.rows_offset
    }

    /// Where its directory begins.
    #[getter]
    const fn directory_offset(&self) -> u64 {
        self.place.directory_offset
    }

    /// Where its directory ends.
    #[getter]
    const fn directory_end(&self) -> u64 {
        self.place.directory_offset + self.place.directory_length
    }

    /// Where the first record after it begins.
    #[getter]
    const fn record_end(&self) -> u64 {
        self.place.record_end
    }
}

/// Find the last index of an event file in the bytes that end at ``file_size``; None if they show none.
#[pyfunction]
fn locate_event_index(py: Python<'_>, tail: &[u8], file_size: u64) -> Option<EventIndexPlace> {
    py.detach(|| locate_index(tail, file_size))
        .map(|place| EventIndexPlace { place })
}

/// The rows of a segment: what the points of its tags refer to.
#[pyclass(frozen, module = "recordfs._core")]
pub struct EventRows {
    rows: Arc<Rows>,
}

#[pymethods]
impl EventRows {
    fn __len__(&self) -> usize {
        self.rows.steps.len()
    }

    /// The rows at which a job started, with their steps.
    fn starts(&self) -> Vec<(u32, i64)> {
        let starts = self.rows.starts.iter();
        starts.map(|&row| (row, self.rows.steps[row as usize])).collect()
    }
}

/// A segment as Python sees it: begin, end, end of the index's record, whether it has columns, offset and length of its
/// rows.
type SegmentTuple = (u64, u64, u64, bool, u64, u64);
/// A column as Python sees it: segment, points, offset, length.
type ColumnTuple = (usize, u64, u64, u64);
/// A tag as Python sees it: name, kind, metadata, points, last step, time and value, largest step and time, and the
/// columns; and the field that its first value was in.
type TagTuple<'py> = (
    &'py str,
    &'static str,
    Option<Bound<'py, PyBytes>>,
    u64,
    (i64, f64, f64),
    (i64, f64),
    Vec<ColumnTuple>,
    Option<&'static str>,
);

fn tag_tuple<'py>(py: Python<'py>, tag: &'py TagEntry) -> TagTuple<'py> {
    (
        &*tag.name,
        kind_name(tag.kind),
        tag.metadata.as_deref().map(|metadata| PyBytes::new(py, metadata)),
        tag.count,
        (tag.last_step, tag.last_wall, tag.last_value),
        (tag.max_step, tag.max_wall),
        tag.columns.iter().map(column_tuple).collect(),
        value_kind_name(tag.kind),
    )
}

const fn column_tuple(place: &ColumnPlace) -> ColumnTuple {
    (place.segment, place.count, place.offset, place.length)
}

fn no_such_column() -> PyErr {
    PyIndexError::new_err("there is no such tag or column")
}

/// The directory of an index.
#[pyclass(frozen, module = "recordfs._core")]
pub struct EventDirectory {
    directory: Directory,
}

impl EventDirectory {
    /// The tags of summaries, for a scanner to be introduced to.
    pub(super) fn described_tags(&self) -> Vec<DescribedTag> {
        let tags = self.directory.tags.iter();
        tags.filter_map(|tag| DescribedTag::new(&tag.name, tag.kind, tag.metadata.as_deref()))
            .collect()
    }

    fn tag_at(&self, number: usize) -> PyResult<&TagEntry> {
        self.directory.tags.get(number).ok_or_else(no_such_column)
    }
}

#[pymethods]
impl EventDirectory {
    /// Reads the bytes from ``place.directory_offset`` to ``place.directory_end``. Raises DataLossError.
    #[new]
    fn new(py: Python<'_>, block: &[u8], place: &EventIndexPlace) -> PyResult<Self> {
        let directory = py
            .detach(|| Directory::decode(block, &place.place))
            .map_err(|fault| data_loss(py, fault))?;
        Ok(Self { directory })
    }

    /// Whether the file says its version.
    #[getter]
    const fn has_file_version(&self) -> bool {
        self.directory.has_file_version
    }

    /// The time of the file's first event.
    #[getter]
    const fn first_wall(&self) -> f64 {
        self.directory.first_wall
    }

    /// Its segments in order.
    fn segments(&self) -> Vec<SegmentTuple> {
        let segments = self.directory.segments.iter();
        segments
            .map(|one| {
                (
                    one.begin,
                    one.end,
                    one.record_end,
                    one.has_columns,
                    one.rows_offset,
                    one.rows_length,
                )
            })
            .collect()
    }

    /// Its tags in the order in which they first appeared.
    fn tags<'py>(&'py self, py: Python<'py>) -> Vec<TagTuple<'py>> {
        self.directory.tags.iter().map(|tag| tag_tuple(py, tag)).collect()
    }

    /// One of them, by its number.
    fn tag<'py>(&'py self, py: Python<'py>, number: usize) -> PyResult<TagTuple<'py>> {
        Ok(tag_tuple(py, self.tag_at(number)?))
    }

    /// What its tags are, without what their points are: equal bytes for files whose tags have equal names, kinds and
    /// metadata, in the same order, and have points or have none.
    fn signature<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.directory.signature())
    }

    /// The largest step and the latest time of each tag.
    fn largest(&self) -> Vec<(i64, f64)> {
        let tags = self.directory.tags.iter();
        tags.map(|tag| (tag.max_step, tag.max_wall)).collect()
    }

    /// The columns of a tag: segment, points, offset, length.
    fn columns(&self, number: usize) -> PyResult<Vec<ColumnTuple>> {
        Ok(self.tag_at(number)?.columns.iter().map(column_tuple).collect())
    }

    /// The rows of a segment from their bytes. Raises DataLossError.
    fn rows(&self, py: Python<'_>, segment: usize, block: &[u8]) -> PyResult<EventRows> {
        let rows = py
            .detach(|| self.directory.rows(segment, block))
            .map_err(|fault| data_loss(py, fault))?;
        Ok(EventRows { rows: Arc::new(rows) })
    }

    /// The points of a tag's column from its bytes. Raises DataLossError.
    fn column(&self, py: Python<'_>, tag: usize, column: usize, block: &[u8], rows: &EventRows) -> PyResult<PyColumn> {
        let tag = self.tag_at(tag)?;
        let place = tag.columns.get(column).ok_or_else(no_such_column)?;
        let found = py
            .detach(|| Directory::column(tag.kind, place, block, &rows.rows))
            .map_err(|fault| data_loss(py, fault))?;
        column_to_python(py, found)
    }
}
