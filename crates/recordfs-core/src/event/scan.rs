//! Reading event files from front to back, over what is damaged.

use std::collections::HashSet;

use crate::error::RecordFault;
use crate::record::{DecodeOptions, Decoded, HEADER_SIZE, OVERHEAD, decode_record};

use super::decode::decode_event;
use super::index::{Directory, encode_index};
use super::table::EventTable;

/// Bytes that gave no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where in the file they begin.
    pub offset: u64,
    /// How many they are.
    pub length: u64,
    /// Why.
    pub reason: String,
}

/// Losses that are kept with their place and reason; beyond that they are counted only, because a hostile file can hold
/// one every few bytes.
const MAX_LOSSES_KEPT: usize = 1000;

/// Puts the events of a file into a table, as its bytes arrive in chunks.
pub struct EventScanner {
    /// What has been found.
    pub table: EventTable,
    /// The first losses.
    pub losses: Vec<Loss>,
    /// How many losses there are.
    pub loss_count: u64,
    /// How many records were events.
    pub events: u64,
    options: DecodeOptions,
    /// Bytes of a record that is not whole yet, or in which the next one is looked for.
    held: Vec<u8>,
    /// Where `held` begins.
    offset: u64,
    /// Where a loss began and why, while the next sound header is looked for.
    searching: Option<(u64, String)>,
}

impl EventScanner {
    /// A scanner of a file whose first chunk begins at `offset`, where a record begins.
    #[must_use]
    pub fn new(wanted: Option<HashSet<Box<str>>>, options: DecodeOptions, offset: u64) -> Self {
        Self {
            table: EventTable::new(wanted),
            losses: Vec::new(),
            loss_count: 0,
            events: 0,
            options,
            held: Vec::new(),
            offset,
            searching: None,
        }
    }

    /// Where the bytes begin that are not dealt with yet.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        if self.held.is_empty() {
            let done = self.take(chunk);
            self.held.extend_from_slice(&chunk[done..]);
        } else {
            self.held.extend_from_slice(chunk);
            let held = std::mem::take(&mut self.held);
            let done = self.take(&held);
            self.held = held;
            self.held.drain(..done);
        }
    }

    /// Says that the file ends here for now; returns how many bytes of a record are there that is not whole.
    pub fn finish(&mut self) -> u64 {
        if let Some((begin, reason)) = self.searching.take() {
            let end = self.offset + self.held.len() as u64;
            self.lose(begin, end - begin, reason);
            self.offset = end;
            self.held.clear();
        }
        self.held.len() as u64
    }

    /// The payload of an index of everything up to [`EventScanner::offset`], as if its record stood there; None before the
    /// first event.
    #[must_use]
    pub fn encode_index(&self) -> Option<Vec<u8>> {
        let mut directory = Directory::default();
        let budget = u64::from(u32::MAX) / 2;
        let made = encode_index(&mut directory, &self.table, 0, self.offset, budget);
        made.filter(|_| self.events > 0).map(|(payload, _)| payload)
    }

    /// Deals with what is whole in `bytes`, which begin at `self.offset`; returns how many bytes that was.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        loop {
            if self.searching.is_some() && !self.search(&bytes[done..], &mut done) {
                return done;
            }
            match decode_record(&bytes[done..], &self.options) {
                Ok(Decoded::Record { payload, size }) => {
                    self.add(&bytes[done + payload.start..done + payload.end]);
                    self.advance(size, &mut done);
                }
                Ok(Decoded::Incomplete { .. }) => return done,
                Err(fault) => match sound_size(fault, &bytes[done..]) {
                    Some(size) => {
                        self.lose(self.offset, size as u64, fault.to_string());
                        self.advance(size, &mut done);
                    }
                    None => {
                        self.searching = Some((self.offset, fault.to_string()));
                        self.advance(1, &mut done);
                    }
                },
            }
        }
    }

    /// Looks for the next sound header; returns whether there is one.
    fn search(&mut self, bytes: &[u8], done: &mut usize) -> bool {
        let Some((index, _)) = self.options.find_header(bytes) else {
            // The last bytes may be the beginning of a header.
            let count = bytes.len().saturating_sub(HEADER_SIZE - 1);
            self.advance(count, done);
            return false;
        };
        self.advance(index, done);
        if let Some((begin, reason)) = self.searching.take() {
            self.lose(begin, self.offset - begin, reason);
        }
        true
    }

    fn add(&mut self, payload: &[u8]) {
        let added = decode_event(payload).and_then(|event| {
            self.table.add(&event, self.offset, payload.len() as u64)?;
            Ok(event.index.is_none())
        });
        match added {
            Ok(is_event) => self.events += u64::from(is_event),
            Err(error) => self.lose(self.offset, (payload.len() + OVERHEAD) as u64, error.to_string()),
        }
    }

    fn advance(&mut self, count: usize, done: &mut usize) {
        *done += count;
        self.offset += count as u64;
    }

    fn lose(&mut self, offset: u64, length: u64, reason: String) {
        self.loss_count += 1;
        if self.losses.len() < MAX_LOSSES_KEPT {
            self.losses.push(Loss { offset, length, reason });
        }
    }
}

/// The bytes of a broken record whose length can be trusted all the same.
fn sound_size(fault: RecordFault, record: &[u8]) -> Option<usize> {
    match fault {
        RecordFault::PayloadChecksum { .. } => {
            let length = u64::from_le_bytes(*record.first_chunk()?);
            Some(usize::try_from(length).ok()? + OVERHEAD)
        }
        _ => None,
    }
}
