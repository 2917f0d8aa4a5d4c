//! A record too large to be copied out of the window: its payload is read straight into the bytes object that becomes
//! the record, and its checksum is taken piece by piece, while the piece is in the processor's cache.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use recordfs_core::crc::Crc32c;
use recordfs_core::error::RecordFault;
use recordfs_core::record::{DecodeOptions, FOOTER_SIZE};

use crate::lease::{Owner, Place, new_bytes};
use crate::source::{ReadError, Source};

/// How much is read, and checked, at a time.
const PIECE_SIZE: usize = 256 * 1024;

/// How much memory a header is given on trust where the size of the file is unknown. It stays untouched, and so costs
/// nothing real, until bytes arrive.
const TRUSTED_SIZE: usize = 1024 * 1024;

/// Pieces at least this large are checked without the GIL.
const DETACH_SIZE: usize = 128 * 1024;

/// See the module.
pub struct LargeRecord {
    bytes: Py<PyBytes>,
    /// The size of `bytes`, at most `length`.
    room: usize,
    have: usize,
    length: usize,
    crc: Crc32c,
}

impl LargeRecord {
    /// A record with a payload of `length` bytes, of which the file is known to have all if `is_there`.
    pub fn new(py: Python<'_>, length: u64, is_there: bool) -> PyResult<Self> {
        let length = usize::try_from(length)?;
        let room = if is_there { length } else { length.min(TRUSTED_SIZE) };
        Ok(Self {
            bytes: allocate(py, room)?,
            room,
            have: 0,
            length,
            crc: Crc32c::new(),
        })
    }

    /// The size of the payload.
    pub fn length(&self) -> u64 {
        self.length as u64
    }

    /// How many bytes of the payload are missing.
    pub fn missing(&self) -> usize {
        self.length - self.have
    }

    /// What there is of the payload.
    pub fn present<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        &self.bytes.as_bytes(py)[..self.have]
    }

    /// Takes payload bytes that were read already.
    pub fn take(&mut self, py: Python<'_>, piece: &[u8], options: &DecodeOptions) -> PyResult<()> {
        let mut rest = piece;
        while !rest.is_empty() {
            let mut place = self.place(py)?;
            let count = place.length().min(rest.len());
            place.slice()[..count].copy_from_slice(&rest[..count]);
            drop(place);
            self.accept(py, count, options);
            rest = &rest[count..];
        }
        Ok(())
    }

    /// Reads one piece; returns its size, 0 if there is nothing to read now.
    pub fn read_from(
        &mut self,
        py: Python<'_>,
        source: &mut Source,
        options: &DecodeOptions,
    ) -> Result<usize, ReadError> {
        let place = self.place(py)?;
        let result = source.read(py, place);
        // SAFETY: it is a live object, and the GIL is held.
        if unsafe { ffi::Py_REFCNT(self.bytes.as_ptr()) } > 1 {
            // Whoever was lent the memory kept a part of it; bytes that somebody can write to are not handed out.
            let fresh = result.as_ref().copied().unwrap_or(0);
            self.move_to(py, self.room, self.have + fresh)?;
        }
        let count = result?;
        self.accept(py, count, options);
        Ok(count)
    }

    /// Compares the whole payload with its footer.
    pub fn check(&self, options: &DecodeOptions, footer: [u8; FOOTER_SIZE]) -> Result<(), RecordFault> {
        options.check_pieces(&self.crc, footer)
    }

    /// The whole payload.
    pub fn into_bytes(self, py: Python<'_>) -> Bound<'_, PyBytes> {
        self.bytes.into_bound(py)
    }

    /// Where the next piece goes.
    fn place(&mut self, py: Python<'_>) -> PyResult<Place> {
        if self.have == self.room {
            // Doubling keeps the memory within twice what arrived.
            self.move_to(py, self.length.min(self.room.saturating_mul(2)), self.have)?;
        }
        let length = (self.room - self.have).min(PIECE_SIZE);
        let pointer = self.pointer(py);
        // SAFETY: the stretch lies in the bytes object's memory, which no one else has seen.
        Ok(unsafe { Place::new(pointer.add(self.have), length, Owner::Bytes(self.bytes.clone_ref(py))) })
    }

    /// Takes the checksum of the `count` bytes that were put into the last place.
    fn accept(&mut self, py: Python<'_>, count: usize, options: &DecodeOptions) {
        if options.verify_payload {
            // SAFETY: these bytes were written before, and nobody writes to them while they are looked at.
            let piece = unsafe { std::slice::from_raw_parts(self.pointer(py).add(self.have), count) };
            let crc = &mut self.crc;
            if count >= DETACH_SIZE {
                py.detach(|| crc.update(piece));
            } else {
                crc.update(piece);
            }
        }
        self.have += count;
    }

    /// Goes on in a new object of `room` bytes, of which the first `count` are the same.
    fn move_to(&mut self, py: Python<'_>, room: usize, count: usize) -> PyResult<()> {
        let old = std::mem::replace(&mut self.bytes, allocate(py, room)?);
        self.room = room;
        let target = self.pointer(py);
        // SAFETY: the new object has room for what the old one holds, and they do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(old.as_bytes(py).as_ptr(), target, count) };
        Ok(())
    }

    fn pointer(&self, py: Python<'_>) -> *mut u8 {
        // SAFETY: it is a bytes object. Writing to one is allowed as long as nobody else has it.
        unsafe { ffi::PyBytes_AsString(self.bytes.bind(py).as_ptr()).cast() }
    }
}

/// A bytes object whose bytes are still to be written.
fn allocate(py: Python<'_>, size: usize) -> PyResult<Py<PyBytes>> {
    // SAFETY: with a null pointer nothing is read.
    unsafe { new_bytes(py, std::ptr::null(), size) }.map(Bound::unbind)
}
