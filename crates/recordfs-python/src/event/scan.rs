//! `EventScanner`: an event file read from front to back into columns.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyIndexError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use recordfs_core::event as core;
use recordfs_core::record::{DecodeOptions, encode_record};

use super::index::EventDirectory;
use super::{PyColumn, column_to_python, kind_name, value_kind_name};

/// Adds the class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EventScanner>()
}

/// A tag as Python sees it: name, kind, metadata, points, last step, time and value, largest step and time, and the
/// field that its first value was in.
type TagTuple<'py> = (
    String,
    &'static str,
    Option<Bound<'py, PyBytes>>,
    usize,
    (i64, f64, f64),
    (i64, f64),
    Option<&'static str>,
);

/// The tags of one scanner or of several.
#[derive(Default)]
struct FoundTags {
    tags: Vec<FoundTag>,
    numbers: HashMap<(&'static str, Box<str>), usize>,
}

struct FoundTag {
    name: Box<str>,
    kind: core::TagKind,
    metadata: Option<Box<[u8]>>,
    extent: core::Extent,
}

impl FoundTags {
    fn add(&mut self, table: &core::EventTable, with_empty: bool) {
        for tag in &table.tags {
            let extent = table.extent_of(tag);
            if extent.count == 0 && !with_empty {
                continue;
            }
            let family = match kind_name(tag.kind) {
                "float32" | "float64" => "scalar",
                other => other,
            };
            let next = self.tags.len();
            let number = *self.numbers.entry((family, tag.name.clone())).or_insert(next);
            if number == next {
                self.tags.push(FoundTag {
                    name: tag.name.clone(),
                    kind: tag.kind,
                    metadata: tag.metadata.clone(),
                    extent,
                });
                continue;
            }
            let found = &mut self.tags[number];
            found.extent = found.extent.followed_by(extent);
            if value_kind_name(found.kind).is_none() {
                found.kind = tag.kind;
            }
            if found.metadata.is_none() {
                found.metadata.clone_from(&tag.metadata);
            }
        }
    }

    fn to_python<'py>(&self, py: Python<'py>) -> Vec<TagTuple<'py>> {
        let tags = self.tags.iter();
        tags.map(|tag| {
            (
                tag.name.to_string(),
                kind_name(tag.kind),
                tag.metadata.as_deref().map(|metadata| PyBytes::new(py, metadata)),
                tag.extent.count,
                (tag.extent.last_step, tag.extent.last_wall, tag.extent.last_value),
                (tag.extent.max_step, tag.extent.max_wall),
                value_kind_name(tag.kind),
            )
        })
        .collect()
    }
}

/// Puts the events of a file that is fed to it in chunks into columns, over what is damaged. ``feed`` releases the GIL.
/// Safe to use from many threads, one call at a time.
///
/// Args:
///     tags: The tags whose points are kept; all, if None.
///     offset: Where in the file the first chunk begins; a record has to begin there.
///     verify_checksums: Whether to check payloads; lengths always are.
///     max_record_size: Payloads that claim more bytes than this are damage.
#[pyclass(frozen, module = "recordfs._core")]
pub struct EventScanner {
    scanner: Mutex<core::EventScanner>,
}

impl EventScanner {
    /// Nothing under this lock panics half-way, so a poisoned lock is sound all the same.
    fn lock(&self) -> MutexGuard<'_, core::EventScanner> {
        self.scanner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl EventScanner {
    #[new]
    #[pyo3(signature = (*, tags = None, offset = 0, verify_checksums = true, max_record_size = 1 << 31))]
    fn new(tags: Option<Vec<String>>, offset: u64, verify_checksums: bool, max_record_size: u64) -> Self {
        let wanted = tags.map(|tags| tags.into_iter().map(String::into_boxed_str).collect());
        let options = DecodeOptions {
            max_length: max_record_size,
            verify_payload: verify_checksums,
        };
        Self {
            scanner: Mutex::new(core::EventScanner::new(wanted, options, offset)),
        }
    }

    /// Tell of the tags that another scanner saw before ``offset``: what a tensor is, its tag's first metadata says.
    fn introduce_tags_of(&self, other: &Self) {
        let known = other.lock().table.described_tags();
        self.lock().table.introduce_all(&known);
    }

    /// Tell of the tags that an index tells of.
    fn introduce_tags_of_index(&self, directory: &EventDirectory) {
        self.lock().table.introduce_all(&directory.described_tags());
    }

    /// Take the next chunk of the file; any contiguous buffer of bytes will do.
    fn feed(&self, py: Python<'_>, chunk: PyBuffer<u8>) -> PyResult<()> {
        if !chunk.is_c_contiguous() {
            return Err(PyBufferError::new_err("a chunk has to be contiguous"));
        }
        if chunk.len_bytes() == 0 {
            return Ok(());
        }
        // SAFETY: the buffer is contiguous and, while `chunk` holds the export, neither moved nor freed. That nobody
        // writes to it meanwhile is up to the caller, as with every buffer that is read without the GIL.
        let bytes = unsafe { std::slice::from_raw_parts(chunk.buf_ptr().cast::<u8>(), chunk.len_bytes()) };
        py.detach(|| self.lock().feed(bytes));
        Ok(())
    }

    /// Say that the file ends here for now; returns how many bytes of a record are there that is not whole.
    fn finish(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().finish())
    }

    /// Where the bytes begin that gave no event and no loss yet.
    #[getter]
    fn offset(&self) -> u64 {
        self.lock().offset()
    }

    /// How many events were read.
    #[getter]
    fn events(&self) -> u64 {
        self.lock().events
    }

    /// Whether the file says its version.
    #[getter]
    fn has_file_version(&self) -> bool {
        self.lock().table.has_file_version
    }

    /// The time of the first event; None before it.
    #[getter]
    fn first_wall(&self) -> Option<f64> {
        self.lock().table.rows.walls.first().copied()
    }

    /// How many rows the points are in.
    fn __len__(&self) -> usize {
        self.lock().table.rows.steps.len()
    }

    /// The rows at which a job started, with their steps.
    fn starts(&self) -> Vec<(u32, i64)> {
        let scanner = self.lock();
        let rows = &scanner.table.rows;
        rows.starts.iter().map(|&row| (row, rows.steps[row as usize])).collect()
    }

    /// The tags in the order in which they first appeared; of one without points what is told of them is 0.
    fn tags<'py>(&self, py: Python<'py>) -> Vec<TagTuple<'py>> {
        let mut found = FoundTags::default();
        found.add(&self.lock().table, true);
        found.to_python(py)
    }

    /// The tags that have points in some scanners, each of which read what comes after what the one before it read.
    #[staticmethod]
    fn tags_of_all<'py>(py: Python<'py>, scanners: Vec<PyRef<'py, Self>>) -> Vec<TagTuple<'py>> {
        let mut found = FoundTags::default();
        for scanner in &scanners {
            found.add(&scanner.lock().table, false);
        }
        found.to_python(py)
    }

    /// How many points each tag has.
    fn counts(&self) -> Vec<usize> {
        self.lock().table.tags.iter().map(|tag| tag.rows.len()).collect()
    }

    /// The number of a tag, by its name: of its scalars, or of its other values; None if it has none.
    fn number_of(&self, name: &str, scalars: bool) -> Option<usize> {
        self.lock().table.find(name, scalars)
    }

    /// The points of a tag.
    fn column(&self, py: Python<'_>, tag: usize) -> PyResult<PyColumn> {
        let column = py.detach(|| {
            let scanner = self.lock();
            (tag < scanner.table.tags.len()).then(|| scanner.table.column(tag))
        });
        column_to_python(py, column.ok_or_else(|| PyIndexError::new_err("there is no such tag"))?)
    }

    /// The first thousand losses: offset, length in bytes, reason.
    #[getter]
    fn losses(&self) -> Vec<(u64, u64, String)> {
        let scanner = self.lock();
        let losses = scanner.losses.iter();
        losses
            .map(|loss| (loss.offset, loss.length, loss.reason.clone()))
            .collect()
    }

    /// How many losses there are.
    #[getter]
    fn loss_count(&self) -> u64 {
        self.lock().loss_count
    }

    /// The record of an index of everything before ``offset``, as if it stood there; None if no event was read.
    fn encode_index<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let record = py.detach(|| {
            let payload = self.lock().encode_index()?;
            let mut record = Vec::new();
            encode_record(&mut record, &payload);
            Some(record)
        });
        record.map(|record| PyBytes::new(py, &record))
    }
}
