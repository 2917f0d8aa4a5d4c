//! Memory regions that TensorFlow maps through a guest: the bytes of an object with a buffer.

use std::ffi::c_void;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use super::super::abi::{Handle, MemoryRegionOps};

pub const TABLE: MemoryRegionOps = MemoryRegionOps {
    cleanup: Some(cleanup),
    data: Some(data),
    length: Some(length),
};

/// TensorFlow makes tensors of a region in place, and refuses one that does not begin at a multiple of this.
const ALIGNMENT: usize = 64;

#[repr(align(64))]
#[derive(Clone, Copy)]
struct Block(#[expect(dead_code, reason = "reached as bytes")] [u8; ALIGNMENT]);

/// What keeps the bytes.
enum Owner {
    /// The object's own bytes, where they are aligned: those of a mapped file are. Dropped without the interpreter's
    /// lock, the view is let go of the next time that somebody has it.
    View { _view: Py<PyMemoryView> },
    /// A copy.
    Copy { _blocks: Vec<Block> },
}

/// The bytes of a file.
pub struct GuestRegion {
    data: *const c_void,
    length: usize,
    _owner: Owner,
}

// SAFETY: the owner keeps the bytes in place, and nothing writes to them.
unsafe impl Send for GuestRegion {}

impl GuestRegion {
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let view = PyMemoryView::from(object)?;
        let buffer = PyBuffer::<u8>::get(&view)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("a memory region has to be contiguous"));
        }
        let (data, length) = (buffer.buf_ptr().cast_const(), buffer.len_bytes());
        if data.cast::<u8>().align_offset(ALIGNMENT) == 0 {
            return Ok(Self {
                data,
                length,
                _owner: Owner::View { _view: view.unbind() },
            });
        }
        let mut blocks = vec![Block([0; ALIGNMENT]); length.div_ceil(ALIGNMENT)];
        // SAFETY: the buffer has `length` bytes, and so many blocks have room for them.
        unsafe { std::ptr::copy_nonoverlapping(data.cast::<u8>(), blocks.as_mut_ptr().cast::<u8>(), length) };
        Ok(Self {
            data: blocks.as_ptr().cast(),
            length,
            _owner: Owner::Copy { _blocks: blocks },
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
