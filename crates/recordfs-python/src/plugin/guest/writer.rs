//! Files that TensorFlow writes through a guest: small appends are collected, because a record comes in three of them.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::super::abi::{Handle, Status, WritableFileOps, code};
use super::super::status::Outcome;
use super::calls::Call;
use super::tensorflow::answer;
use super::{GuestFileSystem, PyShared};
use crate::lease::{Lease, Owner};

pub const TABLE: WritableFileOps = WritableFileOps {
    cleanup: Some(cleanup),
    append: Some(append),
    tell: Some(tell),
    flush: Some(flush),
    sync: Some(sync),
    close: Some(close),
};

/// What is collected before Python is called.
const BUFFER_SIZE: usize = 256 << 10;

/// Every writer that TensorFlow has, so that those it has forgotten to close are published when Python ends.
static WRITERS: Mutex<Vec<Weak<GuestWriter>>> = Mutex::new(Vec::new());

/// A file open for writing at its end.
pub struct GuestWriter {
    file_system: Arc<GuestFileSystem>,
    /// The adapter's file.
    file: PyShared,
    state: Mutex<Pending>,
}

struct Pending {
    /// What TensorFlow gave and Python has not. It stays here if Python does not take it.
    buffer: Vec<u8>,
    /// How long the file is with all that TensorFlow gave.
    position: i64,
    closed: bool,
}

impl GuestWriter {
    pub fn new(file_system: Arc<GuestFileSystem>, file: Py<PyAny>, position: i64) -> Arc<Self> {
        let writer = Arc::new(Self {
            file_system,
            file: Arc::new(file),
            state: Mutex::new(Pending {
                buffer: Vec::new(),
                position,
                closed: false,
            }),
        });
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|writer| writer.strong_count() > 0);
        writers.push(Arc::downgrade(&writer));
        writer
    }

    /// Calls a method of the adapter's file that takes nothing and returns nothing.
    fn call(&self, method: &'static str) -> Outcome<()> {
        let file = Arc::clone(&self.file);
        let call = Call {
            prepare: Box::new(move |py| Ok((file.bind(py).getattr(method)?, PyTuple::empty(py)))),
            convert: Box::new(|_| Ok(())),
            adapter: Arc::clone(&self.file_system.adapter),
        };
        call.run()
    }

    /// Hands bytes to Python, and returns them if nobody keeps them.
    fn hand_on(&self, bytes: Vec<u8>) -> (Vec<u8>, Outcome<()>) {
        let bytes = Arc::new(bytes);
        let lent = Arc::clone(&bytes);
        let file = Arc::clone(&self.file);
        let call = Call {
            prepare: Box::new(move |py| {
                let (pointer, length) = (lent.as_ptr().cast_mut(), lent.len());
                // SAFETY: a vector behind an `Arc` does not change; it is taken out again only when no view is left.
                let view = unsafe { Lease::view(py, pointer, length, false, Owner::Buffer(lent)) }?;
                Ok((file.bind(py).getattr("append")?, (view,).into_pyobject(py)?))
            }),
            convert: Box::new(|_| Ok(())),
            adapter: Arc::clone(&self.file_system.adapter),
        };
        let outcome = call.run();
        (Arc::try_unwrap(bytes).unwrap_or_else(|kept| kept.to_vec()), outcome)
    }

    /// Hands on what was collected. If that fails it stays collected.
    fn drain(&self, state: &mut Pending) -> Outcome<()> {
        if state.buffer.is_empty() {
            return Ok(());
        }
        let (buffer, outcome) = self.hand_on(std::mem::take(&mut state.buffer));
        state.buffer = buffer;
        if outcome.is_ok() {
            state.buffer.clear();
        }
        outcome
    }

    fn state(&self) -> MutexGuard<'_, Pending> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a file that is not closed: what is written after that would be lost.
    fn open_state(&self) -> Outcome<MutexGuard<'_, Pending>> {
        let state = self.state();
        if state.closed {
            return Err((code::FAILED_PRECONDITION, String::from("the file has been closed")));
        }
        Ok(state)
    }

    fn append(&self, data: &[u8]) -> Outcome<()> {
        let mut state = self.open_state()?;
        if state.buffer.len() + data.len() > BUFFER_SIZE {
            self.drain(&mut state)?;
        }
        if data.len() > BUFFER_SIZE {
            self.hand_on(data.to_vec()).1?;
        } else {
            state.buffer.extend_from_slice(data);
        }
        state.position += data.len() as i64;
        Ok(())
    }

    fn drain_and_call(&self, method: &'static str) -> Outcome<()> {
        let mut state = self.open_state()?;
        self.drain(&mut state)?;
        self.call(method)
    }

    /// Publishes the file, once: TensorFlow's checkpoints close their files twice.
    fn close(&self, state: &mut Pending) -> Outcome<()> {
        if state.closed {
            return Ok(());
        }
        self.drain(state)?;
        self.call("close")?;
        state.closed = true;
        Ok(())
    }
}

/// Publish what TensorFlow has not closed, and return an exception or None for each such file, with its name.
///
/// For when Python ends: a file that is in use in another thread is left out, and named.
#[pyfunction]
pub fn close_guest_writers(py: Python<'_>) -> Vec<(Py<PyAny>, Option<String>)> {
    let writers = std::mem::take(&mut *WRITERS.lock().unwrap_or_else(PoisonError::into_inner));
    let mut closed = Vec::new();
    for writer in writers.iter().filter_map(Weak::upgrade) {
        let trouble = match writer.state.try_lock() {
            Ok(state) if state.closed => continue,
            Ok(mut state) => writer.close(&mut state).err().map(|(_, message)| message),
            Err(TryLockError::Poisoned(_)) => Some(String::from("an earlier call panicked")),
            Err(TryLockError::WouldBlock) => Some(String::from("a call in another thread has not ended")),
        };
        closed.push((writer.file.clone_ref(py), trouble));
    }
    closed
}

/// # Safety
/// `handle` is that of a writer that is open.
unsafe fn writer<'a>(handle: *const Handle) -> &'a GuestWriter {
    // SAFETY: as promised to this function.
    unsafe { &*(*handle).plugin.cast::<GuestWriter>() }
}

unsafe extern "C" fn append(handle: *const Handle, data: *const c_char, n: usize, status: *mut Status) {
    answer(status, (), || {
        if n == 0 {
            return Ok(());
        }
        // SAFETY: TensorFlow passes an open file and `n` bytes.
        let (writer, data) = unsafe { (writer(handle), std::slice::from_raw_parts(data.cast(), n)) };
        writer.append(data)
    });
}

unsafe extern "C" fn tell(handle: *const Handle, status: *mut Status) -> i64 {
    answer(status, -1, || {
        // SAFETY: TensorFlow passes an open file.
        let writer = unsafe { writer(handle) };
        Ok(writer.state().position)
    })
}

unsafe extern "C" fn flush(handle: *const Handle, status: *mut Status) {
    // SAFETY: TensorFlow passes an open file.
    answer(status, (), || unsafe { writer(handle) }.drain_and_call("flush"));
}

unsafe extern "C" fn sync(handle: *const Handle, status: *mut Status) {
    // SAFETY: as above.
    answer(status, (), || unsafe { writer(handle) }.drain_and_call("sync"));
}

unsafe extern "C" fn close(handle: *const Handle, status: *mut Status) {
    answer(status, (), || {
        // SAFETY: as above.
        let writer = unsafe { writer(handle) };
        writer.close(&mut writer.state())
    });
}

/// Publishes a file that was not closed, as the local filesystem does: the cache of `tf.data` counts on it.
unsafe extern "C" fn cleanup(handle: *mut Handle) {
    // SAFETY: TensorFlow cleans an open file up once, and nothing uses it then.
    let writer = unsafe { Arc::from_raw((*handle).plugin.cast::<GuestWriter>().cast_const()) };
    let outcome = match writer.state.try_lock() {
        Ok(mut state) => writer.close(&mut state),
        Err(TryLockError::Poisoned(state)) => writer.close(&mut state.into_inner()),
        // A thread that Python ended in the middle of a call keeps the lock for good.
        Err(TryLockError::WouldBlock) => Err((
            code::UNAVAILABLE,
            String::from("a call in another thread has not ended"),
        )),
    };
    if let Err((_, message)) = outcome {
        eprintln!("recordfs: TensorFlow dropped a file without closing it, and publishing it failed: {message}");
    }
}
