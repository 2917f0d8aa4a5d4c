//! What the guest takes from TensorFlow: `TF_SetStatus`, found at run time, so that this module needs no TensorFlow.

use std::ffi::{CString, OsString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStringExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use super::super::abi::{Status, code};
use super::super::status::Outcome;

type SetStatus = unsafe extern "C" fn(*mut Status, c_int, *const c_char);

static SET_STATUS: OnceLock<SetStatus> = OnceLock::new();

/// Find TensorFlow's functions in one of these libraries, which the process has loaded.
///
/// Raises:
///     OSError: None of them is loaded, or none has the functions.
#[pyfunction]
pub fn connect_tensorflow(libraries: Vec<OsString>) -> PyResult<()> {
    if SET_STATUS.get().is_some() {
        return Ok(());
    }
    let handles = libraries.into_iter().filter_map(|library| {
        let library = CString::new(library.into_vec()).ok()?;
        // SAFETY: the string ends with a zero; nothing is loaded that is not loaded already.
        let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
        (!handle.is_null()).then_some(handle)
    });
    for handle in handles.chain(std::iter::once(libc::RTLD_DEFAULT)) {
        // SAFETY: the handle is that of a loaded library.
        let found = unsafe { libc::dlsym(handle, c"TF_SetStatus".as_ptr()) };
        if !found.is_null() {
            // SAFETY: in TensorFlow's libraries, what has this name is a function of this type.
            let _ = SET_STATUS.set(unsafe { std::mem::transmute::<*mut c_void, SetStatus>(found) });
            return Ok(());
        }
    }
    Err(PyOSError::new_err(
        "TensorFlow's C functions (TF_SetStatus) were not found in the libraries of this process",
    ))
}

fn set(status: *mut Status, code: c_int, message: &str) {
    let Some(set_status) = SET_STATUS.get() else { return };
    let message = CString::new(message.replace('\0', "?")).unwrap_or_default();
    if !status.is_null() {
        // SAFETY: `status` is TensorFlow's, for this call.
        unsafe { set_status(status, code, message.as_ptr()) };
    }
}

/// Runs an operation and tells TensorFlow how it went; what it returns otherwise is `fallback`.
///
/// The status is a fault before the operation begins, so that one that is cut short is never taken for done.
pub fn answer<T>(status: *mut Status, fallback: T, operation: impl FnOnce() -> Outcome<T>) -> T {
    set(status, code::INTERNAL, "the operation did not end");
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(value)) => {
            set(status, code::OK, "");
            value
        }
        Ok(Err((code, message))) => {
            set(status, code, &message);
            fallback
        }
        Err(_) => {
            set(
                status,
                code::INTERNAL,
                "recordfs has a fault: native code panicked, see standard error",
            );
            fallback
        }
    }
}

/// As `answer`, for an operation with a result and an error at once: bytes that were read, and that the file ended.
pub fn answer_both<T>(status: *mut Status, fallback: T, operation: impl FnOnce() -> (T, Outcome<()>)) -> T {
    let mut result = fallback;
    answer(status, (), || {
        let (value, outcome) = operation();
        result = value;
        outcome
    });
    result
}
