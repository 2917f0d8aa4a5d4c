//! Calls of Python's code from native code, in which a thread may be when the interpreter ends.
//!
//! Before Python 3.14 a daemon thread that wants the GIL then is ended by `pthread_exit`, which unwinds its stack. Through
//! frames of Rust that cannot go on, and ends the process by SIGABRT: a job that was done would count as failed. PyO3 stops
//! such a thread for good where it takes the GIL itself, as Python 3.14 does; these functions do where Python's code does.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyString, PyTuple};

// What pyo3 declares as `extern "C"` may not be unwound through.
unsafe extern "C-unwind" {
    fn PyObject_Call(
        callable: *mut ffi::PyObject,
        arguments: *mut ffi::PyObject,
        keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
    fn PyIter_Next(iterator: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// A function of those above, to be called.
///
/// Link-time optimization makes one declaration of pyo3's and of these, takes it that calls do not unwind, and leaves out
/// what `StopsForGood` does. It does not see what function comes out of here.
#[inline]
fn unwinding<F: Copy>(function: F) -> F {
    std::hint::black_box(function)
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

/// Runs what runs Python's code.
fn stopped_by_the_end<R>(run: impl FnOnce() -> R) -> R {
    let stops = StopsForGood;
    let answer = run();
    std::mem::forget(stops);
    answer
}

/// Calls a method of an object.
pub fn call_method<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
) -> PyResult<Bound<'py, PyAny>> {
    call(&object.getattr(name)?, arguments)
}

/// Calls an object.
pub fn call<'py>(
    function: &Bound<'py, PyAny>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
) -> PyResult<Bound<'py, PyAny>> {
    call_with_keywords(function, arguments, None)
}

/// Calls an object, with keyword arguments too.
pub fn call_with_keywords<'py>(
    function: &Bound<'py, PyAny>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let arguments = arguments.into_pyobject(py).map_err(Into::into)?;
    let keywords = keywords.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: the objects live, and the GIL is held.
    let answer = stopped_by_the_end(|| unsafe {
        let call = unwinding(PyObject_Call as unsafe extern "C-unwind" fn(_, _, _) -> _);
        call(function.as_ptr(), arguments.as_ptr(), keywords)
    });
    // SAFETY: it is a new reference, or null with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, answer) }
}

/// Goes through what an object holds, which may be a generator.
pub fn items<'py>(object: &Bound<'py, PyAny>) -> PyResult<Items<'py>> {
    object.try_iter().map(Items)
}

/// See [`items`].
pub struct Items<'py>(Bound<'py, PyIterator>);

impl<'py> Iterator for Items<'py> {
    type Item = PyResult<Bound<'py, PyAny>>;

    fn next(&mut self) -> Option<Self::Item> {
        let py = self.0.py();
        // SAFETY: the iterator is one and lives, and the GIL is held.
        let item = stopped_by_the_end(|| unsafe {
            let next = unwinding(PyIter_Next as unsafe extern "C-unwind" fn(_) -> _);
            next(self.0.as_ptr())
        });
        // SAFETY: it is a new reference, or null with or without an error set.
        match unsafe { Bound::from_owned_ptr_or_opt(py, item) } {
            Some(item) => Some(Ok(item)),
            None => PyErr::take(py).map(Err),
        }
    }
}
