//! Finding every record of a stream, and what is lost between them, without holding a record.
//!
//! The stream arrives in chunks of any size. Payloads are checked while they pass by; what is kept between two chunks is
//! at most a header or footer, so a record's length, however large it claims to be, costs no memory.

mod chain;
mod header_search;

pub use chain::{Chain, ChainSearch};

use crate::crc::Crc32c;
use crate::error::{RecordError, RecordFault};
use crate::partial::Partial;
use crate::record::{DecodeOptions, Decoded, FOOTER_SIZE, HEADER_SIZE, OVERHEAD, decode_record};
use crate::scan::header_search::{HeaderSearch, fits};

/// How to scan.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    /// How records are judged.
    pub decode: DecodeOptions,
    /// Where the stream ends, if that is known: then a record that reaches past it is noticed at its header.
    pub end: Option<u64>,
    /// Whether to go on after a broken record.
    pub resync: bool,
    /// Whether the caller can feed bytes again: then a record whose payload is wrong is looked into for sound records
    /// that lead past its end (see [`ChainSearch`]). Only with `resync` and a known `end`.
    pub look_back: bool,
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
    /// Where the fault leaves the record's length trustworthy, this is that record, unless sound records lead out of it;
    /// otherwise everything up to the next sound header, or up to the end.
    Lost {
        /// Where the broken record begins.
        offset: u64,
        /// Where the next record begins, or the stream ends.
        end: u64,
        /// What is wrong with the broken record.
        fault: RecordFault,
        /// Whether the record was torn: sound records begin at `end`, inside the length that it claims.
        torn: bool,
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
    /// Looking for a sound header.
    Search {
        broken: RecordError,
        search: HeaderSearch,
    },
    /// Looking into the record that ends at `claimed_end` for sound ones that lead out of it.
    LookBack {
        broken: RecordError,
        claimed_end: u64,
        search: Box<ChainSearch>,
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
        Scanner::size_of(self.length)
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

    /// Where the next chunk has to begin. With `look_back` this may lie before the end of the last one, or before that.
    #[must_use]
    pub fn position(&self) -> u64 {
        match &self.state {
            State::LookBack { search, .. } => search.position(),
            _ => self.position,
        }
    }

    /// The size of a whole record with a payload of so many bytes.
    pub(crate) fn size_of(length: u64) -> u64 {
        length + OVERHEAD as u64
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
    /// With `look_back` it may leave a part of the chunk: the next one begins at [`Scanner::position`].
    ///
    /// # Errors
    /// Without `resync` the first fault. The scanner then stays where it is and repeats it.
    pub fn feed(&mut self, chunk: &[u8], report: &mut impl FnMut(Found)) -> Result<(), RecordError> {
        let begin = self.position();
        // Looking back may lead to bytes that this chunk has, or to bytes before it, which the caller then feeds again.
        while let Some(from) = self.position().checked_sub(begin)
            && from < chunk.len() as u64
        {
            let rest = &chunk[from as usize..];
            if let State::LookBack { .. } = self.state {
                self.look_back(rest, report);
            } else {
                self.position += self.step(rest, report)? as u64;
            }
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
            State::Search { broken, .. } | State::LookBack { broken, .. } => *broken,
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
            torn: false,
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
            State::LookBack { .. } => Ok(0),
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
        if fits(offset, length, self.options.end) {
            return Ok(length);
        }
        Err(RecordFault::TruncatedBody {
            present: self.options.end.map_or(0, |end| end.saturating_sub(offset)),
            size: length + OVERHEAD as u64,
        })
    }

    /// Goes on after a sound header that began at `offset`.
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
            Err(fault) if self.options.resync && self.options.look_back && self.options.end.is_some() => {
                let broken = RecordError {
                    offset: record.offset,
                    fault,
                };
                let search = ChainSearch::new(self.options.decode, record.offset, end, self.options.end);
                self.state = State::LookBack {
                    broken,
                    claimed_end: end,
                    search: Box::new(search),
                };
            }
            // The length is sound, so the next record begins where this one ends.
            Err(fault) if self.options.resync => report(Found::Lost {
                offset: record.offset,
                end,
                fault,
                torn: false,
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

    /// Turns from a broken header to looking for a sound one, beginning one byte after it.
    fn begin_search(&mut self, broken: RecordError, header: &[u8; HEADER_SIZE]) -> Result<(), RecordError> {
        if !self.options.resync {
            self.state = State::Failed(broken);
            return Err(broken);
        }
        self.state = State::Search {
            broken,
            search: HeaderSearch::new(self.options.decode, self.options.end, &header[1..]),
        };
        Ok(())
    }

    /// Looks for a sound header; returns how many bytes of the chunk that took.
    fn search(&mut self, rest: &[u8], report: &mut impl FnMut(Found)) -> usize {
        let State::Search { broken, search } = &mut self.state else {
            return 0;
        };
        let Some(header) = search.feed(rest, self.position) else {
            return rest.len();
        };
        report(Found::Lost {
            offset: broken.offset,
            end: header.offset,
            fault: broken.fault,
            torn: false,
        });
        self.begin_payload(header.offset, header.length);
        header.consumed
    }

    /// Looks on into a broken record, and when that is decided goes on where it says.
    fn look_back(&mut self, bytes: &[u8], report: &mut impl FnMut(Found)) {
        let State::LookBack {
            broken,
            claimed_end,
            search,
        } = &mut self.state
        else {
            return;
        };
        let (end, torn) = match search.feed(bytes) {
            Chain::Wanted => return,
            Chain::Found(begin) => (begin, true),
            Chain::Absent => (*claimed_end, false),
        };
        report(Found::Lost {
            offset: broken.offset,
            end,
            fault: broken.fault,
            torn,
        });
        self.position = end;
        self.state = State::Header(Partial::new());
    }
}
