//! `ColumnBuffer`: a column's memory as a Python buffer, so that NumPy takes it without a copy.

use std::ffi::c_int;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// What a column is made of.
enum Memory {
    Int64(*mut [i64]),
    Float(*mut [f32]),
    Double(*mut [f64]),
    Flags(*mut [bool]),
}

/// The memory of one column as a writable buffer of plain bytes: ``numpy.frombuffer(buffer, dtype)`` is an array over it
/// that keeps it alive. It never moves, and native code does not look at it again.
#[pyclass(frozen, module = "recordfs._core")]
pub struct ColumnBuffer {
    memory: Memory,
}

// SAFETY: the object owns the memory and itself only gives its address away and frees it in the end; whoever writes
// through a buffer from several threads answers for it, as with any NumPy array.
unsafe impl Send for ColumnBuffer {}
// SAFETY: as above.
unsafe impl Sync for ColumnBuffer {}

impl From<Vec<i64>> for ColumnBuffer {
    fn from(values: Vec<i64>) -> Self {
        let memory = Memory::Int64(Box::into_raw(values.into_boxed_slice()));
        Self { memory }
    }
}

impl From<Vec<f32>> for ColumnBuffer {
    fn from(values: Vec<f32>) -> Self {
        let memory = Memory::Float(Box::into_raw(values.into_boxed_slice()));
        Self { memory }
    }
}

impl From<Vec<f64>> for ColumnBuffer {
    fn from(values: Vec<f64>) -> Self {
        let memory = Memory::Double(Box::into_raw(values.into_boxed_slice()));
        Self { memory }
    }
}

impl From<Vec<bool>> for ColumnBuffer {
    fn from(values: Vec<bool>) -> Self {
        let memory = Memory::Flags(Box::into_raw(values.into_boxed_slice()));
        Self { memory }
    }
}

impl Drop for ColumnBuffer {
    fn drop(&mut self) {
        // SAFETY: the pointers come from `Box::into_raw` and are freed once, when no buffer refers to this object.
        unsafe {
            match self.memory {
                Memory::Int64(values) => drop(Box::from_raw(values)),
                Memory::Float(values) => drop(Box::from_raw(values)),
                Memory::Double(values) => drop(Box::from_raw(values)),
                Memory::Flags(values) => drop(Box::from_raw(values)),
            }
        }
    }
}

impl ColumnBuffer {
    fn address_and_size(&self) -> (*mut std::ffi::c_void, usize) {
        match self.memory {
            Memory::Int64(values) => (values.cast(), values.len() * 8),
            Memory::Float(values) => (values.cast(), values.len() * 4),
            Memory::Double(values) => (values.cast(), values.len() * 8),
            Memory::Flags(values) => (values.cast(), values.len()),
        }
    }
}

#[pymethods]
impl ColumnBuffer {
    fn __len__(&self) -> usize {
        self.address_and_size().1
    }

    /// Hands out the memory.
    ///
    /// # Safety
    /// `view` is null or points to a `Py_buffer` that Python wants filled; only Python calls this.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err(
                "a buffer was asked for without a place to put it",
            ));
        }
        let (address, size) = slf.get().address_and_size();
        // SAFETY: `view` is valid; the memory lives as long as the object, to which the view holds a reference.
        // A slice is never larger than `isize::MAX`, so the size fits.
        let status = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), address, size as ffi::Py_ssize_t, 0, flags) };
        if status == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(slf.py()))
        }
    }
}

/// Adds the class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ColumnBuffer>()
}
