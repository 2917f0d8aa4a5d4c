//! The records of one event file: framed in order, indexed as they go, with the index put among them when it is due.

use std::collections::HashMap;

use crate::protobuf::{Field, for_each_field, put_delimited};
use crate::record::{OVERHEAD, encode_record};

use super::decode::{Event, NotAnEvent, What, check_writable, decode_event, for_each_value};
use super::index::{Directory, IndexPlace, encode_index, encode_pointer};
use super::table::EventTable;

/// So many new bytes call for an index at the next flush.
const INDEX_INTERVAL: u64 = 8 << 20;

/// A file that is shorter is read whole when its tail is, so that an index would gain nothing.
const MIN_INDEXED: u64 = 16 << 10;

/// After so many bytes without an index or a pointer to it, a flush puts a pointer there: a read of the last 16 KiB
/// finds it.
const POINTER_INTERVAL: u64 = 8 << 10;

/// Of the bytes of the events, the index and its pointers take at most one in so many.
const SHARE: u64 = 10;

/// An index that did not come within its share after so many bytes is given up for this file: it holds memory.
const GIVE_UP: u64 = 8 * INDEX_INTERVAL;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct FramerOptions {
    /// Whether the file gets an index.
    pub index: bool,
}

/// Frames the events of one file after the other.
pub struct EventFramer {
    options: FramerOptions,
    table: EventTable,
    directory: Directory,
    /// The metadata of tags in files that came before this one.
    carried: HashMap<Box<str>, Box<[u8]>>,
    offset: u64,
    segment_begin: u64,
    index_bytes: u64,
    last_index: Option<IndexPlace>,
    last_sign: u64,
    indexing: bool,
    scratch: Vec<u8>,
}

impl EventFramer {
    /// A framer before the first record of a file.
    #[must_use]
    pub fn new(options: FramerOptions) -> Self {
        Self {
            options,
            table: EventTable::default(),
            directory: Directory::default(),
            carried: HashMap::new(),
            offset: 0,
            segment_begin: 0,
            index_bytes: 0,
            last_index: None,
            last_sign: 0,
            indexing: options.index,
            scratch: Vec::new(),
        }
    }

    /// Where the next record begins.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Begins another file. The metadata of the tags is remembered, and stands there again with their first values.
    pub fn begin_file(&mut self) {
        for tag in &mut self.table.tags {
            if let Some(metadata) = tag.metadata.take() {
                self.carried.insert(tag.name.clone(), metadata);
            }
        }
        let carried = std::mem::take(&mut self.carried);
        *self = Self {
            carried,
            ..Self::new(self.options)
        };
    }

    /// Appends the record of an event to `out`.
    ///
    /// A tag's metadata stands with its first value in the file: it is put there if a file before this one had it, and,
    /// if `repeats_metadata` says that the writer gives it with every value, taken from all others.
    ///
    /// # Errors
    /// `NotAnEvent`; nothing is appended then.
    pub fn add(&mut self, payload: &[u8], repeats_metadata: bool, out: &mut Vec<u8>) -> Result<(), NotAnEvent> {
        let event = decode_event(payload)?;
        check_writable(&event, payload.len())?;
        if self.should_rewrite(&event, repeats_metadata)? {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            self.rewrite(payload, repeats_metadata, &mut scratch)?;
            let added = decode_event(&scratch).and_then(|event| self.push(&event, &scratch, out));
            self.scratch = scratch;
            return added;
        }
        self.push(&event, payload, out)
    }

    fn push(&mut self, event: &Event<'_>, payload: &[u8], out: &mut Vec<u8>) -> Result<(), NotAnEvent> {
        self.table.add(event, self.offset, payload.len() as u64)?;
        if !self.indexing {
            self.table.clear_points();
        }
        encode_record(out, payload);
        self.offset += (payload.len() + OVERHEAD) as u64;
        Ok(())
    }

    fn should_rewrite(&self, event: &Event<'_>, repeats_metadata: bool) -> Result<bool, NotAnEvent> {
        let What::Summary(summary) = event.what else {
            return Ok(false);
        };
        if !repeats_metadata && self.carried.is_empty() {
            return Ok(false);
        }
        let mut differs = false;
        for_each_value::<NotAnEvent>(summary, |value| {
            differs |= match value.metadata {
                Some(_) => repeats_metadata && self.table.knows(value.tag),
                None => !self.table.knows(value.tag) && self.carried.contains_key(value.tag),
            };
            Ok(())
        })?;
        Ok(differs)
    }

    /// Appends the event with its values' metadata where it belongs.
    fn rewrite(&self, payload: &[u8], repeats_metadata: bool, out: &mut Vec<u8>) -> Result<(), NotAnEvent> {
        let mut rest = Vec::new();
        for_each_field::<NotAnEvent>(payload, |number, field| {
            match (number, field) {
                (5, Field::Delimited(summary)) => {
                    for_each_field::<NotAnEvent>(summary, |number, field| {
                        if let (1, Field::Delimited(value)) = (number, field) {
                            let mut message = Vec::with_capacity(value.len());
                            self.rewrite_value(value, repeats_metadata, &mut message)?;
                            put_delimited(&mut rest, 1, &message);
                        }
                        Ok(())
                    })?;
                    put_delimited(out, 5, &rest);
                }
                _ => put_field(out, number, field),
            }
            Ok(())
        })
    }

    fn rewrite_value(&self, message: &[u8], repeats_metadata: bool, out: &mut Vec<u8>) -> Result<(), NotAnEvent> {
        let (mut tag, mut metadata) = ("", None);
        for_each_field::<NotAnEvent>(message, |number, field| {
            match (number, field) {
                (1, Field::Delimited(bytes)) => tag = std::str::from_utf8(bytes).unwrap_or_default(),
                (9, Field::Delimited(bytes)) => metadata = Some(bytes),
                _ => {}
            }
            if number != 9 {
                put_field(out, number, field);
            }
            Ok(())
        })?;
        let known = self.table.knows(tag);
        let metadata = match metadata {
            Some(_) if known && repeats_metadata => None,
            Some(metadata) => Some(metadata),
            None if known => None,
            None => self.carried.get(tag).map(|metadata| &**metadata),
        };
        if let Some(metadata) = metadata {
            put_delimited(out, 9, metadata);
        }
        Ok(())
    }

    /// Appends what a flush puts into the file: an index if so much is new that one is due, or a pointer to the last one.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if self.offset - self.segment_begin >= INDEX_INTERVAL && self.put_index(out) {
            return;
        }
        self.put_pointer(out, POINTER_INTERVAL);
    }

    /// Appends what the end of a file is: the index of what is not indexed yet.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.offset > self.segment_begin && self.offset >= MIN_INDEXED && self.put_index(out) {
            return;
        }
        self.put_pointer(out, 1);
    }

    fn budget(&self) -> u64 {
        ((self.offset - self.index_bytes) / SHARE)
            .saturating_sub(self.index_bytes + 64)
            .min(u64::from(u32::MAX) / 2)
    }

    fn put_index(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.indexing {
            return false;
        }
        let budget = self.budget();
        let made = encode_index(
            &mut self.directory,
            &self.table,
            self.segment_begin,
            self.offset,
            budget,
        );
        let Some((payload, place)) = made else {
            if self.offset - self.segment_begin >= GIVE_UP {
                self.indexing = false;
                self.table.clear_points();
            }
            return false;
        };
        self.table.clear_points();
        self.put(&payload, out);
        self.segment_begin = self.offset;
        self.last_index = Some(place);
        true
    }

    fn put_pointer(&mut self, out: &mut Vec<u8>, interval: u64) {
        let Some(place) = self.last_index else { return };
        if self.offset - self.last_sign >= interval && self.budget() > 0 {
            self.put(&encode_pointer(&place, self.table.last_wall), out);
        }
    }

    fn put(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        encode_record(out, payload);
        let size = (payload.len() + OVERHEAD) as u64;
        self.offset += size;
        self.index_bytes += size;
        self.last_sign = self.offset;
    }
}

/// Appends a field as it was read.
fn put_field(out: &mut Vec<u8>, number: u32, field: Field<'_>) {
    use crate::protobuf::{put_fixed32, put_fixed64, put_varint};
    match field {
        Field::Varint(value) => put_varint(out, number, value),
        Field::Fixed64(bytes) => put_fixed64(out, number, bytes),
        Field::Delimited(bytes) => put_delimited(out, number, bytes),
        Field::Fixed32(bytes) => put_fixed32(out, number, bytes),
        Field::Group => {}
    }
}
