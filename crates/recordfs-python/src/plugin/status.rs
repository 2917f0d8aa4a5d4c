//! `TF_Status` for plugins that recordfs hosts, the functions on it that plugins call, and the outcome that it comes to.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use super::abi::{self, code};

/// What an operation of a plugin says of how it went.
#[derive(Default)]
pub struct Status {
    code: c_int,
    message: CString,
    payloads: Vec<(CString, CString)>,
}

impl Status {
    /// The pointer that a plugin is given.
    pub fn as_abi(&mut self) -> *mut abi::Status {
        std::ptr::from_mut(self).cast()
    }

    /// The code that was set last.
    pub fn code(&self) -> c_int {
        self.code
    }

    /// The message that was set last; bytes that are not UTF-8 are replaced.
    pub fn message(&self) -> String {
        self.message.to_string_lossy().into_owned()
    }
}

/// # Safety
/// `status` comes from `Status::as_abi` or `new_status`, and nothing else uses it meanwhile.
unsafe fn status_of<'a>(status: *mut abi::Status) -> &'a mut Status {
    // SAFETY: as promised to this function.
    unsafe { &mut *status.cast::<Status>() }
}

/// # Safety
/// `text` is null or a string that ends with a zero.
unsafe fn copied(text: *const c_char) -> CString {
    if text.is_null() {
        return CString::default();
    }
    // SAFETY: as promised to this function.
    unsafe { CStr::from_ptr(text) }.to_owned()
}

/// `TF_NewStatus`.
pub extern "C" fn new_status() -> *mut abi::Status {
    Box::into_raw(Box::<Status>::default()).cast()
}

/// `TF_DeleteStatus`.
///
/// # Safety
/// `status` is null or comes from `new_status`, and nobody uses it again.
pub unsafe extern "C" fn delete_status(status: *mut abi::Status) {
    if !status.is_null() {
        // SAFETY: as promised to this function.
        drop(unsafe { Box::from_raw(status.cast::<Status>()) });
    }
}

/// `TF_SetStatus`.
///
/// # Safety
/// As `status_of` and `copied`.
pub unsafe extern "C" fn set_status(status: *mut abi::Status, code: c_int, message: *const c_char) {
    // SAFETY: as promised to this function.
    let (status, message) = unsafe { (status_of(status), copied(message)) };
    *status = Status {
        code,
        message: if code == code::OK { CString::default() } else { message },
        payloads: Vec::new(),
    };
}

/// `TF_GetCode`.
///
/// # Safety
/// As `status_of`.
pub unsafe extern "C" fn get_code(status: *const abi::Status) -> c_int {
    // SAFETY: as promised to this function.
    unsafe { status_of(status.cast_mut()) }.code
}

/// `TF_Message`.
///
/// # Safety
/// As `status_of`. The string is valid until the status changes.
pub unsafe extern "C" fn message(status: *const abi::Status) -> *const c_char {
    // SAFETY: as promised to this function.
    unsafe { status_of(status.cast_mut()) }.message.as_ptr()
}

/// `TF_SetPayload`.
///
/// # Safety
/// As `status_of` and `copied`.
pub unsafe extern "C" fn set_payload(status: *mut abi::Status, key: *const c_char, value: *const c_char) {
    // SAFETY: as promised to this function.
    let (status, key, value) = unsafe { (status_of(status), copied(key), copied(value)) };
    status.payloads.retain(|(known, _)| *known != key);
    status.payloads.push((key, value));
}

/// `TF_ForEachPayload`.
///
/// # Safety
/// As `status_of`; `visit` may be called with `capture`.
pub unsafe extern "C" fn for_each_payload(
    status: *const abi::Status,
    visit: unsafe extern "C" fn(*const c_char, *const c_char, *mut c_void),
    capture: *mut c_void,
) {
    // SAFETY: as promised to this function.
    for (key, value) in &unsafe { status_of(status.cast_mut()) }.payloads {
        // SAFETY: as promised to this function.
        unsafe { visit(key.as_ptr(), value.as_ptr(), capture) };
    }
}

/// `TF_SetStatusFromIOError`: the status for an errno, with `context` before its text.
///
/// # Safety
/// As `status_of` and `copied`.
pub unsafe extern "C" fn set_status_from_io_error(status: *mut abi::Status, errno: c_int, context: *const c_char) {
    // SAFETY: as promised to this function.
    let (status, context) = unsafe { (status_of(status), copied(context)) };
    let text = format!(
        "{}; {}",
        context.to_string_lossy(),
        std::io::Error::from_raw_os_error(errno)
    );
    *status = Status {
        code: code_of_errno(errno),
        message: CString::new(text).unwrap_or_default(),
        payloads: Vec::new(),
    };
}

/// The code that TensorFlow gives an errno; see `recordfs.errors.error_from_os_error` for the whole table in Python.
fn code_of_errno(errno: c_int) -> c_int {
    match errno {
        0 => code::OK,
        libc::ETIMEDOUT => code::DEADLINE_EXCEEDED,
        libc::EINVAL | libc::ENAMETOOLONG | libc::EDESTADDRREQ | libc::EDOM | libc::EILSEQ | libc::ESPIPE => {
            code::INVALID_ARGUMENT
        }
        libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ESRCH => code::NOT_FOUND,
        libc::EEXIST | libc::EADDRNOTAVAIL | libc::EALREADY => code::ALREADY_EXISTS,
        libc::EPERM | libc::EACCES | libc::EROFS => code::PERMISSION_DENIED,
        libc::ENOTEMPTY
        | libc::EISDIR
        | libc::ENOTDIR
        | libc::EBADF
        | libc::EBUSY
        | libc::ETXTBSY
        | libc::ENOTCONN
        | libc::EPIPE
        | libc::ESHUTDOWN => code::FAILED_PRECONDITION,
        libc::ENOSPC | libc::EDQUOT | libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EMLINK | libc::ENOBUFS => {
            code::RESOURCE_EXHAUSTED
        }
        libc::EFBIG | libc::EOVERFLOW | libc::ERANGE => code::OUT_OF_RANGE,
        libc::ENOSYS | libc::EOPNOTSUPP | libc::EXDEV => code::UNIMPLEMENTED,
        libc::EAGAIN
        | libc::ECONNREFUSED
        | libc::ECONNABORTED
        | libc::ECONNRESET
        | libc::EINTR
        | libc::EHOSTDOWN
        | libc::EHOSTUNREACH
        | libc::ENETDOWN
        | libc::ENETRESET
        | libc::ENETUNREACH
        | libc::ENOLCK
        | libc::ENOLINK => code::UNAVAILABLE,
        libc::ESTALE => code::ABORTED,
        _ => code::UNKNOWN,
    }
}

/// How an operation went: its result, or a code and a message.
pub type Outcome<T> = Result<T, (c_int, String)>;

/// Runs an operation with a fresh status, and turns what it set into an outcome.
pub fn with_status<T>(operation: impl FnOnce(*mut abi::Status) -> T) -> Outcome<T> {
    let mut status = Status::default();
    let result = operation(status.as_abi());
    if status.code() == code::OK {
        Ok(result)
    } else {
        Err((status.code(), status.message()))
    }
}

/// The outcome of an operation that the plugin has not.
pub fn lacking<T>(operation: &str) -> Outcome<T> {
    Err((code::UNIMPLEMENTED, format!("the plugin has no operation {operation}")))
}

/// What a plugin is told of that returned what the interface does not let it return.
pub fn broke(what: impl Into<String>) -> (c_int, String) {
    (
        code::INTERNAL,
        format!("the plugin broke the interface: {}", what.into()),
    )
}
