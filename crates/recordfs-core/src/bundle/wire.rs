//! Varints outside messages, and fields as proto3 writes them: what is zero or empty is left out.

use crate::protobuf::{put_delimited, put_varint};
use crate::varint;

/// Steps over a varint.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let (value, size) = varint::decode_one(bytes)?;
    *bytes = &bytes[size..];
    Some(value)
}

/// Appends a number, unless it is zero.
pub(super) fn put_number(out: &mut Vec<u8>, field: u32, value: i64) {
    if value != 0 {
        put_varint(out, field, value as u64);
    }
}

/// Appends a string, unless it is empty.
pub(super) fn put_string(out: &mut Vec<u8>, field: u32, text: &str) {
    if !text.is_empty() {
        put_delimited(out, field, text.as_bytes());
    }
}
