//! Where the index of a file stands: its trailer, and the pointers to it.

use crate::record::{DecodeOptions, Decoded, FOOTER_SIZE, HEADER_SIZE, decode_record};
use crate::varint;

use crate::event::decode::INDEX_FIELD;

/// The last bytes of an index, before the checksum of its record.
pub const MAGIC: &[u8; 8] = b"RFSEVIX1";

/// The version of the format that this code writes, and the only one that it reads.
const VERSION: u32 = 1;

/// Offset, three lengths, version, magic.
pub(super) const TRAILER_SIZE: usize = 32;

/// The wall time and the tag of the field that stand before the length of an index: 1 + 8 + 3 bytes.
pub(super) const PREFIX_SIZE: usize = 12;

/// Where the last index of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPlace {
    /// Where its record begins; every event before it is in it.
    pub record_offset: u64,
    /// Where its blocks begin.
    pub body_offset: u64,
    /// Where its rows begin, of so many bytes.
    pub rows_offset: u64,
    /// The bytes of its rows.
    pub rows_length: u64,
    /// Where its directory begins; after the rows.
    pub directory_offset: u64,
    /// The bytes of its directory.
    pub directory_length: u64,
    /// Where the record after it begins.
    pub record_end: u64,
}

/// Finds the last index of a file in the file's last bytes: the index itself, or a pointer to it.
///
/// `tail` holds the bytes that end at `file_size`; 16 KiB hold it if the file has one and its writer flushed as often as
/// it says in `docs/formats/event-index.md`. None if there is none: then the file has to be read from its beginning.
#[must_use]
pub fn locate_index(tail: &[u8], file_size: u64) -> Option<IndexPlace> {
    let tail_offset = file_size.checked_sub(tail.len() as u64)?;
    let mut end = tail.len();
    while let Some(magic) = find_last(&tail[..end], MAGIC) {
        let trailer_end = magic + MAGIC.len();
        if let Some(place) = place_at(tail, trailer_end, tail_offset, file_size) {
            return Some(place);
        }
        end = trailer_end - 1;
    }
    None
}

fn find_last(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).rposition(|window| window == pattern)
}

fn place_at(tail: &[u8], trailer_end: usize, tail_offset: u64, file_size: u64) -> Option<IndexPlace> {
    let trailer: &[u8; TRAILER_SIZE] = tail[..trailer_end].last_chunk()?;
    let place = decode_trailer(trailer)?;
    let stands_at = tail_offset + trailer_end as u64;
    if place.record_end > file_size {
        return None;
    }
    if place.record_end == stands_at + FOOTER_SIZE as u64 {
        return Some(place);
    }
    // A pointer is a record whose checksum can be looked at, for it is short.
    let record = tail.get(trailer_end.checked_sub(POINTER_SIZE - FOOTER_SIZE)?..trailer_end + FOOTER_SIZE)?;
    let options = DecodeOptions {
        max_length: POINTER_SIZE as u64,
        verify_payload: true,
    };
    let is_record = matches!(decode_record(record, &options), Ok(Decoded::Record { size, .. }) if size == POINTER_SIZE);
    (is_record && place.record_end <= stands_at).then_some(place)
}

/// A pointer's record: header, wall time, field, length of one byte, trailer, footer.
const POINTER_SIZE: usize = HEADER_SIZE + PREFIX_SIZE + 1 + TRAILER_SIZE + FOOTER_SIZE;

fn decode_trailer(trailer: &[u8; TRAILER_SIZE]) -> Option<IndexPlace> {
    let word = |at: usize| {
        u64::from(u32::from_le_bytes(
            *trailer[at..].first_chunk().expect("within the trailer"),
        ))
    };
    let record_offset = u64::from_le_bytes(*trailer.first_chunk()?);
    let (columns, rows, directory, version) = (word(8), word(12), word(16), word(20));
    if version != u64::from(VERSION) || record_offset > i64::MAX as u64 {
        return None;
    }
    let body = columns + rows + directory + TRAILER_SIZE as u64;
    let body_offset = record_offset + (HEADER_SIZE + PREFIX_SIZE + varint::size(body)) as u64;
    Some(IndexPlace {
        record_offset,
        body_offset,
        rows_offset: body_offset + columns,
        rows_length: rows,
        directory_offset: body_offset + columns + rows,
        directory_length: directory,
        record_end: body_offset + body + FOOTER_SIZE as u64,
    })
}

pub(super) fn put_trailer(out: &mut Vec<u8>, place: &IndexPlace) {
    out.extend_from_slice(&place.record_offset.to_le_bytes());
    let columns = place.rows_offset - place.body_offset;
    for word in [columns, place.rows_length, place.directory_length, u64::from(VERSION)] {
        // An index never reaches the budget of 4 GiB: see EventFramer.
        out.extend_from_slice(&(word as u32).to_le_bytes());
    }
    out.extend_from_slice(MAGIC);
}

/// Appends the payload of an event that holds `body`, which ends with a trailer.
pub(super) fn put_event(out: &mut Vec<u8>, wall_time: f64, body_length: usize) {
    // Without a time it would be an event of 1970, and TensorBoard's data server would begin the run then.
    crate::protobuf::put_fixed64(out, 1, wall_time.to_le_bytes());
    crate::protobuf::put_delimited_head(out, INDEX_FIELD, body_length);
}

/// The payload of an event that tells where the last index is.
pub(crate) fn encode_pointer(place: &IndexPlace, wall_time: f64) -> Vec<u8> {
    let mut payload = Vec::with_capacity(POINTER_SIZE);
    put_event(&mut payload, wall_time, TRAILER_SIZE);
    put_trailer(&mut payload, place);
    payload
}
