//! `BundleBlock`: several small tensors that are read together, and checked in one go.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use recordfs_core::crc::masked_crc32c;

use crate::error::{ErrorClass, error};
use crate::garbage::CollectorPause;
use crate::region::ReadOnlyMemoryRegion;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BundleBlock>()
}

/// One tensor in a block.
pub struct Member {
    /// Its name.
    pub name: Py<PyString>,
    /// TensorFlow's number of its type.
    pub dtype: i32,
    /// Its shape.
    pub shape: Py<PyTuple>,
    /// Where it begins in the block.
    pub offset: usize,
    /// Its size in bytes.
    pub size: usize,
    /// The masked checksum of its bytes.
    pub crc: u32,
}

/// A stretch of a data file that holds small tensors. Made by ``BundleIndex.small_blocks``.
#[pyclass(frozen, module = "recordfs._core")]
pub struct BundleBlock {
    /// The number of the data file.
    #[pyo3(get)]
    pub shard: i32,
    /// Where in the file it begins.
    #[pyo3(get)]
    pub start: u64,
    /// Its size in bytes.
    #[pyo3(get)]
    pub size: usize,
    /// The tensors, in the order of their bytes.
    pub members: Vec<Member>,
}

#[pymethods]
impl BundleBlock {
    fn __len__(&self) -> usize {
        self.members.len()
    }

    /// Name, dtype, shape and offset in the block of each tensor.
    fn members<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let _pause = CollectorPause::new(py);
        self.members
            .iter()
            .map(|member| {
                let fields = (member.name.bind(py), member.dtype, member.shape.bind(py), member.offset);
                fields.into_pyobject(py)
            })
            .collect()
    }

    /// Compare the checksums of all tensors with the block's bytes.
    ///
    /// Args:
    ///     data: The bytes.
    ///     path: The data file, for errors.
    ///     verify: Whether to compare; without it only the size is looked at.
    ///
    /// Raises:
    ///     DataLossError: A checksum is wrong, or there are too few bytes.
    fn check(&self, py: Python<'_>, data: &Bound<'_, PyBytes>, path: Py<PyString>, verify: bool) -> PyResult<()> {
        let bytes = data.as_bytes();
        let broken = py.detach(|| self.find_broken(bytes, verify));
        broken.map_or(Ok(()), |broken| Err(self.failure(py, broken, &path)))
    }

    /// As ``check``, of the block's bytes in a mapped file.
    ///
    /// Raises:
    ///     DataLossError: A checksum is wrong.
    ///     OutOfRangeError: The file is shorter than the block's end.
    fn check_mapped(&self, py: Python<'_>, region: &ReadOnlyMemoryRegion, path: Py<PyString>) -> PyResult<()> {
        let broken = region.with_bytes(py, self.start as usize, self.size, |bytes| {
            self.find_broken(bytes, true)
        })?;
        broken.map_or(Ok(()), |broken| Err(self.failure(py, broken, &path)))
    }
}

/// A tensor, and the checksum that its bytes have in place of its own; None if they are not all there.
type Broken<'a> = (&'a Member, Option<u32>);

impl BundleBlock {
    fn find_broken(&self, bytes: &[u8], verify: bool) -> Option<Broken<'_>> {
        self.members
            .iter()
            .find_map(|member| match bytes.get(member.offset..member.offset + member.size) {
                None => Some((member, None)),
                Some(part) if verify => {
                    let computed = masked_crc32c(part);
                    (computed != member.crc).then_some((member, Some(computed)))
                }
                Some(_) => None,
            })
    }

    fn failure(&self, py: Python<'_>, (member, computed): Broken<'_>, path: &Py<PyString>) -> PyErr {
        let name = member.name.bind(py).to_string_lossy();
        let size = member.size;
        let message = match computed {
            Some(computed) => format!(
                "tensor {name:?}: the checksum in the index is {:#010x}, but its {size} bytes give {computed:#010x}: \
                 they are damaged, or of another save",
                member.crc
            ),
            None => format!("tensor {name:?} has {size} bytes, but the file ends before: it was cut"),
        };
        let offset = self.start + member.offset as u64;
        error(py, ErrorClass::DataLoss, &message, Some(path), Some(offset))
    }
}
