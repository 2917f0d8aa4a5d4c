//! The bytes of a stream that have been read and not been decoded yet.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use crate::lease::{Lease, Owner, Place};

/// Reads ask for pieces of this size: large enough that a call into Python does not count, small enough to stay in the
/// processor's second-level cache.
pub const WINDOW_SIZE: usize = 256 * 1024;

/// A stretch of memory, with what is still to be decoded between `start` and `end`.
///
/// Views of records refer to the memory itself. While one lives, the memory is not written to: the window moves to fresh
/// memory when it needs room.
pub struct Window {
    memory: Arc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Window {
    /// A window with no memory yet.
    pub fn new() -> Self {
        Self {
            memory: Arc::new(Vec::new()),
            start: 0,
            end: 0,
        }
    }

    /// What is there.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// How much is there.
    #[inline]
    pub fn available(&self) -> usize {
        self.end - self.start
    }

    /// Goes past up to `size` bytes, as many as are there.
    #[inline]
    pub fn consume(&mut self, size: usize) {
        self.start = self.end.min(self.start.saturating_add(size));
    }

    /// Goes past all bytes.
    pub fn clear(&mut self) {
        self.start = self.end;
    }

    /// Puts two stretches of bytes, one after the other, in front of what is there.
    pub fn put_back(&mut self, first: &[u8], second: &[u8]) {
        let memory = [first, second, self.bytes()].concat();
        (self.start, self.end) = (0, memory.len());
        self.memory = Arc::new(memory);
    }

    /// A read-only memoryview of a part of what is there, which stays valid for ever.
    pub fn view<'py>(&self, py: Python<'py>, from: usize, length: usize) -> PyResult<Bound<'py, PyMemoryView>> {
        let part = &self.bytes()[from..from + length];
        let owner = Owner::Buffer(Arc::clone(&self.memory));
        // SAFETY: the part lies in the owner's memory, which is not written to while the owner is shared.
        unsafe { Lease::view(py, part.as_ptr().cast_mut(), length, false, owner) }
    }

    /// Lets `read` put up to `limit` bytes after what is there, in a window that can hold at least `size` bytes.
    ///
    /// `read` gets a place and says how many bytes it wrote there.
    pub fn fill_with(
        &mut self,
        size: usize,
        limit: usize,
        read: impl FnOnce(Place) -> PyResult<usize>,
    ) -> PyResult<usize> {
        self.make_room(size);
        let room = &mut Arc::make_mut(&mut self.memory)[self.end..];
        let limit = limit.min(room.len());
        let pointer = room.as_mut_ptr();
        // SAFETY: the memory is unshared but for the place's own reference, and nothing else uses it meanwhile.
        let place = unsafe { Place::new(pointer, limit, Owner::Buffer(Arc::clone(&self.memory))) };
        let result = read(place);
        if Arc::get_mut(&mut self.memory).is_none() {
            // Whoever was lent the memory kept a part of it and may still write there.
            self.memory = Arc::new(self.memory.to_vec());
        }
        let count = result?.min(limit);
        self.end += count;
        Ok(count)
    }

    /// Goes on in other memory, where `count` bytes from `begin` on come after what is there. There has to be room for
    /// that before `begin`. Returns the memory so far, unless a view refers to it.
    pub fn go_on_in(&mut self, mut memory: Vec<u8>, begin: usize, count: usize) -> Option<Vec<u8>> {
        let start = begin - self.available();
        memory[start..begin].copy_from_slice(self.bytes());
        let before = std::mem::replace(&mut self.memory, Arc::new(memory));
        (self.start, self.end) = (start, begin + count);
        Arc::into_inner(before)
    }

    /// Makes the memory unshared and large enough for `size` bytes from `start` on, what is there included.
    fn make_room(&mut self, size: usize) {
        let available = self.available();
        // Powers of two, so that a window that grows bit by bit is not copied each time.
        let wanted = size.max(WINDOW_SIZE).next_power_of_two();
        // After a search has needed more, the memory shrinks to its usual size again.
        let fits = size <= self.memory.len() && self.memory.len() <= 2 * wanted;
        match Arc::get_mut(&mut self.memory) {
            Some(memory) if fits => memory.copy_within(self.start..self.end, 0),
            _ => {
                let mut memory = vec![0; wanted];
                memory[..available].copy_from_slice(self.bytes());
                self.memory = Arc::new(memory);
            }
        }
        (self.start, self.end) = (0, available);
    }
}
