//! String tensors: bytes of a data file to a list of bytes objects, and back.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use recordfs_core::bundle::{check_variants, decode_strings, strings_header};

use crate::error::{ErrorClass, error};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(decode_bundle_strings, module)?)?;
    module.add_function(wrap_pyfunction!(check_bundle_variants, module)?)?;
    module.add_function(wrap_pyfunction!(bundle_strings_header, module)?)
}

/// Return the elements of a string tensor.
///
/// Args:
///     data: Its bytes in the data file.
///     count: How many elements its shape has.
///     crc: The masked checksum in its entry; None leaves the elements unchecked, but not their lengths.
///     big_endian: Whether the checkpoint is.
///     name: The tensor's name, for errors.
///     path: The data file, for errors.
///
/// Raises:
///     DataLossError: The bytes are not that many strings, or a checksum is wrong.
#[pyfunction]
fn decode_bundle_strings<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyBytes>,
    count: u64,
    crc: Option<u32>,
    big_endian: bool,
    name: &Bound<'py, PyString>,
    path: Py<PyString>,
) -> PyResult<Bound<'py, PyList>> {
    let elements = decode_strings(data.as_bytes(), count, crc, big_endian).map_err(|fault| {
        let message = format!("tensor {:?}: {fault}", name.to_string_lossy());
        error(py, ErrorClass::DataLoss, &message, Some(&path), None)
    })?;
    PyList::new(py, elements.into_iter().map(|element| PyBytes::new(py, element)))
}

/// Check the bytes of a variant tensor; arguments as for ``decode_bundle_strings``.
///
/// Raises:
///     DataLossError: The bytes are not that many elements, or a checksum is wrong.
#[pyfunction]
fn check_bundle_variants(
    py: Python<'_>,
    data: &Bound<'_, PyBytes>,
    count: u64,
    crc: u32,
    big_endian: bool,
    name: &Bound<'_, PyString>,
    path: Py<PyString>,
) -> PyResult<()> {
    check_variants(data.as_bytes(), count, crc, big_endian).map_err(|fault| {
        let message = format!("tensor {:?}: {fault}", name.to_string_lossy());
        error(py, ErrorClass::DataLoss, &message, Some(&path), None)
    })
}

/// Return what stands before the elements of a string tensor in a data file, the size of the whole in bytes, and its
/// masked checksum.
#[pyfunction]
fn bundle_strings_header<'py>(py: Python<'py>, elements: Vec<Bound<'py, PyBytes>>) -> (Bound<'py, PyBytes>, u64, u32) {
    let header = strings_header(elements.iter().map(|element| element.as_bytes()));
    (PyBytes::new(py, &header.bytes), header.size, header.crc)
}
