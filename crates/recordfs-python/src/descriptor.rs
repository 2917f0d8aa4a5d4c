//! Descriptors of the operating system that no Ctrl-C loses.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyInt, PyTuple};

use crate::python_call;

/// A descriptor of the operating system. It is closed when the last one who uses it lets go.
///
/// A signal handler of Python's runs between any two calls. One that raises after ``os.open``, and before something owns
/// its answer, leaves the descriptor open for ever; what it raises inside a ``__del__`` is lost, and the Ctrl-C with it. So
/// opening and owning are one call here, and letting go runs no Python.
///
/// Args:
///     number: An open descriptor, which becomes this object's.
///
/// Attributes:
///     number: The system's number, which is another file's, or none's, after ``close``.
#[pyclass(frozen, module = "recordfs._core")]
struct Descriptor {
    // An object, because reading one that is there costs half of making one.
    #[pyo3(get)]
    number: Py<PyInt>,
    raw: RawFd,
    is_open: AtomicBool,
}

impl Descriptor {
    fn owning(number: &Bound<'_, PyInt>) -> PyResult<Self> {
        Ok(Self {
            raw: number.extract()?,
            number: number.clone().unbind(),
            is_open: AtomicBool::new(true),
        })
    }
}

#[pymethods]
impl Descriptor {
    #[new]
    fn new(number: &Bound<'_, PyInt>) -> PyResult<Self> {
        Self::owning(number)
    }

    /// Open a file as ``os.open`` does.
    ///
    /// Raises:
    ///     OSError: As ``os.open`` raises.
    #[staticmethod]
    #[pyo3(signature = (path, flags, mode = 0o777, *, dir_fd = None))]
    fn open(py: Python<'_>, path: &Bound<'_, PyAny>, flags: i32, mode: u32, dir_fd: Option<RawFd>) -> PyResult<Self> {
        let open = PyModule::import(py, "os")?.getattr("open")?;
        let number = if let Some(directory) = dir_fd {
            let keywords = [("dir_fd", directory)].into_py_dict(py)?;
            python_call::call_with_keywords(&open, (path, flags, mode), Some(&keywords))?
        } else {
            python_call::call(&open, (path, flags, mode))?
        };
        Self::owning(number.cast()?)
    }

    /// Open the file of another descriptor once more, as ``os.dup`` does.
    ///
    /// Raises:
    ///     OSError: As ``os.dup`` raises.
    #[staticmethod]
    fn duplicate(py: Python<'_>, number: RawFd) -> PyResult<Self> {
        let duplicate = PyModule::import(py, "os")?.getattr("dup")?;
        Self::owning(python_call::call(&duplicate, (number,))?.cast()?)
    }

    /// Close it now, and be told where that fails. Idempotent. Only while no other thread uses it.
    ///
    /// Raises:
    ///     OSError: As ``os.close`` raises. The descriptor is closed all the same.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let close = PyModule::import(py, "os")?.getattr("close")?;
        if self.is_open.swap(false, Ordering::Relaxed) {
            python_call::call(&close, (&self.number,))?;
        }
        Ok(())
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Close it; an error that leaves the block stays the one that is seen.
    #[pyo3(signature = (kind, *_error))]
    fn __exit__(&self, py: Python<'_>, kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyTuple>) -> PyResult<()> {
        let closed = self.close(py);
        if kind.is_none() { closed } else { Ok(()) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let (is_open, raw) = (*self.is_open.get_mut(), self.raw);
        if is_open {
            // SAFETY: the number was given to this object, which has not closed it.
            let close = move || unsafe { libc::close(raw) };
            // The system may take its time over it. There is nobody to tell of a failure.
            Python::try_attach(|py| py.detach(close)).unwrap_or_else(close);
        }
    }
}

/// Registers the native names.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Descriptor>()
}
