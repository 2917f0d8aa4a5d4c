//! Finding every record of a stream, and what is lost between them, without holding a record.
//!
//! The stream arrives in chunks of any size. Payloads are checked while they pass by; what is kept between two chunks is
//! at most a header or footer, so a record's length, however large it claims to be, costs no memory.

use crate::crc::Crc32c;
use crate::error::{RecordError, RecordFault};
use crate::record::{DecodeOptions, Decoded, FOOTER_SIZE, HEADER_SIZE, OVERHEAD, decode_record};

/// How to scan.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    /// How records are judged.
    pub decode: DecodeOptions,
    /// Where the stream ends, if that is known: then a record that reaches past it is noticed at its header.
    pub end: Option<u64>,
    /// Whether to go on behind a broken record.
    pub resync: bool,
}

/// What a scan meets, in the order of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A sound record; its payload is checked if the options say so.
    Record {
        /// Where its header begins.
        offset: u64,
        /// The bytes of its payload; the record has 16 more.
        length: u64,
    },
    /// Bytes that hold no sound record. Only with `resync`.
    ///
    /// Where the fault leaves the record's length trustworthy, this is that record; otherwise everything up to the next
    /// sound header, or up to the end.
    Lost {
        /// Where the broken record begins.
        offset: u64,
        /// Where the next record begins, or the stream ends.
        end: u64,
        /// What is wrong with the broken record.
        fault: RecordFault,
    },
}

/// Walks over a stream that arrives in chunks. See [`Scanner::feed`].
pub struct Scanner {
    options: ScanOptions,
    /// Where the next byte that is fed lies in the stream.
    position: u64,
    state: State,
}

enum State {
    Header(Partial<HEADER_SIZE>),
    Payload {
        record: Open,
        left: u64,
    },
    Footer {
        record: Open,
        footer: Partial<FOOTER_SIZE>,
    },
    /// Looking for a sound header. `window` holds the last bytes before `position`, one fewer than a header has.
    Search {
        broken: RecordError,
        window: Partial<HEADER_SIZE>,
    },
    Failed(RecordError),
}

/// A record whose header has been read.
struct Open {
    offset: u64,
    length: u64,
    crc: Crc32c,
}

impl Open {
    fn size(&self) -> u64 {
        self.length + OVERHEAD as u64
    }
}

/// The first bytes of a field that chunks cut in two.
struct Partial<const N: usize> {
    bytes: [u8; N],
    have: usize,
}

impl<const N: usize> Partial<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], have: 0 }
    }

    fn of(bytes: &[u8]) -> Self {
        let mut partial = Self::new();
        partial.take(bytes);
        partial
    }

    fn present(&self) -> &[u8] {
        &self.bytes[..self.have]
    }

    /// Takes what is missing, or what there is, from the front of `input`; returns how much.
    fn take(&mut self, input: &[u8]) -> usize {
        let count = input.len().min(N - self.have);
        self.bytes[self.have..self.have + count].copy_from_slice(&input[..count]);
        self.have += count;
        count
    }

    fn whole(&self) -> Option<[u8; N]> {
        (self.have == N).then_some(self.bytes)
    }
}

impl Scanner {
    /// A scanner whose first chunk begins at `offset` of the stream, which is where a record begins.
    #[must_use]
    pub fn new(options: ScanOptions, offset: u64) -> Self {
        Self {
            options,
            position: offset,
            state: State::Header(Partial::new()),
        }
    }

    /// Where the next chunk has to begin.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes from `position` on make no difference, because they are payload that is not checked. The caller
    /// may [`Scanner::skip`] so many instead of feeding them.
    #[must_use]
    pub fn skippable(&self) -> u64 {
        match &self.state {
            State::Payload { left, .. } if !self.options.decode.verify_payload => *left,
            _ => 0,
        }
    }

    /// Goes on as if `count` bytes had been fed, at most as many as are [`Scanner::skippable`].
    pub fn skip(&mut self, count: u64) {
        let skippable = self.skippable();
        if let State::Payload { left, .. } = &mut self.state {
            let count = count.min(skippable);
            *left -= count;
            self.position += count;
        }
    }

    /// Takes the next chunk of the stream, which must not reach past a known end, and reports what it completes.
    ///
    /// # Errors
    /// Without `resync` the first fault. The scanner then stays where it is and repeats it.
    pub fn feed(&mut self, chunk: &[u8], report: &mut impl FnMut(Found)) -> Result<(), RecordError> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let consumed = self.step(rest, report)?;
            self.position += consumed as u64;
            rest = &rest[consumed..];
        }
        Ok(())
    }

    /// Says that the stream ends here.
    ///
    /// With `resync` it reports what the stream's end leaves broken; a record cut off is reported as lost, and the scan
    /// does not look for other records inside it (that happens only where the stream's end was known beforehand).
    ///
    /// # Errors
    /// Without `resync`: the first fault, or the truncation that the end makes.
    pub fn finish(&mut self, report: &mut impl FnMut(Found)) -> Result<(), RecordError> {
        let end = self.position;
        let error = match &self.state {
            State::Header(header) if header.have == 0 => return Ok(()),
            State::Header(header) => {
                let present = header.have as u64;
                RecordError {
                    offset: end - present,
                    fault: RecordFault::TruncatedHeader { present },
                }
            }
            State::Payload { record, .. } | State::Footer { record, .. } => RecordError {
                offset: record.offset,
                fault: RecordFault::TruncatedBody {
                    present: end - record.offset,
                    size: record.size(),
                },
            },
            State::Search { broken, .. } => *broken,
            State::Failed(error) => return Err(*error),
        };
        if !self.options.resync {
            self.state = State::Failed(error);
            return Err(error);
        }
        report(Found::Lost {
            offset: error.offset,
            end,
            fault: error.fault,
        });
        self.state = State::Header(Partial::new());
        Ok(())
    }

    /// Goes on by one field, or by all whole records at the front of `rest`; returns how many bytes that took.
    fn step(&mut self, rest: &[u8], report: &mut impl FnMut(Found)) -> Result<usize, RecordError> {
        match &mut self.state {
            State::Header(header) if header.have == 0 => {
                let consumed = self.step_whole_records(rest, report);
                if consumed > 0 {
                    Ok(consumed)
                } else {
                    self.step_header(rest)
                }
            }
            State::Header(_) => self.step_header(rest),
            State::Payload { record, left } => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                if self.options.decode.verify_payload {
                    record.crc.update(&rest[..count]);
                }
                *left -= count as u64;
                if *left == 0 {
                    self.end_payload();
                }
                Ok(count)
            }
            State::Footer { footer, .. } => {
                let count = footer.take(rest);
                if let Some(footer) = footer.whole() {
                    self.end_record(footer, self.position + count as u64, report)?;
                }
                Ok(count)
            }
            State::Search { .. } => Ok(self.search(rest, report)),
            State::Failed(error) => Err(*error),
        }
    }

    /// The fast way: sound records that lie in the chunk as a whole. Stops in front of anything else.
    fn step_whole_records(&self, rest: &[u8], report: &mut impl FnMut(Found)) -> usize {
        let mut consumed = 0;
        while let Ok(Decoded::Record { payload, size }) = decode_record(&rest[consumed..], &self.options.decode) {
            report(Found::Record {
                offset: self.position + consumed as u64,
                length: payload.len() as u64,
            });
            consumed += size;
        }
        consumed
    }

    fn step_header(&mut self, rest: &[u8]) -> Result<usize, RecordError> {
        let State::Header(header) = &mut self.state else {
            return Ok(0);
        };
        let before = header.have as u64;
        let count = header.take(rest);
        if let Some(header) = header.whole() {
            let offset = self.position - before;
            match self.check_header(&header, offset) {
                Ok(length) => self.begin_payload(offset, length),
                Err(fault) => self.begin_search(RecordError { offset, fault }, &header)?,
            }
        }
        Ok(count)
    }

    /// The length in a header, if it is sound and its record can lie in the stream.
    fn check_header(&self, header: &[u8; HEADER_SIZE], offset: u64) -> Result<u64, RecordFault> {
        let length = self.options.decode.decode_header(header)?;
        if self.fits(offset, length) {
            return Ok(length);
        }
        Err(RecordFault::TruncatedBody {
            present: self.options.end.map_or(0, |end| end.saturating_sub(offset)),
            size: length + OVERHEAD as u64,
        })
    }

    /// Whether a record can lie in the stream as a whole, as far as the stream's end is known.
    fn fits(&self, offset: u64, length: u64) -> bool {
        let size = length + OVERHEAD as u64;
        self.options.end.is_none_or(|end| size <= end.saturating_sub(offset))
    }

    fn begin_payload(&mut self, offset: u64, length: u64) {
        let record = Open {
            offset,
            length,
            crc: Crc32c::new(),
        };
        self.state = State::Payload { record, left: length };
        if length == 0 {
            self.end_payload();
        }
    }

    fn end_payload(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Header(Partial::new()));
        if let State::Payload { record, .. } = state {
            self.state = State::Footer {
                record,
                footer: Partial::new(),
            };
        }
    }

    fn end_record(
        &mut self,
        footer: [u8; FOOTER_SIZE],
        end: u64,
        report: &mut impl FnMut(Found),
    ) -> Result<(), RecordError> {
        let state = std::mem::replace(&mut self.state, State::Header(Partial::new()));
        let State::Footer { record, .. } = state else {
            return Ok(());
        };
        match self.options.decode.check_pieces(&record.crc, footer) {
            Ok(()) => report(Found::Record {
                offset: record.offset,
                length: record.length,
            }),
            // The length is sound, so the next record begins where this one ends.
            Err(fault) if self.options.resync => report(Found::Lost {
                offset: record.offset,
                end,
                fault,
            }),
            Err(fault) => {
                let error = RecordError {
                    offset: record.offset,
                    fault,
                };
                self.state = State::Failed(error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Turns from a broken header to looking for a sound one, beginning one byte behind it.
    fn begin_search(&mut self, broken: RecordError, header: &[u8; HEADER_SIZE]) -> Result<(), RecordError> {
        if !self.options.resync {
            self.state = State::Failed(broken);
            return Err(broken);
        }
        self.state = State::Search {
            broken,
            window: Partial::of(&header[1..]),
        };
        Ok(())
    }

    /// Looks for a sound header in the window and the chunk behind it; returns how many bytes of the chunk that took.
    fn search(&mut self, rest: &[u8], report: &mut impl FnMut(Found)) -> usize {
        let State::Search { broken, window } = &self.state else {
            return 0;
        };
        let (broken, held) = (*broken, window.have);
        // Headers that begin in the window reach at most this far into the chunk.
        let mut seam = [0; 2 * HEADER_SIZE];
        let reach = rest.len().min(HEADER_SIZE - 1);
        seam[..held].copy_from_slice(window.present());
        seam[held..held + reach].copy_from_slice(&rest[..reach]);
        let seam = &seam[..held + reach];
        let origin = self.position - held as u64;
        let found = self
            .find_header(seam, origin)
            .map(|(index, length)| (index + HEADER_SIZE - held, origin + index as u64, length))
            .or_else(|| {
                let (index, length) = self.find_header(rest, self.position)?;
                Some((index + HEADER_SIZE, self.position + index as u64, length))
            });
        if let Some((consumed, offset, length)) = found {
            report(Found::Lost {
                offset: broken.offset,
                end: offset,
                fault: broken.fault,
            });
            self.begin_payload(offset, length);
            return consumed;
        }
        let tail = if rest.len() < HEADER_SIZE - 1 { seam } else { rest };
        let keep = tail.len().min(HEADER_SIZE - 1);
        self.state = State::Search {
            broken,
            window: Partial::of(&tail[tail.len() - keep..]),
        };
        rest.len()
    }

    /// The first sound header in `bytes`, which lie at `origin` of the stream: where it begins in `bytes`, and its length.
    fn find_header(&self, bytes: &[u8], origin: u64) -> Option<(usize, u64)> {
        let mut passed = 0;
        loop {
            let (index, length) = self.options.decode.find_header(&bytes[passed..])?;
            let begin = passed + index;
            if self.fits(origin + begin as u64, length) {
                return Some((begin, length));
            }
            passed = begin + 1;
        }
    }
}
