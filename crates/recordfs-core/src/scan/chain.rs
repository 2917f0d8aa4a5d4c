//! Telling a damaged record from one that was torn and written on after.
//!
//! A writer that dies inside a record leaves a header that claims more bytes than are there. If another writer then
//! appends without looking, its records lie inside the length that the torn record claims. Both show in the same way:
//! the claimed payload does not match its checksum. What tells them apart is a chain of sound records that begins inside
//! the claimed bytes and leads to their end or past it. Records that lie nested in a damaged payload, as in a record
//! that holds a record file, never get there: the record's own footer stands in their way.
//!
//! Once such a chain shows that the record was torn, every sound record after the tear was appended, and the first of
//! them is where to go on: between them others may have been torn too.

use crate::record::{DecodeOptions, HEADER_SIZE};
use crate::scan::header_search::HeaderSearch;
use crate::scan::{Found, ScanOptions, Scanner};

/// Headers in hostile bytes may claim anything, and following them costs time: so many bytes are followed in vain before
/// the search ends, and as many times the record's own size.
const VAIN_BYTES: u64 = 64 << 20;
const VAIN_SIZES: u64 = 4;

/// What a search has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// The search needs the bytes at [`ChainSearch::position`].
    Wanted,
    /// A chain of sound records leads to the end of the claimed bytes or past it; the first sound record inside them
    /// begins at this offset.
    Found(u64),
    /// There is none.
    Absent,
}

/// Looks for a chain in bytes that the caller gives it, going back to bytes that it had before where a header led nowhere.
pub struct ChainSearch {
    options: ScanOptions,
    claimed_end: u64,
    position: u64,
    state: State,
    /// Where the first sound record begins of which no chain leads on.
    first: Option<u64>,
    /// How many bytes may still be followed in vain.
    patience: u64,
}

enum State {
    Search(HeaderSearch),
    /// Following the chain that begins at `begin`.
    Follow {
        begin: u64,
        sound_end: u64,
        scanner: Box<Scanner>,
    },
    Done(Chain),
}

impl ChainSearch {
    /// A search inside the record that begins at `offset` and whose footer would end at `claimed_end`.
    ///
    /// `stream_end` is where the stream ends, if that is known.
    #[must_use]
    pub fn new(decode: DecodeOptions, offset: u64, claimed_end: u64, stream_end: Option<u64>) -> Self {
        let options = ScanOptions {
            decode: DecodeOptions {
                verify_payload: true,
                ..decode
            },
            end: stream_end,
            resync: false,
            look_back: false,
        };
        let position = offset + HEADER_SIZE as u64;
        Self {
            options,
            claimed_end,
            position,
            state: State::Search(HeaderSearch::new(options.decode, stream_end, &[])),
            first: None,
            patience: VAIN_BYTES.saturating_add((claimed_end - offset).saturating_mul(VAIN_SIZES)),
        }
    }

    /// Where the next bytes have to begin; it may lie before what was fed last.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What the search has come to.
    #[must_use]
    pub fn outcome(&self) -> Chain {
        match self.state {
            State::Done(outcome) => outcome,
            _ => Chain::Wanted,
        }
    }

    /// Takes bytes from `position` on, at least one, and says what came of them.
    pub fn feed(&mut self, bytes: &[u8]) -> Chain {
        match &mut self.state {
            State::Search(search) => match search.feed(bytes, self.position) {
                Some(header) if header.offset < self.claimed_end => {
                    self.position = header.offset + HEADER_SIZE as u64;
                    let mut scanner = Scanner::new(self.options, self.position);
                    scanner.begin_payload(header.offset, header.length);
                    self.state = State::Follow {
                        begin: header.offset,
                        sound_end: header.offset,
                        scanner: Box::new(scanner),
                    };
                }
                Some(_) => self.state = State::Done(Chain::Absent),
                None => {
                    self.position += bytes.len() as u64;
                    // A header that began before the end may still be on its way, but its first bytes are held then.
                    if self.position >= self.claimed_end + HEADER_SIZE as u64 {
                        self.state = State::Done(Chain::Absent);
                    }
                }
            },
            State::Follow { .. } => self.follow(bytes),
            State::Done(_) => {}
        }
        if self.options.end.is_some_and(|end| self.position >= end) && self.outcome() == Chain::Wanted {
            self.state = State::Done(Chain::Absent);
        }
        self.outcome()
    }

    fn follow(&mut self, bytes: &[u8]) {
        let State::Follow {
            begin,
            sound_end,
            scanner,
        } = &mut self.state
        else {
            return;
        };
        let result = scanner.feed(bytes, &mut |found| {
            if let Found::Record { offset, length } = found {
                *sound_end = offset + Scanner::size_of(length);
            }
        });
        if *sound_end >= self.claimed_end {
            self.state = State::Done(Chain::Found(self.first.unwrap_or(*begin)));
            return;
        }
        self.position = scanner.position();
        if result.is_ok() {
            return;
        }
        let vain = self.position - *sound_end;
        if *sound_end > *begin {
            self.first.get_or_insert(*begin);
        }
        // The sound records before the break hold no chain that leads further than theirs.
        self.position = (*begin + 1).max(*sound_end);
        self.state = match self.patience.checked_sub(vain) {
            Some(rest) if self.position < self.claimed_end => {
                self.patience = rest;
                State::Search(HeaderSearch::new(self.options.decode, self.options.end, &[]))
            }
            _ => State::Done(Chain::Absent),
        };
    }
}
