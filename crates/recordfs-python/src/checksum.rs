//! CRC-32C for Python: what object stores call it, and what records store.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use recordfs_core::crc::{Crc32c, mask};

/// From this many bytes on, other threads may run meanwhile; below, letting them costs more than the work.
const RELEASE_FROM: usize = 64 * 1024;

/// crc32c(data, value=0)
/// --
///
/// Return the CRC-32C of a contiguous buffer, going on from ``value``, the CRC-32C of what stands before it.
#[pyfunction]
#[pyo3(signature = (data, value=0, /))]
fn crc32c(py: Python<'_>, data: &Bound<'_, PyAny>, value: u32) -> PyResult<u32> {
    let mut crc = Crc32c::following(value);
    if let Ok(bytes) = data.cast::<PyBytes>() {
        let bytes = bytes.as_bytes();
        if bytes.len() >= RELEASE_FROM {
            py.detach(|| crc.update(bytes));
        } else {
            crc.update(bytes);
        }
        return Ok(crc.value());
    }
    let buffer = PyBuffer::<u8>::get(data)?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("expected a contiguous buffer"));
    }
    if buffer.len_bytes() > 0 {
        // SAFETY: the buffer is contiguous and `buffer` keeps it exported. The GIL is held, so nobody who plays by
        // Python's rules changes it meanwhile.
        crc.update(unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) });
    }
    Ok(crc.value())
}

/// masked_crc32c(data)
/// --
///
/// Return the CRC-32C of a contiguous buffer in the form that record files store.
#[pyfunction]
#[pyo3(signature = (data, /))]
fn masked_crc32c(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<u32> {
    crc32c(py, data, 0).map(mask)
}

/// Adds both functions.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(crc32c, module)?)?;
    module.add_function(wrap_pyfunction!(masked_crc32c, module)?)
}
