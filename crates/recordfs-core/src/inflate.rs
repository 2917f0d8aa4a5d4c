//! Streaming decompression of zlib and gzip: bytes in, bytes out, with memory that does not depend on the input.
//!
//! The deflate decoder is used raw. Headers and trailers are read here, because a decoder that reads them itself cannot
//! tell a stream whose writer is still at work (no trailer yet) from one whose trailer is torn or wrong.
//!
//! Sources of the formats: RFC 1950 (zlib), RFC 1951 (deflate), RFC 1952 (gzip).

use zlib_rs::adler32::adler32;
use zlib_rs::crc32::crc32;
use zlib_rs::{Inflate, InflateFlush, Status};

use crate::format::{Format, InflateError, InflateErrorKind};
use crate::partial::Partial;
use crate::stream_header::Header;

/// The largest back reference of deflate is 2^15 bytes.
const WINDOW_BITS: u8 = 15;

/// How far one call of [`Inflater::inflate`] came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the front of the input.
    pub consumed: usize,
    /// Bytes written to the front of the output.
    pub produced: usize,
}

/// What it means if no more input follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfInput {
    /// Every stream so far is complete and checked (also: there was no input at all).
    Complete,
    /// A stream has begun and no byte of its trailer is there: its writer is at work, or died after its last flush.
    Unfinished,
    /// The trailer is cut off: `found` of `expected` bytes are there.
    PartialTrailer {
        /// Bytes of the trailer that are there; at least one.
        found: usize,
        /// Bytes a trailer has.
        expected: usize,
    },
}

/// Decompresses one zlib stream, or gzip members one after the other, from input that arrives in pieces of any size.
///
/// Input may end anywhere and go on later; nothing is decided until the caller asks [`Inflater::end_of_input`].
/// Memory is that of the deflate window, about 50 KiB.
pub struct Inflater {
    format: Format,
    inflate: Inflate,
    phase: Phase,
    checksum: u32,
    /// Uncompressed bytes of this stream or member.
    member_length: u64,
    total_in: u64,
    total_out: u64,
    failed: Option<InflateError>,
}

/// Where in a stream the next byte of input belongs.
enum Phase {
    /// Before the first byte of a stream or member.
    Boundary,
    Header(Header),
    Body,
    Trailer(Partial<8>),
}

impl Inflater {
    /// An inflater before the first byte of a file.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            inflate: Inflate::new(false, WINDOW_BITS),
            phase: Phase::Boundary,
            checksum: 0,
            member_length: 0,
            total_in: 0,
            total_out: 0,
            failed: None,
        }
    }

    /// Compressed bytes taken so far.
    pub fn total_in(&self) -> u64 {
        self.total_in
    }

    /// Uncompressed bytes given so far.
    pub fn total_out(&self) -> u64 {
        self.total_out
    }

    /// Decompresses from the front of `input` to the front of `output`.
    ///
    /// Returns when the output is full or the input is used up. A full output may leave input unread, or data that come
    /// out at the next call even without new input. Data decompressed before an error are delivered first: the error
    /// comes out of the next call, and of all calls after that. So a caller goes on until a call with no input left
    /// produces nothing.
    pub fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, InflateError> {
        let mut progress = Progress::default();
        if let Some(error) = self.failed {
            return Err(error);
        }
        loop {
            match self.step(&input[progress.consumed..], &mut output[progress.produced..]) {
                Ok((step, go_on)) => {
                    progress.consumed += step.consumed;
                    progress.produced += step.produced;
                    if !go_on {
                        return Ok(progress);
                    }
                }
                Err((step, kind)) => {
                    progress.consumed += step.consumed;
                    progress.produced += step.produced;
                    let error = InflateError {
                        kind,
                        offset: self.total_in,
                    };
                    self.failed = Some(error);
                    return if progress.produced > 0 {
                        Ok(progress)
                    } else {
                        Err(error)
                    };
                }
            }
        }
    }

    /// What it means if the input ends here. After an error the answer is [`EndOfInput::Unfinished`].
    pub fn end_of_input(&self) -> EndOfInput {
        match &self.phase {
            _ if self.failed.is_some() => EndOfInput::Unfinished,
            Phase::Boundary => EndOfInput::Complete,
            Phase::Header(_) | Phase::Body => EndOfInput::Unfinished,
            Phase::Trailer(trailer) if trailer.have == 0 => EndOfInput::Unfinished,
            Phase::Trailer(trailer) => EndOfInput::PartialTrailer {
                found: trailer.have,
                expected: trailer_size(self.format),
            },
        }
    }

    /// Does the work of one phase; says whether the next one can begin with what is left.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(Progress, bool), (Progress, InflateErrorKind)> {
        let mut step = Progress::default();
        match &mut self.phase {
            Phase::Boundary => {
                if input.is_empty() {
                    return Ok((step, false));
                }
                if self.format == Format::Zlib && self.total_in > 0 {
                    return Err((step, InflateErrorKind::TrailingBytes));
                }
                self.phase = Phase::Header(Header::new(self.format, self.total_in == 0));
                Ok((step, true))
            }
            Phase::Header(header) => {
                let (consumed, done) = header.feed(input).map_err(|kind| (step, kind))?;
                step.consumed = consumed;
                self.total_in += consumed as u64;
                if done {
                    self.inflate.reset(false);
                    self.checksum = if self.format == Format::Zlib { 1 } else { 0 };
                    self.member_length = 0;
                    self.phase = Phase::Body;
                }
                Ok((step, done))
            }
            Phase::Body => {
                let (body, result) = self.step_body(input, output);
                match result {
                    Ok(done) => Ok((body, done)),
                    Err(kind) => Err((body, kind)),
                }
            }
            Phase::Trailer(trailer) => {
                step.consumed = trailer.take_up_to(input, trailer_size(self.format));
                self.total_in += step.consumed as u64;
                if trailer.have < trailer_size(self.format) {
                    return Ok((step, false));
                }
                let bytes = trailer.bytes;
                self.phase = Phase::Boundary;
                self.check_trailer(bytes).map_err(|kind| (step, kind))?;
                Ok((step, true))
            }
        }
    }

    fn step_body(&mut self, input: &[u8], output: &mut [u8]) -> (Progress, Result<bool, InflateErrorKind>) {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, output, InflateFlush::NoFlush);
        let step = Progress {
            consumed: (self.inflate.total_in() - before_in) as usize,
            produced: (self.inflate.total_out() - before_out) as usize,
        };
        self.total_in += step.consumed as u64;
        self.total_out += step.produced as u64;
        self.member_length += step.produced as u64;
        let fresh = &output[..step.produced];
        self.checksum = match self.format {
            Format::Zlib => adler32(self.checksum, fresh),
            Format::Gzip => crc32(self.checksum, fresh),
        };
        match result {
            Ok(Status::StreamEnd) => {
                self.phase = Phase::Trailer(Partial::new());
                (step, Ok(true))
            }
            Ok(Status::Ok | Status::BufError) => (step, Ok(false)),
            // The decoder's own words are left out: they depend on how the input was cut into pieces.
            Err(_) => (step, Err(InflateErrorKind::BadData)),
        }
    }

    fn check_trailer(&self, bytes: [u8; 8]) -> Result<(), InflateErrorKind> {
        let first = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let expected = match self.format {
            Format::Zlib => u32::from_be_bytes(first),
            Format::Gzip => u32::from_le_bytes(first),
        };
        if expected != self.checksum {
            return Err(InflateErrorKind::BadChecksum {
                expected,
                found: self.checksum,
            });
        }
        if self.format == Format::Gzip {
            let expected = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            let found = self.member_length as u32;
            if expected != found {
                return Err(InflateErrorKind::BadLength { expected, found });
            }
        }
        Ok(())
    }
}

fn trailer_size(format: Format) -> usize {
    match format {
        Format::Zlib => 4,
        Format::Gzip => 8,
    }
}
