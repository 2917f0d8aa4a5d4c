//! `BundleIndexBuilder`: gathers entries and writes an index file's bytes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use recordfs_core::bundle::{AddError, Entry, Extent, Header, IndexBuilder, Slice, item_size};
use recordfs_core::crc::masked_crc32c;

use super::index::name_from_python;
use crate::error::{ErrorClass, error};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BundleIndexBuilder>()
}

/// `(start, length)` for each dimension; None as the length takes the whole dimension.
type SliceList = Vec<(i64, Option<i64>)>;

/// The index of a checkpoint that is being written. Safe to use from many threads.
#[pyclass(frozen, module = "recordfs._core")]
pub struct BundleIndexBuilder {
    builder: Mutex<IndexBuilder>,
}

impl BundleIndexBuilder {
    /// Nothing that could panic half-way runs under this lock, so a poisoned lock is sound all the same. No exception is
    /// made under it: that runs Python's code, and other threads, which may want the lock with the GIL held.
    fn lock(&self) -> MutexGuard<'_, IndexBuilder> {
        self.builder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(py: Python<'_>, name: &[u8], failure: &AddError) -> PyErr {
    let message = format!("tensor {:?}: {failure}", String::from_utf8_lossy(name));
    error(py, ErrorClass::InvalidArgument, &message, None, None)
}

fn to_slice(extents: SliceList) -> Slice {
    let extent = |(start, length)| Extent { start, length };
    extents.into_iter().map(extent).collect()
}

/// The entries of tensors that lie one after the other; None if they do not come to just these bytes.
fn entries_of_block(
    dtypes: Vec<i32>,
    shapes: Vec<Vec<i64>>,
    mut bytes: &[u8],
    shard: i32,
    mut offset: i64,
) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(dtypes.len());
    for (dtype, shape) in dtypes.into_iter().zip(shapes) {
        let mut entry = Entry {
            dtype,
            shape,
            shard,
            offset,
            ..Entry::default()
        };
        entry.size = i64::try_from(entry.elements()?.checked_mul(item_size(dtype)?)?).ok()?;
        let (own, rest) = bytes.split_at_checked(usize::try_from(entry.size).ok()?)?;
        entry.crc = masked_crc32c(own);
        offset += entry.size;
        bytes = rest;
        entries.push(entry);
    }
    bytes.is_empty().then_some(entries)
}

#[pymethods]
impl BundleIndexBuilder {
    #[new]
    fn new() -> Self {
        Self {
            builder: Mutex::new(IndexBuilder::new()),
        }
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }

    /// Raise what ``add`` would raise for this tensor or slice, before its bytes are written.
    ///
    /// Raises:
    ///     InvalidArgumentError: The name is taken or empty, or the slice does not fit.
    #[pyo3(signature = (name, dtype, shape, slice=None))]
    fn check(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        dtype: i32,
        shape: Vec<i64>,
        slice: Option<SliceList>,
    ) -> PyResult<()> {
        let name = name_from_python(name)?;
        let slice = slice.map(to_slice);
        let checked = self.lock().check(&name, dtype, &shape, slice.as_ref());
        checked.map_err(|failure| refusal(py, &name, &failure))
    }

    /// Add a tensor, or one slice of a tensor of that shape.
    ///
    /// Args:
    ///     name: The tensor's name.
    ///     dtype: TensorFlow's number of its type.
    ///     shape: Of the whole tensor.
    ///     place: Data file, offset, size in bytes, masked checksum.
    ///     slice: ``(start, length)`` for each dimension, or None for the whole tensor.
    ///
    /// Raises:
    ///     InvalidArgumentError: As ``check``.
    #[pyo3(signature = (name, dtype, shape, place, slice=None))]
    fn add(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        dtype: i32,
        shape: Vec<i64>,
        place: (i32, i64, i64, u32),
        slice: Option<SliceList>,
    ) -> PyResult<()> {
        let name = name_from_python(name)?;
        let (shard, offset, size, crc) = place;
        let mut entry = Entry {
            dtype,
            shape,
            shard,
            offset,
            size,
            crc,
            slices: Vec::new(),
        };
        let mut builder = self.lock();
        let added = match slice {
            None => builder.add(&name, entry),
            Some(extents) => {
                let shape = std::mem::take(&mut entry.shape);
                builder.add_slice(&name, &shape, &to_slice(extents), entry)
            }
        };
        drop(builder);
        added.map_err(|failure| refusal(py, &name, &failure))
    }

    /// Add tensors that lie one after the other in a data file, all of them or none.
    ///
    /// Args:
    ///     names: Their names.
    ///     dtypes: TensorFlow's number of the type of each, whose elements have a fixed size.
    ///     shapes: The shape of each.
    ///     data: The bytes of all.
    ///     shard: The number of the data file.
    ///     offset: Where in it the first begins.
    ///
    /// Raises:
    ///     InvalidArgumentError: As ``check``.
    ///     ValueError: The lists are not of one length, or its types and shapes do not add up to its bytes.
    #[allow(clippy::too_many_arguments)] // which are Python's
    fn add_block(
        &self,
        py: Python<'_>,
        names: Vec<Bound<'_, PyString>>,
        dtypes: Vec<i32>,
        shapes: Vec<Vec<i64>>,
        data: &Bound<'_, PyBytes>,
        shard: i32,
        offset: i64,
    ) -> PyResult<()> {
        if names.len() != dtypes.len() || names.len() != shapes.len() {
            return Err(PyValueError::new_err("there are not as many names as types and shapes"));
        }
        let names: Vec<Vec<u8>> = names.iter().map(name_from_python).collect::<PyResult<_>>()?;
        let bytes = data.as_bytes();
        py.detach(|| {
            let entries = entries_of_block(dtypes, shapes, bytes, shard, offset)?;
            Some(self.lock().add_all(&names, entries))
        })
        .ok_or_else(|| PyValueError::new_err("its types and shapes do not add up to its bytes"))?
        .map_err(|(place, failure)| refusal(py, &names[place], &failure))
    }

    /// Raise if the slices of a tensor do not cover it, each element once.
    ///
    /// Raises:
    ///     InvalidArgumentError: They do not; it names the tensor.
    fn check_cover(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.lock().check_cover())
            .map_err(|failure| error(py, ErrorClass::InvalidArgument, &failure.to_string(), None, None))
    }

    /// Return the bytes of the index file for so many data files.
    fn finish<'py>(&self, py: Python<'py>, num_shards: i32) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| self.lock().finish(&Header::new(num_shards, false)));
        PyBytes::new(py, &bytes)
    }
}
