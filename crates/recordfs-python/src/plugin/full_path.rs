//! A path that Python gave, as the C interface takes it.

use std::ffi::{CStr, CString, OsString, c_int};
use std::os::unix::ffi::OsStringExt;

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::abi::code;
use crate::error::from_status;

/// A full path: the bytes that Python would give the system, and the `str` itself for errors.
pub struct FullPath {
    encoded: CString,
    given: Py<PyString>,
}

impl FullPath {
    /// The bytes.
    pub fn encoded(&self) -> &CStr {
        &self.encoded
    }

    /// The error about this path for a status code.
    pub fn error(&self, py: Python<'_>, code: c_int, message: &str) -> PyErr {
        from_status(py, code, message, Some(self.given.bind(py).as_any()))
    }
}

impl<'py> FromPyObject<'_, 'py> for FullPath {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let given = object.cast::<PyString>()?;
        let encoded = CString::new(object.extract::<OsString>()?.into_vec()).map_err(|_| {
            let message = "a path cannot hold a NUL character";
            from_status(
                object.py(),
                code::INVALID_ARGUMENT,
                message,
                Some(&given.to_owned().into_any()),
            )
        })?;
        Ok(Self {
            encoded,
            given: given.to_owned().unbind(),
        })
    }
}
