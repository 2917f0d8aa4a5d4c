//! Copying bytes between buffers while other threads of Python run.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;

/// From this many bytes on, other threads may run meanwhile; below, letting them costs more than the work.
const RELEASE_FROM: usize = 64 * 1024;

/// Copy one contiguous buffer of bytes into another of the same size, and let other threads run meanwhile; assigning
/// to a memoryview keeps them waiting. The caller answers for it that nobody writes to the source, and nobody uses the
/// target, before the call is done.
///
/// Raises:
///     BufferError: One has gaps or other items than bytes, the target is read-only, or their sizes differ.
#[pyfunction]
#[pyo3(signature = (source, target, /))]
fn copy_still_memory(py: Python<'_>, source: &Bound<'_, PyAny>, target: &Bound<'_, PyAny>) -> PyResult<()> {
    let (from, to) = (PyBuffer::<u8>::get(source)?, PyBuffer::<u8>::get(target)?);
    if !from.is_c_contiguous() || !to.is_c_contiguous() {
        return Err(PyBufferError::new_err("expected contiguous buffers"));
    }
    if to.readonly() {
        return Err(PyBufferError::new_err("expected a writable target"));
    }
    let size = from.len_bytes();
    if to.len_bytes() != size {
        let text = format!("expected a target of {size} bytes, found {}", to.len_bytes());
        return Err(PyBufferError::new_err(text));
    }
    let copy = Copy {
        from: from.buf_ptr().cast(),
        to: to.buf_ptr().cast(),
        size,
    };
    if size >= RELEASE_FROM {
        py.detach(|| copy.run());
    } else {
        copy.run();
    }
    Ok(())
}

/// Two stretches of memory, which buffers of Python keep in their places.
struct Copy {
    from: *const u8,
    to: *mut u8,
    size: usize,
}

// SAFETY: the memory belongs to no thread, and the caller of `copy_still_memory` promised that nobody else uses it now.
unsafe impl Send for Copy {}
// SAFETY: as above.
unsafe impl Sync for Copy {}

impl Copy {
    fn run(&self) {
        if self.size > 0 {
            // SAFETY: both stretches have `size` bytes, and stay where they are while their buffers are exported; they may
            // overlap.
            unsafe { std::ptr::copy(self.from, self.to, self.size) };
        }
    }
}

/// Adds the function.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(copy_still_memory, module)?)
}
