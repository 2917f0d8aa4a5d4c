//! Calls of Python's code from native code, in which a thread may be when the interpreter ends.
//!
//! Before Python 3.14 a daemon thread that wants the GIL then is ended by `pthread_exit`, which unwinds its stack. Through
//! frames of Rust that cannot go on, and ends the process by SIGABRT: a job that was done would count as failed. PyO3 stops
//! such a thread for good where it takes the GIL itself, as Python 3.14 does; these functions do where Python's code does.

use std::ffi::c_double;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

// What pyo3 declares as `extern "C"` may not be unwound through.
unsafe extern "C-unwind" {
    fn PyObject_GetAttr(object: *mut ffi::PyObject, name: *mut ffi::PyObject) -> *mut ffi::PyObject;
    fn PyObject_Call(
        callable: *mut ffi::PyObject,
        arguments: *mut ffi::PyObject,
        keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
    fn PyObject_GetIter(object: *mut ffi::PyObject) -> *mut ffi::PyObject;
    fn PyIter_Next(iterator: *mut ffi::PyObject) -> *mut ffi::PyObject;
    fn PyFloat_AsDouble(object: *mut ffi::PyObject) -> c_double;
    fn PyNumber_Index(object: *mut ffi::PyObject) -> *mut ffi::PyObject;
    fn Py_DecRef(object: *mut ffi::PyObject);
}

/// A function of those above, to be called.
///
/// Link-time optimization makes one declaration of pyo3's and of these, takes it that calls do not unwind, and leaves out
/// what `StopsForGood` does. It does not see what function comes out of here.
#[inline]
fn unwinding<F: Copy>(function: F) -> F {
    std::hint::black_box(function)
}

type OfOne = unsafe extern "C-unwind" fn(*mut ffi::PyObject) -> *mut ffi::PyObject;
type OfTwo = unsafe extern "C-unwind" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;
type OfThree =
    unsafe extern "C-unwind" fn(*mut ffi::PyObject, *mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;

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
    call(&attribute(object, name)?, arguments)
}

/// An attribute of an object, whose class may have a `__getattr__`.
fn attribute<'py>(object: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: both objects live, and the GIL is held. The result is a new reference, or null with an error set.
    unsafe {
        let found = stopped_by_the_end(|| unwinding(PyObject_GetAttr as OfTwo)(object.as_ptr(), name.as_ptr()));
        Bound::from_owned_ptr_or_err(object.py(), found)
    }
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
    // SAFETY: all objects live, and the GIL is held. The result is a new reference, or null with an error set.
    unsafe {
        let call = || unwinding(PyObject_Call as OfThree)(function.as_ptr(), arguments.as_ptr(), keywords);
        Bound::from_owned_ptr_or_err(py, stopped_by_the_end(call))
    }
}

/// Goes through what an object holds, which may be a generator.
pub fn items<'py>(object: &Bound<'py, PyAny>) -> PyResult<Items<'py>> {
    Ok(Items {
        iterator: iterator(object)?.unbind().into(),
        py: object.py(),
    })
}

/// The iterator over what an object holds.
pub fn iterator<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the object lives, and the GIL is held. The result is a new reference, or null with an error set.
    unsafe {
        let found = stopped_by_the_end(|| unwinding(PyObject_GetIter as OfOne)(object.as_ptr()));
        Bound::from_owned_ptr_or_err(object.py(), found)
    }
}

/// The next item of what `iterator` has given.
pub fn next_of<'py>(iterator: &Bound<'py, PyAny>) -> Option<PyResult<Bound<'py, PyAny>>> {
    let py = iterator.py();
    // SAFETY: the iterator is one and lives, and the GIL is held. The result is a new reference, or null with or without
    // an error set.
    let item = unsafe {
        let item = stopped_by_the_end(|| unwinding(PyIter_Next as OfOne)(iterator.as_ptr()));
        Bound::from_owned_ptr_or_opt(py, item)
    };
    match item {
        Some(item) => Some(Ok(item)),
        None => PyErr::take(py).map(Err),
    }
}

/// See [`items`].
pub struct Items<'py> {
    iterator: Owned,
    py: Python<'py>,
}

impl<'py> Iterator for Items<'py> {
    type Item = PyResult<Bound<'py, PyAny>>;

    fn next(&mut self) -> Option<Self::Item> {
        next_of(self.iterator.bind(self.py))
    }
}

/// The floating-point number that an object is or has.
pub fn float_of(object: &Bound<'_, PyAny>) -> PyResult<f64> {
    // SAFETY: the object lives, and the GIL is held.
    let number = stopped_by_the_end(|| unsafe {
        let convert = unwinding(PyFloat_AsDouble as unsafe extern "C-unwind" fn(_) -> _);
        convert(object.as_ptr())
    });
    // Where an error is set, it is this number.
    let error = if number == -1.0 { PyErr::take(object.py()) } else { None };
    error.map_or(Ok(number), Err)
}

/// The whole number that an object is or has, of whatever size.
pub fn whole_number_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the object lives, and the GIL is held. The result is a new reference, or null with an error set.
    unsafe {
        let found = stopped_by_the_end(|| unwinding(PyNumber_Index as OfOne)(object.as_ptr()));
        Bound::from_owned_ptr_or_err(object.py(), found)
    }
}

/// A reference to an object that may run Python's code when the last one goes: a file, which is closed then, or a generator.
pub struct Owned(ManuallyDrop<Py<PyAny>>);

impl From<Py<PyAny>> for Owned {
    fn from(object: Py<PyAny>) -> Self {
        Self(ManuallyDrop::new(object))
    }
}

impl Deref for Owned {
    type Target = Py<PyAny>;

    fn deref(&self) -> &Py<PyAny> {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the reference is not used again, and is given back once, with the GIL held.
        Python::attach(|_| unsafe {
            let object = ManuallyDrop::take(&mut self.0).into_ptr();
            stopped_by_the_end(|| unwinding(Py_DecRef as unsafe extern "C-unwind" fn(_))(object));
        });
    }
}
