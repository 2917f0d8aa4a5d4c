//! Memory regions that TensorFlow maps through a guest: the bytes of an object with a buffer.

use std::ffi::c_void;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use super::super::abi::{Handle, MemoryRegionOps};

pub const TABLE: MemoryRegionOps = MemoryRegionOps {
    cleanup: Some(cleanup),
    data: Some(data),
    length: Some(length),
};

/// The bytes, and the view that keeps them.
pub struct GuestRegion {
    /// Dropped without the interpreter's lock, it is let go of the next time that somebody has it.
    _view: Py<PyMemoryView>,
    data: *const c_void,
    length: usize,
}

// SAFETY: the view keeps the bytes in place, and nothing writes to them.
unsafe impl Send for GuestRegion {}

impl GuestRegion {
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let view = PyMemoryView::from(object)?;
        let buffer = PyBuffer::<u8>::get(&view)?;
        Ok(Self {
            data: buffer.buf_ptr().cast_const(),
            length: buffer.len_bytes(),
            _view: view.unbind(),
        })
    }
}

/// # Safety
/// `handle` is that of a region that is open.
unsafe fn region<'a>(handle: *const Handle) -> &'a GuestRegion {
    // SAFETY: as promised to this function.
    unsafe { &*(*handle).plugin.cast::<GuestRegion>() }
}

unsafe extern "C" fn data(handle: *const Handle) -> *const c_void {
    // SAFETY: TensorFlow passes an open region.
    unsafe { region(handle) }.data
}

unsafe extern "C" fn length(handle: *const Handle) -> u64 {
    // SAFETY: as above.
    unsafe { region(handle) }.length as u64
}

unsafe extern "C" fn cleanup(handle: *mut Handle) {
    // SAFETY: TensorFlow cleans an open region up once, and nothing uses it then.
    drop(unsafe { Box::from_raw((*handle).plugin.cast::<GuestRegion>()) });
}
