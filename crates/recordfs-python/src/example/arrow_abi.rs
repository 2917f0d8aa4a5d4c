//! The structures of the Arrow C data and stream interfaces, and the capsules in which Python passes them on.
//!
//! Source: the Arrow specification, "The Arrow C data interface", "The Arrow C stream interface" and "The Arrow
//! PyCapsule Interface".

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

pub const SCHEMA_CAPSULE: &CStr = c"arrow_schema";
pub const ARRAY_CAPSULE: &CStr = c"arrow_array";
pub const STREAM_CAPSULE: &CStr = c"arrow_array_stream";

/// The column may hold nulls.
pub const FLAG_NULLABLE: i64 = 2;

#[repr(C)]
pub struct ArrowSchema {
    pub format: *const c_char,
    pub name: *const c_char,
    pub metadata: *const c_char,
    pub flags: i64,
    pub n_children: i64,
    pub children: *mut *mut ArrowSchema,
    pub dictionary: *mut ArrowSchema,
    pub release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub private_data: *mut c_void,
}

#[repr(C)]
pub struct ArrowArray {
    pub length: i64,
    pub null_count: i64,
    pub offset: i64,
    pub n_buffers: i64,
    pub n_children: i64,
    pub buffers: *mut *const c_void,
    pub children: *mut *mut ArrowArray,
    pub dictionary: *mut ArrowArray,
    pub release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub private_data: *mut c_void,
}

#[repr(C)]
pub struct ArrowArrayStream {
    pub get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    pub get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    pub get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    pub release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    pub private_data: *mut c_void,
}

impl ArrowSchema {
    /// One that has been released: nothing to free.
    pub const fn released() -> Self {
        Self {
            format: ptr::null(),
            name: ptr::null(),
            metadata: ptr::null(),
            flags: 0,
            n_children: 0,
            children: ptr::null_mut(),
            dictionary: ptr::null_mut(),
            release: None,
            private_data: ptr::null_mut(),
        }
    }
}

impl ArrowArray {
    /// One that has been released: in a stream, its end.
    pub const fn released() -> Self {
        Self {
            length: 0,
            null_count: 0,
            offset: 0,
            n_buffers: 0,
            n_children: 0,
            buffers: ptr::null_mut(),
            children: ptr::null_mut(),
            dictionary: ptr::null_mut(),
            release: None,
            private_data: ptr::null_mut(),
        }
    }
}

/// A structure that is given away by moving its bytes, and freed by its own callback.
pub trait Released: Sized {
    /// The name of the capsule it travels in.
    const CAPSULE: &'static CStr;

    /// Frees what it owns, once; a structure that was moved away owns nothing.
    fn release(&mut self);

    /// What is left behind when its content is moved.
    fn empty() -> Self;
}

macro_rules! released {
    ($structure:ty, $capsule:expr, $empty:expr) => {
        impl Released for $structure {
            const CAPSULE: &'static CStr = $capsule;

            fn release(&mut self) {
                if let Some(release) = self.release {
                    // SAFETY: the callback belongs to this structure, which has not been released: it would be None.
                    unsafe { release(self) };
                }
            }

            fn empty() -> Self {
                $empty
            }
        }

        impl Drop for $structure {
            fn drop(&mut self) {
                Released::release(self);
            }
        }

        // SAFETY: the specification lets a structure be used and released by any thread, one at a time.
        unsafe impl Send for $structure {}
    };
}

released!(ArrowSchema, SCHEMA_CAPSULE, ArrowSchema::released());
released!(ArrowArray, ARRAY_CAPSULE, ArrowArray::released());
released!(
    ArrowArrayStream,
    STREAM_CAPSULE,
    ArrowArrayStream {
        get_schema: None,
        get_next: None,
        get_last_error: None,
        release: None,
        private_data: ptr::null_mut()
    }
);

/// Puts a structure into a capsule that frees it if nobody takes its content out.
pub fn into_capsule<'py, T: Released>(py: Python<'py>, structure: T) -> PyResult<Bound<'py, PyAny>> {
    let pointer = Box::into_raw(Box::new(structure));
    // SAFETY: the pointer is valid and not null, the name is static, and the destructor takes the box back.
    let capsule = unsafe { ffi::PyCapsule_New(pointer.cast(), T::CAPSULE.as_ptr(), Some(free_capsule::<T>)) };
    if capsule.is_null() {
        // SAFETY: no capsule took it over.
        drop(unsafe { Box::from_raw(pointer) });
    }
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, capsule) }
}

unsafe extern "C" fn free_capsule<T: Released>(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this with a capsule of `into_capsule::<T>`, once.
    unsafe {
        let pointer = ffi::PyCapsule_GetPointer(capsule, T::CAPSULE.as_ptr());
        if pointer.is_null() {
            ffi::PyErr_WriteUnraisable(capsule);
        } else {
            drop(Box::from_raw(pointer.cast::<T>()));
        }
    }
}

/// Moves the content out of a capsule that another library has made.
///
/// # Errors
/// The object is no such capsule, or its content was taken before.
pub fn take_capsule<T: Released>(capsule: &Bound<'_, PyAny>) -> PyResult<T> {
    // SAFETY: the capsule is alive; a wrong name gives null and an exception.
    let pointer = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), T::CAPSULE.as_ptr()) };
    if pointer.is_null() {
        return Err(PyErr::fetch(capsule.py()));
    }
    // SAFETY: the PyCapsule interface: the pointer is to such a structure, and its content may be moved out, which is
    // marked by the empty one in its place.
    Ok(unsafe { ptr::replace(pointer.cast::<T>(), T::empty()) })
}
