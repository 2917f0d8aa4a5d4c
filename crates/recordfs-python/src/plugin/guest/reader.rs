//! Files that TensorFlow reads through a guest: read ahead where it reads on and on, because it asks for a dozen bytes.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, TryLockError};

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::super::abi::{Handle, RandomAccessFileOps, Status, code};
use super::super::status::Outcome;
use super::calls::Call;
use super::tensorflow::answer_both;
use super::{GuestFileSystem, PyShared};
use crate::lease::{Owner, Place};

pub const TABLE: RandomAccessFileOps = RandomAccessFileOps {
    cleanup: Some(cleanup),
    read: Some(read),
};

/// The first fetch beyond what was asked for; each that follows it doubles.
const FIRST_WINDOW: usize = 64 << 10;
/// The most that is fetched beyond what was asked for, and kept a file.
const LAST_WINDOW: usize = 1 << 20;
/// The most that one call reads, however much TensorFlow asks for: so much memory it takes besides TensorFlow's.
const LARGEST_CALL: usize = 16 << 20;

/// A file open for reading.
pub struct GuestReader {
    file_system: Arc<GuestFileSystem>,
    /// The adapter's file.
    file: PyShared,
    window: Mutex<Window>,
}

/// Bytes of the file that were fetched and may be asked for again.
#[derive(Default)]
struct Window {
    memory: Arc<Vec<u8>>,
    /// Where in the file the memory begins, and how much of it is filled.
    start: u64,
    filled: usize,
    /// Where a read begins that goes on from the last one.
    next: u64,
    /// How much the next such read fetches.
    size: usize,
}

impl GuestReader {
    pub fn new(file_system: Arc<GuestFileSystem>, file: PyShared) -> Self {
        Self {
            file_system,
            file,
            window: Mutex::default(),
        }
    }

    /// Fills `target` from the file; less only at its end.
    fn read(&self, offset: u64, target: &mut [u8]) -> (usize, Outcome<()>) {
        let outcome = match self.window.try_lock() {
            Ok(mut window) => self.read_through(&mut window, offset, target),
            Err(TryLockError::Poisoned(window)) => self.read_through(&mut window.into_inner(), offset, target),
            // Another thread reads elsewhere in the file: each goes its own way.
            Err(TryLockError::WouldBlock) => {
                let mut own = Window {
                    next: u64::MAX,
                    ..Window::default()
                };
                self.read_through(&mut own, offset, target)
            }
        };
        match outcome {
            Ok(count) if count == target.len() => (count, Ok(())),
            Ok(count) => (count, Err((code::OUT_OF_RANGE, String::from("the end of the file")))),
            Err(error) => (0, Err(error)),
        }
    }

    fn read_through(&self, window: &mut Window, offset: u64, target: &mut [u8]) -> Outcome<usize> {
        let reads_on = offset == window.next;
        if !reads_on {
            window.size = FIRST_WINDOW;
        }
        let mut count = 0;
        while count < target.len() {
            let at = offset.saturating_add(count as u64);
            let copied = window.copy_to(at, &mut target[count..]);
            count += copied;
            if copied == 0 && self.fetch(window, at, target.len() - count, reads_on)? == 0 {
                break;
            }
        }
        window.next = offset.saturating_add(count as u64);
        Ok(count)
    }

    /// Fetches at least one byte from `at` on into the window, unless the file ends there.
    fn fetch(&self, window: &mut Window, at: u64, wanted: usize, reads_on: bool) -> Outcome<usize> {
        let size = if reads_on { wanted.max(window.size) } else { wanted }.min(LARGEST_CALL);
        if reads_on {
            window.size = (2 * window.size).clamp(FIRST_WINDOW, LAST_WINDOW);
        }
        window.filled = 0;
        let mut memory = window.take_memory(size);
        let pointer = Arc::make_mut(&mut memory).as_mut_ptr();
        // SAFETY: nothing else uses the memory until the place and its view are gone.
        let place = unsafe { Place::new(pointer, size, Owner::Buffer(Arc::clone(&memory))) };
        let file = Arc::clone(&self.file);
        let likely_next = if reads_on { window.size } else { 0 };
        let call = Call {
            prepare: Box::new(move |py| {
                let arguments = (at, place.into_view(py)?, likely_next).into_pyobject(py)?;
                Ok((file.bind(py).getattr("read_into")?, arguments))
            }),
            convert: Box::new(|result| result.extract::<usize>()),
            adapter: Arc::clone(&self.file_system.adapter),
        };
        let count = call.run().map_err(|(code, message)| match code {
            // TensorFlow would take the file to end here, and lose the rest of it without a word.
            code::OUT_OF_RANGE => (
                code::INTERNAL,
                format!("a read before the end of the file failed: {message}"),
            ),
            _ => (code, message),
        })?;
        if count > size {
            let message = format!("read_into was asked for at most {size} bytes and returned {count}");
            return Err((code::INTERNAL, message));
        }
        window.memory = memory;
        window.start = at;
        window.filled = count;
        Ok(count)
    }
}

impl Window {
    /// Copies what the window has of the file from `at` on, and returns how much.
    fn copy_to(&self, at: u64, target: &mut [u8]) -> usize {
        let Some(skipped) = at
            .checked_sub(self.start)
            .and_then(|skipped| usize::try_from(skipped).ok())
        else {
            return 0;
        };
        let Some(there) = self.memory[..self.filled].get(skipped..) else {
            return 0;
        };
        let count = there.len().min(target.len());
        target[..count].copy_from_slice(&there[..count]);
        count
    }

    /// Memory of at least `size` bytes that nobody else has: the window's own, unless somebody kept a view of it.
    fn take_memory(&mut self, size: usize) -> Arc<Vec<u8>> {
        let mut memory = std::mem::take(&mut self.memory);
        let fits = memory.len() >= size && memory.len() <= LAST_WINDOW.max(2 * size);
        if fits && Arc::get_mut(&mut memory).is_some() {
            memory
        } else {
            Arc::new(vec![0; size])
        }
    }
}

/// # Safety
/// `handle` is that of a reader that is open.
unsafe fn reader<'a>(handle: *const Handle) -> &'a GuestReader {
    // SAFETY: as promised to this function.
    unsafe { &*(*handle).plugin.cast::<GuestReader>() }
}

unsafe extern "C" fn read(
    handle: *const Handle,
    offset: u64,
    n: usize,
    buffer: *mut c_char,
    status: *mut Status,
) -> i64 {
    answer_both(status, -1, || {
        if n == 0 {
            return (0, Ok(()));
        }
        // SAFETY: TensorFlow passes an open file, and `n` bytes that are its own to fill.
        let (reader, target) = unsafe { (reader(handle), std::slice::from_raw_parts_mut(buffer.cast(), n)) };
        let (count, outcome) = reader.read(offset, target);
        let failed = matches!(&outcome, Err((code, _)) if *code != code::OUT_OF_RANGE);
        (if failed { -1 } else { count as i64 }, outcome)
    })
}

unsafe extern "C" fn cleanup(handle: *mut Handle) {
    // SAFETY: TensorFlow cleans an open file up once, and nothing uses it then.
    let reader = unsafe { Box::from_raw((*handle).plugin.cast::<GuestReader>()) };
    let file = Arc::clone(&reader.file);
    let call = Call {
        prepare: Box::new(move |py| Ok((file.bind(py).getattr("close")?, PyTuple::empty(py)))),
        convert: Box::new(|_| Ok(())),
        adapter: Arc::clone(&reader.file_system.adapter),
    };
    // What fails here the adapter has reported, because nobody can be told.
    let _ = call.run();
}
