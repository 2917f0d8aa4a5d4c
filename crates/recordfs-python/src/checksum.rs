//! CRC-32C for Python: what object stores call it, and what records store.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use recordfs_core::crc::{Crc32c, combine, mask};

/// From this many bytes on, other threads may run meanwhile; below, letting them costs more than the work.
const RELEASE_FROM: usize = 64 * 1024;

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

/// Return what ``crc32c`` returns, and let other threads run meanwhile whatever kind of buffer it is. The caller answers
/// for it that nobody writes to the memory before the call is done.
#[pyfunction]
#[pyo3(signature = (data, value=0, /))]
fn crc32c_of_still_memory(py: Python<'_>, data: &Bound<'_, PyAny>, value: u32) -> PyResult<u32> {
    let buffer = PyBuffer::<u8>::get(data)?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("expected a contiguous buffer"));
    }
    let mut crc = Crc32c::following(value);
    if buffer.len_bytes() > 0 {
        // SAFETY: the buffer is contiguous, `buffer` keeps it exported, and the caller promised that nobody writes to it.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) };
        if bytes.len() >= RELEASE_FROM {
            py.detach(|| crc.update(bytes));
        } else {
            crc.update(bytes);
        }
    }
    Ok(crc.value())
}

/// Return the CRC-32C of two stretches of bytes, one after the other, from that of each and the size of the second.
#[pyfunction]
#[pyo3(signature = (first, second, second_size, /))]
fn combine_crc32c(first: u32, second: u32, second_size: u64) -> u32 {
    combine(first, second, second_size)
}

/// Return a CRC-32C in the form that record files and checkpoints store.
#[pyfunction]
#[pyo3(signature = (crc, /))]
fn mask_crc32c(crc: u32) -> u32 {
    mask(crc)
}

/// Return the CRC-32C of a contiguous buffer in the form that record files store.
#[pyfunction]
#[pyo3(signature = (data, /))]
fn masked_crc32c(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<u32> {
    crc32c(py, data, 0).map(mask)
}

/// Adds the functions.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(crc32c, module)?)?;
    module.add_function(wrap_pyfunction!(crc32c_of_still_memory, module)?)?;
    module.add_function(wrap_pyfunction!(combine_crc32c, module)?)?;
    module.add_function(wrap_pyfunction!(mask_crc32c, module)?)?;
    module.add_function(wrap_pyfunction!(masked_crc32c, module)?)
}
