//! `ArrayMemory`: fresh memory for one large array, in the largest pages that the system has.

use std::ffi::c_int;
use std::io;
use std::ptr::NonNull;

use pyo3::exceptions::{PyBufferError, PyMemoryError, PyOverflowError};
use pyo3::ffi;
use pyo3::prelude::*;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ArrayMemory>()
}

/// The size of a huge page on x86-64 and, with pages of 4 KiB, on arm64. Where it is another, memory is merely aligned.
const HUGE_PAGE: usize = 2 << 20;

/// Fresh, zeroed memory as a writable buffer, given back to the system when the last array over it goes.
///
/// It begins at a huge page and asks for such pages, so that the system clears and maps 2 MiB at a time. An allocator
/// that puts its own header before an array gives it 4 KiB pages at both ends, and these cost more than copying the data.
///
/// Args:
///     size: Bytes, at least 1.
///
/// Raises:
///     MemoryError: The system has no more.
#[pyclass(frozen, module = "recordfs._core")]
pub struct ArrayMemory {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: the memory is this object's own, and may be unmapped by any thread.
unsafe impl Send for ArrayMemory {}
// SAFETY: this object never touches the bytes; who does so through buffers has to agree with the others, as with any
// writable buffer of Python.
unsafe impl Sync for ArrayMemory {}

/// Maps anonymous memory.
fn map(size: usize) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at a place of the system's choice touches nothing that is there.
    let found = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
    if found == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(found.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

/// Gives `size` bytes from `start` on back to the system, if there are any.
///
/// # Safety
/// They are whole pages of a mapping that is the caller's, and nothing refers to them any more.
unsafe fn unmap(start: *mut u8, size: usize) {
    if size > 0 {
        // SAFETY: the caller's promise. It can fail only where the arguments are no such pages.
        unsafe { libc::munmap(start.cast(), size) };
    }
}

impl ArrayMemory {
    fn aligned(size: usize) -> io::Result<Self> {
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        // Whole pages, and as much more as has to be cut off to begin at a huge one.
        let pages = size.checked_next_multiple_of(page_size()).ok_or_else(too_large)?;
        let reserved = pages.checked_add(HUGE_PAGE).ok_or_else(too_large)?;
        let mapped = map(reserved)?.as_ptr();
        let before = mapped.align_offset(HUGE_PAGE);
        // SAFETY: `before` is at most HUGE_PAGE, so that all three parts lie within the mapping and are whole pages; the
        // first and the last are used by nobody.
        let start = unsafe {
            let start = mapped.add(before);
            unmap(mapped, before);
            unmap(start.add(pages), HUGE_PAGE - before);
            start
        };
        #[cfg(target_os = "linux")]
        // SAFETY: the bytes are this object's own, and the advice changes none. A kernel without huge pages refuses it,
        // and all is well without. Beyond the last whole huge page nothing is asked for: it would take up to 2 MiB more.
        unsafe {
            libc::madvise(start.cast(), size / HUGE_PAGE * HUGE_PAGE, libc::MADV_HUGEPAGE);
        }
        let start = NonNull::new(start).ok_or_else(too_large)?;
        Ok(Self { start, size })
    }
}

fn page_size() -> usize {
    // SAFETY: a question without arguments that matter.
    let found = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(found).unwrap_or(HUGE_PAGE)
}

impl Drop for ArrayMemory {
    fn drop(&mut self) {
        let pages = self.size.next_multiple_of(page_size());
        // SAFETY: `aligned` mapped just these pages; every buffer over them holds a reference to this object.
        unsafe { unmap(self.start.as_ptr(), pages) };
    }
}

#[pymethods]
impl ArrayMemory {
    #[new]
    fn new(py: Python<'_>, size: usize) -> PyResult<Self> {
        py.detach(|| Self::aligned(size.max(1)))
            .map_err(|error| PyMemoryError::new_err(format!("no memory for an array of {size} bytes: {error}")))
    }

    fn __len__(&self) -> usize {
        self.size
    }

    /// Hands out the bytes, writable.
    ///
    /// # Safety
    /// `view` is null or points to a `Py_buffer` that Python wants filled; only Python calls this.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err(
                "a buffer was asked for without a place to put it",
            ));
        }
        let memory = slf.get();
        let length = ffi::Py_ssize_t::try_from(memory.size)
            .map_err(|_| PyOverflowError::new_err("the memory is larger than a buffer can be"))?;
        // SAFETY: `view` is valid, and holds a reference to this object, whose memory stays in its place until it goes.
        let status =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), memory.start.as_ptr().cast(), length, 0, flags) };
        if status == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(slf.py()))
        }
    }
}
