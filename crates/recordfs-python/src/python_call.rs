//! Calls of Python's code from native code, in which a thread may be when the interpreter ends.
//!
//! Before Python 3.14 a daemon thread that wants the GIL then is ended by `pthread_exit`, which unwinds its stack. Through
//! frames of Rust that cannot go on, and ends the process by SIGABRT: a job that was done would count as failed. PyO3 stops
//! such a thread for good where it takes the GIL itself, as Python 3.14 does; these functions do where Python's code does.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

// What pyo3 declares as `extern "C"` may not be unwound through.
unsafe extern "C-unwind" {
    fn PyObject_Call(
        callable: *mut ffi::PyObject,
        arguments: *mut ffi::PyObject,
        keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// Stops a thread that is being unwound.
struct StopsForGood;

impl Drop for StopsForGood {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

/// Calls a method of an object.
pub fn call_method<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let method = object.getattr(name)?;
    let arguments = arguments.into_pyobject(py).map_err(Into::into)?;
    let stops = StopsForGood;
    // SAFETY: both objects live, and the GIL is held.
    let answer = unsafe { PyObject_Call(method.as_ptr(), arguments.as_ptr(), std::ptr::null_mut()) };
    std::mem::forget(stops);
    // SAFETY: it is a new reference, or null with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, answer) }
}
