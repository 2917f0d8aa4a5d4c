//! Makes the exceptions of `recordfs.errors`, so that native and Python code raise the same classes.

use std::io;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyString, PyTuple};

use crate::python_call::{call, call_with_keywords};

/// The classes of `recordfs.errors` that native code raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The reader or writer was closed.
    ClosedFile,
    /// Stored bytes do not match their checksum or length.
    CorruptRecord,
    /// Stored bytes are missing or wrong, other than by a record.
    DataLoss,
    /// The object is not in the state that the call needs.
    FailedPrecondition,
    /// A file object broke the contract.
    Internal,
    /// An argument can never be right.
    InvalidArgument,
    /// A position lies beyond the end.
    OutOfRange,
    /// The file ends inside a record.
    TruncatedRecord,
    /// The data need something that this version cannot do.
    Unimplemented,
}

impl ErrorClass {
    const fn name(self) -> &'static str {
        match self {
            Self::ClosedFile => "ClosedFileError",
            Self::CorruptRecord => "CorruptRecordError",
            Self::DataLoss => "DataLossError",
            Self::FailedPrecondition => "FailedPreconditionError",
            Self::Internal => "InternalError",
            Self::InvalidArgument => "InvalidArgumentError",
            Self::OutOfRange => "OutOfRangeError",
            Self::TruncatedRecord => "TruncatedRecordError",
            Self::Unimplemented => "UnimplementedError",
        }
    }
}

/// An exception of this class, with the path and the offset of the data concerned, where there are any.
///
/// Paths stay Python strings: a local name need not be UTF-8, and Python holds the bytes that are not as lone surrogates,
/// which a Rust string cannot.
pub fn error(
    py: Python<'_>,
    class: ErrorClass,
    message: &str,
    path: Option<&Py<PyString>>,
    offset: Option<u64>,
) -> PyErr {
    // Whatever goes wrong while the exception is made is raised in its place.
    make(py, class, message, path, offset).unwrap_or_else(|failure| failure)
}

fn make(
    py: Python<'_>,
    class: ErrorClass,
    message: &str,
    path: Option<&Py<PyString>>,
    offset: Option<u64>,
) -> PyResult<PyErr> {
    let keywords = PyDict::new(py);
    keywords.set_item("path", path)?;
    keywords.set_item("offset", offset)?;
    raised_by(&errors_module(py)?.getattr(class.name())?, (message,), &keywords)
}

/// What a class of exceptions, or a function that returns one, makes of arguments.
pub fn raised_by<'py>(
    maker: &Bound<'py, PyAny>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
    keywords: &Bound<'py, PyDict>,
) -> PyResult<PyErr> {
    call_with_keywords(maker, arguments, Some(keywords)).map(PyErr::from_value)
}

/// An InvalidArgumentError about something that has no path, in a thread that has the GIL or not.
pub fn invalid_argument(message: impl AsRef<str>) -> PyErr {
    Python::attach(|py| error(py, ErrorClass::InvalidArgument, message.as_ref(), None, None))
}

/// The exception for a status code of TensorFlow's (and gRPC's), with the path concerned.
pub fn from_status(py: Python<'_>, code: i32, message: &str, path: Option<&Bound<'_, PyAny>>) -> PyErr {
    let make = || {
        let keywords = PyDict::new(py);
        keywords.set_item("path", path)?;
        let function = errors_module(py)?.getattr("error_from_status_code")?;
        raised_by(&function, (code, message), &keywords)
    };
    make().unwrap_or_else(|failure| failure)
}

/// Python's own exception for a failed system call: with its errno, which decides on the class, and the system's text.
pub fn os_error(py: Python<'_>, failure: &io::Error) -> PyErr {
    let Some(number) = failure.raw_os_error() else {
        return PyOSError::new_err(failure.to_string());
    };
    match py.import("os").and_then(|os| os.call_method1("strerror", (number,))) {
        Ok(text) => PyOSError::new_err((number, text.unbind())),
        Err(error) => error,
    }
}

/// The exception of `recordfs.errors` for a failed system call, with the path concerned.
pub fn from_os_error(py: Python<'_>, failure: &io::Error, path: &Py<PyString>) -> PyErr {
    let cause = os_error(py, failure);
    let make = || {
        let function = errors_module(py)?.getattr("error_from_os_error")?;
        let raised = PyErr::from_value(call(&function, (cause.value(py), path))?);
        raised.set_cause(py, Some(cause.clone_ref(py)));
        Ok(raised)
    };
    make().unwrap_or_else(|failure| failure)
}

/// The module as it is now: a program that has imported recordfs anew catches the new classes.
fn errors_module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    PyModule::import(py, "recordfs.errors")
}

/// What `__next__` raises for an error of the code that it calls: there a StopIteration would say that the records are
/// at their end, so it becomes a RuntimeError, as in generators (PEP 479).
pub fn raised_by_next(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let raised = PyRuntimeError::new_err("reading the next item raised StopIteration");
    raised.set_cause(py, Some(error));
    raised
}

/// True if `error` is a `DataLossError`: it says something about the stored bytes, not about reading them.
pub fn is_data_loss(py: Python<'_>, error: &PyErr) -> bool {
    is_of_class(py, error, "DataLossError")
}

/// True if `error` is an `InvalidArgumentError`.
pub fn is_invalid_argument(py: Python<'_>, error: &PyErr) -> bool {
    is_of_class(py, error, ErrorClass::InvalidArgument.name())
}

/// True if `error` is an `AbortedError`: somebody else changed the file.
pub fn is_aborted(py: Python<'_>, error: &PyErr) -> bool {
    is_of_class(py, error, "AbortedError")
}

fn is_of_class(py: Python<'_>, error: &PyErr, class: &str) -> bool {
    errors_module(py)
        .and_then(|module| module.getattr(class))
        .is_ok_and(|class| error.is_instance(py, &class))
}
