//! `BundleIndex`: a checkpoint's index, parsed once, asked by name.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use recordfs_core::bundle::{BlockLimits, Entry, EntryFault, Fault, Index, Numbering, merge, small_blocks};

use super::blocks::{BundleBlock, Member};
use crate::error::{ErrorClass, error};
use crate::garbage::CollectorPause;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BundleIndex>()?;
    module.add_function(wrap_pyfunction!(merge_bundle_indexes, module)?)
}

/// The name of a tensor as Python has it. Names are UTF-8; bytes that are not are kept as lone surrogates.
pub fn name_to_python<'py>(py: Python<'py>, name: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(name) {
        Ok(name) => Ok(PyString::new(py, name)),
        Err(_) => Ok(PyBytes::new(py, name)
            .call_method1("decode", ("utf-8", "surrogateescape"))?
            .cast_into::<PyString>()?),
    }
}

/// The bytes of a name.
pub fn name_from_python(name: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    if let Ok(name) = name.to_str() {
        return Ok(name.as_bytes().to_vec());
    }
    let bytes = name.call_method1("encode", ("utf-8", "surrogateescape"))?;
    Ok(bytes.cast_into::<PyBytes>()?.as_bytes().to_vec())
}

/// dtype, shape, data file, offset, size, masked checksum, and whether it lies in slices.
type EntryTuple<'py> = (i32, Bound<'py, PyTuple>, i32, i64, i64, u32, bool);

/// starts, lengths, data file, offset, size, masked checksum.
type SliceTuple<'py> = (Bound<'py, PyTuple>, Bound<'py, PyTuple>, i32, i64, i64, u32);

/// The index of a checkpoint: which tensors there are and where they lie. Safe to use from many threads.
///
/// Args:
///     data: The bytes of the index file.
///     path: Its name, for errors.
///
/// Raises:
///     DataLossError: The bytes are no index, or damaged; ``offset`` says where.
///     UnimplementedError: Only readers of a later version may read it.
#[pyclass(frozen, module = "recordfs._core")]
pub struct BundleIndex {
    index: Index,
    path: Py<PyString>,
}

impl BundleIndex {
    fn fault(&self, py: Python<'_>, name: &[u8], fault: &EntryFault) -> PyErr {
        let message = format!("tensor {:?}: {fault}", String::from_utf8_lossy(name));
        error(py, ErrorClass::DataLoss, &message, Some(&self.path), None)
    }

    fn entry(&self, py: Python<'_>, name: &[u8]) -> PyResult<Option<&Entry>> {
        match self.index.entry(name) {
            None => Ok(None),
            Some(Ok(entry)) => Ok(Some(entry)),
            Some(Err(fault)) => Err(self.fault(py, name, fault)),
        }
    }
}

#[pymethods]
impl BundleIndex {
    #[new]
    fn new(py: Python<'_>, data: &Bound<'_, PyBytes>, path: Py<PyString>) -> PyResult<Self> {
        let bytes = data.as_bytes();
        match py.detach(|| Index::parse(bytes)) {
            Ok(index) => Ok(Self { index, path }),
            Err(failure) => {
                let class = match failure.fault {
                    Fault::Version { .. } => ErrorClass::Unimplemented,
                    _ => ErrorClass::DataLoss,
                };
                let message = failure.fault.to_string();
                Err(error(py, class, &message, Some(&path), Some(failure.offset)))
            }
        }
    }

    /// How many data files there are.
    #[getter]
    fn num_shards(&self) -> i32 {
        self.index.header().num_shards
    }

    /// Whether numbers in data files have their high byte first.
    #[getter]
    fn big_endian(&self) -> bool {
        self.index.header().big_endian
    }

    /// The version of the format that the writer had.
    #[getter]
    fn producer(&self) -> i32 {
        self.index.header().producer
    }

    fn __len__(&self) -> usize {
        self.index.len()
    }

    fn __contains__(&self, name: &Bound<'_, PyString>) -> PyResult<bool> {
        let name = name_from_python(name)?;
        Ok(!name.is_empty() && self.index.entry(&name).is_some())
    }

    /// The names of all tensors, sorted by their bytes.
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names: Vec<_> = self
            .index
            .names()
            .map(|name| name_to_python(py, name))
            .collect::<PyResult<_>>()?;
        PyList::new(py, names)
    }

    /// Name and shape of every tensor, sorted by the names' bytes.
    ///
    /// Raises:
    ///     DataLossError: An entry makes no sense.
    fn shapes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let _pause = CollectorPause::new(py);
        let shapes: Vec<Bound<'py, PyTuple>> = self
            .index
            .tensors()
            .map(|(name, entry)| {
                let entry = entry.map_err(|fault| self.fault(py, name, fault))?;
                (name_to_python(py, name)?, PyList::new(py, &entry.shape)?).into_pyobject(py)
            })
            .collect::<PyResult<_>>()?;
        PyList::new(py, shapes)
    }

    /// What the index says of one tensor: dtype, shape, data file, offset, size, masked checksum, and whether it lies in
    /// slices, in which case only the first two mean something. None if there is no such tensor.
    ///
    /// Raises:
    ///     DataLossError: Its entry makes no sense.
    fn find<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Option<EntryTuple<'py>>> {
        match self.entry(py, &name_from_python(name)?)? {
            None => Ok(None),
            Some(entry) => entry_to_python(py, entry).map(Some),
        }
    }

    /// As ``find`` for many tensors at once; a name that is not there is a KeyError with that name.
    fn find_many<'py>(&self, py: Python<'py>, names: Vec<Bound<'py, PyString>>) -> PyResult<Vec<EntryTuple<'py>>> {
        let _pause = CollectorPause::new(py);
        names
            .iter()
            .map(|name| match self.entry(py, &name_from_python(name)?)? {
                None => Err(no_tensor(name)),
                Some(entry) => entry_to_python(py, entry),
            })
            .collect()
    }

    /// Put small tensors together that one read brings.
    ///
    /// Args:
    ///     names: The tensors that are wanted.
    ///     limits: From how many bytes on a tensor is not small, how many unwanted bytes may lie between two, and how
    ///         many bytes a block may have.
    ///
    /// Returns:
    ///     The blocks, and the names of all tensors that are in none: large ones, empty ones, strings, partitioned ones.
    ///
    /// Raises:
    ///     DataLossError: An entry makes no sense.
    ///     KeyError: There is no tensor of a name.
    fn small_blocks<'py>(
        &self,
        py: Python<'py>,
        names: Vec<Bound<'py, PyString>>,
        limits: (u64, u64, u64),
    ) -> PyResult<BlocksTuple<'py>> {
        let entries: Vec<&Entry> = names
            .iter()
            .map(|name| self.entry(py, &name_from_python(name)?)?.ok_or_else(|| no_tensor(name)))
            .collect::<PyResult<_>>()?;
        let (small, gap, size) = limits;
        let (blocks, others) = small_blocks(entries.into_iter(), &BlockLimits { small, gap, size });
        let blocks = blocks
            .into_iter()
            .map(|block| {
                let members = block
                    .members
                    .iter()
                    .map(|&(place, entry)| {
                        Ok(Member {
                            name: names[place].clone().unbind(),
                            dtype: entry.dtype,
                            shape: PyTuple::new(py, &entry.shape)?.unbind(),
                            offset: (entry.offset as u64 - block.start) as usize,
                            size: entry.size as usize,
                            crc: entry.crc,
                        })
                    })
                    .collect::<PyResult<_>>()?;
                let size = (block.end - block.start) as usize;
                let (shard, start) = (block.shard, block.start);
                Bound::new(
                    py,
                    BundleBlock {
                        shard,
                        start,
                        size,
                        members,
                    },
                )
            })
            .collect::<PyResult<_>>()?;
        let others = others.into_iter().map(|place| names[place].clone()).collect();
        Ok((blocks, others))
    }

    /// How many bytes each data file has to have at least, by its number, for those to which an entry leads.
    fn data_ends(&self, py: Python<'_>) -> BTreeMap<i32, i64> {
        py.detach(|| self.index.data_ends())
    }

    /// The slices of a partitioned tensor: starts, lengths, data file, offset, size and masked checksum of each.
    ///
    /// Raises:
    ///     DataLossError: One is missing or makes no sense, or they do not cover the tensor exactly once.
    ///     KeyError: There is no such tensor.
    fn slices<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Vec<SliceTuple<'py>>> {
        let key = name_from_python(name)?;
        let Some(whole) = self.entry(py, &key)? else {
            return Err(no_tensor(name));
        };
        let slices = py
            .detach(|| self.index.slices(&key, whole))
            .map_err(|fault| self.fault(py, &key, &fault))?;
        slices
            .iter()
            .map(|slice| {
                let entry = slice.entry;
                let starts = PyTuple::new(py, slice.rectangle.iter().map(|(start, _)| start))?;
                let lengths = PyTuple::new(py, slice.rectangle.iter().map(|(_, length)| length))?;
                Ok((starts, lengths, entry.shard, entry.offset, entry.size, entry.crc))
            })
            .collect()
    }
}

/// Blocks of small tensors, and the names of the others.
type BlocksTuple<'py> = (Vec<Bound<'py, BundleBlock>>, Vec<Bound<'py, PyString>>);

fn no_tensor(name: &Bound<'_, PyString>) -> PyErr {
    pyo3::exceptions::PyKeyError::new_err(name.clone().unbind())
}

fn entry_to_python<'py>(py: Python<'py>, entry: &Entry) -> PyResult<EntryTuple<'py>> {
    let shape = PyTuple::new(py, &entry.shape)?;
    let sliced = !entry.slices.is_empty();
    Ok((
        entry.dtype,
        shape,
        entry.shard,
        entry.offset,
        entry.size,
        entry.crc,
        sliced,
    ))
}

/// For each data file of the whole the part and the number there; the bytes of the index.
type MergedTuple<'py> = (Vec<(usize, i32)>, Bound<'py, PyBytes>);

/// Return what several checkpoints come to as one: for each of its data files the part and the number there, and the
/// bytes of its index. With ``keep_numbers`` the parts were written for one checkpoint, each its own of these files;
/// nothing is numbered again then, and the list is empty.
///
/// Raises:
///     InvalidArgumentError: The parts do not go together: a tensor in two of them, different byte orders, slices that do
///         not cover their tensor.
#[pyfunction]
fn merge_bundle_indexes<'py>(
    py: Python<'py>,
    parts: Vec<PyRef<'py, BundleIndex>>,
    keep_numbers: bool,
) -> PyResult<MergedTuple<'py>> {
    let numbering = if keep_numbers { Numbering::Kept } else { Numbering::Anew };
    let indexes: Vec<&Index> = parts.iter().map(|part| &part.index).collect();
    let merged = py
        .detach(|| merge(&indexes, numbering))
        .map_err(|failure| error(py, ErrorClass::InvalidArgument, &failure.to_string(), None, None))?;
    Ok((merged.shards, PyBytes::new(py, &merged.index)))
}
