//! Lends native memory to Python, and makes bytes objects without panicking where memory runs out.
//!
//! What Python gets is a memoryview over a `Lease`, an object that keeps the memory alive. Whoever keeps a view, or
//! something made of it, keeps the lease: the memory can then be neither freed nor, because owners look, used again.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};
use pyo3::{ffi, intern};

/// What keeps lent memory alive.
pub enum Owner {
    /// A native buffer.
    Buffer(Arc<Vec<u8>>),
    /// A bytes object that nobody else has yet.
    Bytes(Py<PyBytes>),
}

/// A stretch of native memory with the buffer protocol.
#[pyclass(frozen, module = "recordfs._core")]
pub struct Lease {
    pointer: *mut u8,
    length: usize,
    writable: bool,
    _owner: Owner,
}

// SAFETY: the pointer leads into memory that `_owner` keeps; a lease itself never reads or writes it.
unsafe impl Send for Lease {}
// SAFETY: as above.
unsafe impl Sync for Lease {}

#[pymethods]
impl Lease {
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let lease = slf.get();
        let (pointer, length) = (lease.pointer.cast::<c_void>(), lease.length as ffi::Py_ssize_t);
        // SAFETY: `view` comes from the interpreter, and the memory lives as long as `slf`, which the view refers to.
        let code =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), pointer, length, c_int::from(!lease.writable), flags) };
        if code == 0 {
            Ok(())
        } else {
            Err(PyErr::take(slf.py()).unwrap_or_else(|| PyBufferError::new_err("no buffer")))
        }
    }
}

impl Lease {
    /// A memoryview over `length` bytes from `pointer` on.
    ///
    /// # Safety
    /// The bytes belong to `owner`'s memory. If `writable`, nothing else uses them before every view is gone, which
    /// shows in the owner's count of references; else nothing changes them before that.
    pub unsafe fn view<'py>(
        py: Python<'py>,
        pointer: *mut u8,
        length: usize,
        writable: bool,
        owner: Owner,
    ) -> PyResult<Bound<'py, PyMemoryView>> {
        let lease = Bound::new(
            py,
            Self {
                pointer,
                length,
                writable,
                _owner: owner,
            },
        )?;
        PyMemoryView::from(lease.as_any())
    }
}

/// Ends the use of a view that was lent for one call. What was made of it and kept elsewhere goes on living.
pub fn release(view: &Bound<'_, PyMemoryView>) {
    // A BufferError says that somebody kept an export; the owner will see that in its count.
    let _ = view.call_method0(intern!(view.py(), "release"));
}

/// Memory to read into: by native code, or by Python code that it is lent to.
pub struct Place {
    pointer: *mut u8,
    length: usize,
    owner: Owner,
}

// SAFETY: the pointer leads into memory that `owner` keeps, and that nothing else uses while the place exists.
unsafe impl Send for Place {}

impl Place {
    /// A place of `length` bytes from `pointer` on.
    ///
    /// # Safety
    /// The bytes belong to `owner`'s memory, and nothing else uses them while the place, or a view that it lent and
    /// that shows in the owner's count of references, exists.
    pub unsafe fn new(pointer: *mut u8, length: usize, owner: Owner) -> Self {
        Self { pointer, length, owner }
    }

    /// How many bytes there is room for.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The place as a slice, for native work.
    pub fn slice(&mut self) -> &mut [u8] {
        // SAFETY: as promised to `new`. The bytes may be fresh from the allocator; any value of them is valid.
        unsafe { std::slice::from_raw_parts_mut(self.pointer, self.length) }
    }

    /// A writable view of the place, which keeps its memory.
    pub fn into_view(self, py: Python<'_>) -> PyResult<Bound<'_, PyMemoryView>> {
        // SAFETY: as promised to `new`.
        unsafe { Lease::view(py, self.pointer, self.length, true, self.owner) }
    }

    /// Lends the place to one call into Python.
    pub fn lend<'py, R>(
        self,
        py: Python<'py>,
        call: impl FnOnce(&Bound<'py, PyMemoryView>) -> PyResult<R>,
    ) -> PyResult<R> {
        let view = self.into_view(py)?;
        let result = call(&view);
        release(&view);
        result
    }
}

/// Lends a buffer read-only for one call, without copying it.
///
/// Returns what the call returned. If the other side kept a view, it keeps the old memory, and `buffer` becomes a copy.
pub fn lend_buffer<'py, R>(
    py: Python<'py>,
    buffer: &mut Vec<u8>,
    call: impl FnOnce(Bound<'py, PyMemoryView>) -> PyResult<R>,
) -> PyResult<R> {
    let shared = Arc::new(std::mem::take(buffer));
    let owner = Owner::Buffer(Arc::clone(&shared));
    // SAFETY: a vector in an `Arc` does not change; it is taken out again only when no lease is left.
    let result = unsafe { Lease::view(py, shared.as_ptr().cast_mut(), shared.len(), false, owner) }.and_then(|view| {
        let result = call(view.clone());
        release(&view);
        result
    });
    *buffer = Arc::try_unwrap(shared).unwrap_or_else(|kept| kept.to_vec());
    result
}

/// A bytes object with these bytes; MemoryError if there is no memory.
#[inline]
pub fn bytes_from<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: the pointer and the length are those of a slice.
    unsafe { new_bytes(py, bytes.as_ptr(), bytes.len()) }
}

/// A bytes object with the `length` bytes from `pointer` on, or with bytes still to be written if `pointer` is null.
///
/// # Safety
/// `pointer` is null or leads to so many bytes, which do not change meanwhile.
#[inline]
pub unsafe fn new_bytes<'py>(py: Python<'py>, pointer: *const u8, length: usize) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: as promised to this function; the result is a new bytes object or null.
    unsafe {
        let object = ffi::PyBytes_FromStringAndSize(pointer.cast(), isize::try_from(length)?);
        Ok(Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked())
    }
}
