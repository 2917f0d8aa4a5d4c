//! Streaming compression to zlib and gzip: bytes in, bytes out.

use std::fmt;

use zlib_rs::{Deflate, DeflateFlush, Status};

use crate::format::Format;

/// The levels that zlib knows: -1 is its default (6), 0 stores, 1 is fastest, 9 is smallest.
pub const LEVELS: std::ops::RangeInclusive<i32> = -1..=9;

/// The output grows by at least this much a step. zlib needs more than six free bytes to end a flush in one step.
const STEP: usize = 16 * 1024;

/// A compression level outside [`LEVELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLevel(pub i32);

impl fmt::Display for BadLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a compression level has to be between -1 and 9, found {}", self.0)
    }
}

impl std::error::Error for BadLevel {}

/// Compresses one zlib stream or one gzip member after the other.
///
/// Every method appends to `output`, whose growth a call is bounded by its input (deflate never grows data by more than
/// a few bytes in 16 KiB). The compressor itself holds about 300 KiB.
pub struct Deflater {
    deflate: Deflate,
}

impl Deflater {
    /// A compressor before the first byte of a stream.
    pub fn new(format: Format, level: i32) -> Result<Self, BadLevel> {
        if !LEVELS.contains(&level) {
            return Err(BadLevel(level));
        }
        // zlib's convention: 15 window bits for a zlib wrapper, 16 more for a gzip wrapper.
        let window_bits = match format {
            Format::Zlib => 15,
            Format::Gzip => 15 + 16,
        };
        Ok(Self {
            deflate: Deflate::new(level, true, window_bits),
        })
    }

    /// Takes `input` into the stream; appends what comes out so far, often nothing.
    pub fn deflate(&mut self, input: &[u8], output: &mut Vec<u8>) {
        self.run(input, output, DeflateFlush::NoFlush);
    }

    /// Appends everything taken so far, so that a reader of the output sees it all (`Z_SYNC_FLUSH`).
    pub fn sync_flush(&mut self, output: &mut Vec<u8>) {
        self.run(&[], output, DeflateFlush::SyncFlush);
    }

    /// Ends the stream and appends its trailer. The next input begins a new stream or member.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        self.run(&[], output, DeflateFlush::Finish);
        self.deflate.reset();
    }

    fn run(&mut self, mut input: &[u8], output: &mut Vec<u8>, flush: DeflateFlush) {
        loop {
            output.reserve(STEP);
            let (before_in, before_out) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self.deflate.compress_uninit(input, output.spare_capacity_mut(), flush);
            let produced = (self.deflate.total_out() - before_out) as usize;
            debug_assert!(produced <= output.capacity() - output.len());
            // SAFETY: the compressor has written `produced` bytes to the front of the spare capacity.
            unsafe { output.set_len(output.len() + produced) };
            input = &input[(self.deflate.total_in() - before_in) as usize..];
            // Room left over means that nothing more waits inside.
            match status {
                Ok(Status::StreamEnd | Status::BufError) => return,
                Ok(Status::Ok) if input.is_empty() && output.len() < output.capacity() => return,
                Ok(Status::Ok) => {}
                // Only a wrong configuration or misuse of the stream gives these, and both are decided above.
                Err(error) => unreachable!("deflate failed: {}", error.as_str()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_outside_the_range_are_refused() {
        for level in [-2, 10, i32::MAX, i32::MIN] {
            assert_eq!(Deflater::new(Format::Gzip, level).err(), Some(BadLevel(level)));
        }
    }

    #[test]
    fn a_flush_without_new_data_ends() {
        let mut deflater = Deflater::new(Format::Zlib, 6).unwrap();
        let mut output = Vec::new();
        for _ in 0..3 {
            deflater.sync_flush(&mut output);
        }
        deflater.finish(&mut output);
        assert!(output.len() < 100);
    }
}
