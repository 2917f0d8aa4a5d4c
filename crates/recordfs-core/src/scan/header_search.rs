//! Looking for a sound header in bytes that arrive in chunks.

use crate::partial::Partial;
use crate::record::{DecodeOptions, HEADER_SIZE, OVERHEAD};

/// A sound header that a search has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundHeader {
    /// How many bytes of the chunk lie before the header's end.
    pub consumed: usize,
    /// Where the header begins in the stream.
    pub offset: u64,
    /// The length of the payload that it claims.
    pub length: u64,
}

/// A search, with the bytes that may begin a header whose rest the next chunk brings.
pub(super) struct HeaderSearch {
    options: DecodeOptions,
    /// Where the stream ends, if that is known: a header whose record reaches past it is none.
    end: Option<u64>,
    /// The last bytes before the next chunk, at most one fewer than a header has.
    held: Partial<HEADER_SIZE>,
}

impl HeaderSearch {
    /// A search of a stream whose next chunk follows on `held`, fewer bytes than a header has.
    pub fn new(options: DecodeOptions, end: Option<u64>, held: &[u8]) -> Self {
        Self {
            options,
            end,
            held: Partial::of(held),
        }
    }

    /// Looks for a header in what is held and the chunk, which lies at `position` of the stream. Without one, all of the
    /// chunk was looked at.
    pub fn feed(&mut self, chunk: &[u8], position: u64) -> Option<FoundHeader> {
        let held = self.held.have;
        // Headers that begin in the held bytes reach at most this far into the chunk.
        let mut seam = [0; 2 * HEADER_SIZE];
        let reach = chunk.len().min(HEADER_SIZE - 1);
        seam[..held].copy_from_slice(self.held.present());
        seam[held..held + reach].copy_from_slice(&chunk[..reach]);
        let seam = &seam[..held + reach];
        let origin = position - held as u64;
        if let Some((index, length)) = self.find(seam, origin) {
            return Some(FoundHeader {
                consumed: index + HEADER_SIZE - held,
                offset: origin + index as u64,
                length,
            });
        }
        if let Some((index, length)) = self.find(chunk, position) {
            return Some(FoundHeader {
                consumed: index + HEADER_SIZE,
                offset: position + index as u64,
                length,
            });
        }
        let tail = if chunk.len() < HEADER_SIZE - 1 { seam } else { chunk };
        let keep = tail.len().min(HEADER_SIZE - 1);
        self.held = Partial::of(&tail[tail.len() - keep..]);
        None
    }

    /// The first sound header in `bytes`, which lie at `origin` of the stream: where it begins in `bytes`, and its length.
    fn find(&self, bytes: &[u8], origin: u64) -> Option<(usize, u64)> {
        let mut passed = 0;
        loop {
            let (index, length) = self.options.find_header(&bytes[passed..])?;
            let begin = passed + index;
            if fits(origin + begin as u64, length, self.end) {
                return Some((begin, length));
            }
            passed = begin + 1;
        }
    }
}

/// Whether a record can lie in a stream as a whole, as far as the stream's end is known.
pub(super) fn fits(offset: u64, length: u64, end: Option<u64>) -> bool {
    end.is_none_or(|end| length + OVERHEAD as u64 <= end.saturating_sub(offset))
}
