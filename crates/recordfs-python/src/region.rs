//! `ReadOnlyMemoryRegion`: the bytes of a file as a Python buffer, mapped or held, and never copied again.

use std::ffi::c_int;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::{Mmap, MmapOptions};
use pyo3::exceptions::{PyBufferError, PyOverflowError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};
use recordfs_core::crc::crc32c;

use crate::error::{ErrorClass, error, os_error};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ReadOnlyMemoryRegion>()
}

/// What keeps the bytes alive.
enum Backing {
    Empty,
    /// Shared with the regions that were cut from this one.
    Mapping(Arc<Mmap>),
    Bytes(Py<PyBytes>),
    /// Memory of somebody else's, such as a plugin's.
    Foreign(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

struct State {
    backing: Backing,
    closed: bool,
    /// Buffers handed out and not released. While there are any, the backing stays, closed or not.
    exports: usize,
}

/// The bytes of a file as a read-only buffer: mapped, or held as ``bytes``.
///
/// ``memoryview(region)``, ``numpy.frombuffer(region, ...)`` and everything else that takes a buffer see the bytes
/// without a copy, and ``memoryview(region)[a:b]`` is a slice without one. The memory stays until the region is closed
/// or collected *and* every such view is gone, so a view never outlives its bytes. Safe to use from many threads.
///
/// A mapped file that another process shortens kills this process (SIGBUS) when the missing part is touched: map only
/// files that nobody shortens.
///
/// Args:
///     data: The bytes to hold; they are not copied.
#[pyclass(frozen, module = "recordfs._core")]
pub struct ReadOnlyMemoryRegion {
    state: Mutex<State>,
    /// Where in the backing this region begins. `start + length` lies within it.
    start: usize,
    length: usize,
}

impl ReadOnlyMemoryRegion {
    fn with_backing(backing: Backing, start: usize, length: usize) -> Self {
        Self {
            state: Mutex::new(State {
                backing,
                closed: false,
                exports: 0,
            }),
            start,
            length,
        }
    }

    /// A region over memory that somebody else owns, which stays in place until the owner is dropped.
    pub fn foreign(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let length = owner.as_ref().len();
        Self::with_backing(Backing::Foreign(Arc::new(owner)), 0, length)
    }

    /// No code runs under this lock that could panic half-way or call Python, so a poisoned lock is sound all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a part of the bytes, without the GIL. The pages of a mapped file are ready by then, so that what
    /// the file has lost is an error.
    pub fn with_bytes<R: Send>(
        &self,
        py: Python<'_>,
        offset: usize,
        length: usize,
        work: impl FnOnce(&[u8]) -> R + Send,
    ) -> PyResult<R> {
        let part = self.subregion(py, offset, length)?;
        let own = part.start..part.start + length;
        let state = part.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.backing {
            Backing::Empty => Ok(work(&[])),
            Backing::Bytes(bytes) => {
                let bytes = &bytes.as_bytes(py)[own];
                Ok(py.detach(|| work(bytes)))
            }
            Backing::Foreign(owner) => Ok(py.detach(|| work(&(*owner).as_ref()[own]))),
            Backing::Mapping(mapping) => py.detach(|| {
                let bytes = &mapping[own];
                populate(bytes).map_err(|error| {
                    let message = format!("{length} bytes at {offset} are no longer in the file: {error}");
                    Python::attach(|py| out_of_range(py, &message))
                })?;
                Ok(work(bytes))
            }),
        }
    }

    /// Takes the backing out if nothing needs it any more; the caller drops it after it has released the lock.
    fn take_unused(state: &mut State) -> Backing {
        if state.closed && state.exports == 0 {
            std::mem::replace(&mut state.backing, Backing::Empty)
        } else {
            Backing::Empty
        }
    }
}

#[pymethods]
impl ReadOnlyMemoryRegion {
    #[new]
    fn new(data: Bound<'_, PyBytes>) -> Self {
        let length = data.as_bytes().len();
        Self::with_backing(Backing::Bytes(data.unbind()), 0, length)
    }

    /// Map the whole of an open regular file; the descriptor may be closed afterwards.
    ///
    /// An empty file gives an empty region.
    ///
    /// Raises:
    ///     OSError: The descriptor cannot be mapped (a directory, a pipe, not open for reading).
    #[staticmethod]
    fn map_file(py: Python<'_>, file_descriptor: RawFd) -> PyResult<Self> {
        // SAFETY: the mapping is private to this object and read-only. Another process can still change or shorten the
        // file; that is what the documentation warns of, and why regions are never made unasked.
        let mapping = py.detach(|| unsafe { MmapOptions::new().map(file_descriptor) });
        let mapping = mapping.map_err(|failure| os_error(py, &failure))?;
        let length = mapping.len();
        Ok(Self::with_backing(Backing::Mapping(Arc::new(mapping)), 0, length))
    }

    /// The number of bytes; known also after closing.
    #[getter]
    fn length(&self) -> usize {
        self.length
    }

    fn __len__(&self) -> usize {
        self.length
    }

    /// A new ``memoryview`` over all bytes.
    ///
    /// Raises:
    ///     ClosedFileError: The region is closed.
    #[getter]
    fn data<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        if slf.get().lock().closed {
            return Err(closed_error(slf.py()));
        }
        PyMemoryView::from(slf.as_any())
    }

    /// Return a region over a part of this one, without a copy.
    ///
    /// The two share the memory and nothing else: each is closed by itself, and the memory stays while either needs it.
    ///
    /// Args:
    ///     offset: Where the part begins, in bytes from the beginning of this region.
    ///     length: Its size in bytes.
    ///
    /// Raises:
    ///     OutOfRangeError: The part does not lie within this region.
    ///     ClosedFileError: The region is closed.
    fn subregion(&self, py: Python<'_>, offset: usize, length: usize) -> PyResult<Self> {
        if offset > self.length || length > self.length - offset {
            let message = format!(
                "{length} bytes at {offset} do not lie within a region of {} bytes",
                self.length
            );
            return Err(out_of_range(py, &message));
        }
        let state = self.lock();
        if state.closed {
            // Making an exception runs Python's code, and other threads, which may want the lock with the GIL held.
            drop(state);
            return Err(closed_error(py));
        }
        let backing = match &state.backing {
            Backing::Mapping(mapping) => Backing::Mapping(Arc::clone(mapping)),
            Backing::Bytes(bytes) => Backing::Bytes(bytes.clone_ref(py)),
            Backing::Foreign(owner) => Backing::Foreign(Arc::clone(owner)),
            Backing::Empty => Backing::Empty,
        };
        Ok(Self::with_backing(backing, self.start + offset, length))
    }

    /// Return the CRC-32C of a part of the bytes.
    ///
    /// The pages of a mapped file are mapped together first, which costs less than one by one as they are met, and tells
    /// of a file that was shortened since, where touching the missing part would end the process.
    ///
    /// Args:
    ///     offset: Where the part begins, in bytes from the beginning of this region.
    ///     length: Its size in bytes.
    ///
    /// Raises:
    ///     OutOfRangeError: The part does not lie within this region, or the file has lost it.
    ///     ClosedFileError: The region is closed.
    fn checksum(&self, py: Python<'_>, offset: usize, length: usize) -> PyResult<u32> {
        self.with_bytes(py, offset, length, crc32c)
    }

    /// Whether ``close`` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.lock().closed
    }

    /// Refuse new views and, once the existing ones are gone, let go of the memory. Idempotent.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let unused = Self::take_unused(&mut state);
        drop(state);
        drop(unused);
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if slf.get().lock().closed {
            return Err(closed_error(slf.py()));
        }
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        let state = self.lock();
        let kind = match state.backing {
            _ if state.closed => "closed",
            Backing::Mapping(_) | Backing::Foreign(_) => "mapped",
            Backing::Bytes(_) | Backing::Empty => "held",
        };
        format!("<ReadOnlyMemoryRegion of {} bytes, {kind}>", self.length)
    }

    /// Hands out the bytes. Python calls it for `memoryview(region)`, `bytes(region)`, `numpy.frombuffer(region)`.
    ///
    /// # Safety
    /// `view` is null or points to a `Py_buffer` that Python wants filled; only Python calls this.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err(
                "a buffer was asked for without a place to put it",
            ));
        }
        let region = slf.get();
        let length = ffi::Py_ssize_t::try_from(region.length)
            .map_err(|_| PyOverflowError::new_err("the region is larger than a buffer can be"))?;
        let pointer = {
            let mut state = region.lock();
            if state.closed {
                return Err(PyBufferError::new_err("the memory region is closed"));
            }
            state.exports += 1;
            match &state.backing {
                Backing::Mapping(mapping) => mapping[region.start..].as_ptr(),
                Backing::Bytes(bytes) => bytes.as_bytes(slf.py())[region.start..].as_ptr(),
                Backing::Foreign(owner) => (**owner).as_ref()[region.start..].as_ptr(),
                Backing::Empty => std::ptr::NonNull::<u8>::dangling().as_ptr(),
            }
        };
        // SAFETY: `view` is valid, the bytes stay until the export counted above is released, and read-only is set; the
        // view holds a reference to this object.
        let status = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), pointer.cast_mut().cast(), length, 1, flags) };
        if status == 0 {
            return Ok(());
        }
        region.lock().exports -= 1;
        Err(PyErr::fetch(slf.py()))
    }

    /// Takes one export back.
    ///
    /// # Safety
    /// Only Python calls this, once for each buffer that was filled.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        let mut state = self.lock();
        state.exports -= 1;
        let unused = Self::take_unused(&mut state);
        drop(state);
        drop(unused);
    }
}

/// Has the pages of a mapping ready before they are touched.
///
/// # Errors
/// The file ends before the mapping, or its memory is damaged. A kernel without this call is not an error.
#[cfg(target_os = "linux")]
fn populate(bytes: &[u8]) -> std::io::Result<()> {
    // SAFETY: a question without arguments that matter.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1);
    let before = bytes.as_ptr().addr() % page;
    // SAFETY: the bytes are mapped, and so is the page that the first of them lies in; the advice changes none.
    let status = unsafe {
        let start = bytes.as_ptr().sub(before).cast_mut();
        libc::madvise(start.cast(), bytes.len() + before, libc::MADV_POPULATE_READ)
    };
    let error = std::io::Error::last_os_error();
    if status != 0 && matches!(error.raw_os_error(), Some(libc::EFAULT | libc::EHWPOISON)) {
        return Err(error);
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps)]
fn populate(_: &[u8]) -> std::io::Result<()> {
    Ok(())
}

fn closed_error(py: Python<'_>) -> PyErr {
    error(py, ErrorClass::ClosedFile, "the memory region is closed", None, None)
}

fn out_of_range(py: Python<'_>, message: &str) -> PyErr {
    error(py, ErrorClass::OutOfRange, message, None, None)
}
