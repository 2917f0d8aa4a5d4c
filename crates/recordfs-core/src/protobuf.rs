//! Protobuf's wire format, read and written by hand: the fields of one message, whatever the message means.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use crate::varint;

/// The largest message that protobuf, and so TensorFlow, can read.
pub const MAX_MESSAGE_SIZE: usize = i32::MAX as usize;

/// How deep unknown groups may be nested: protobuf's limit.
const MAX_DEPTH: usize = 100;

/// A message that protobuf would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub reason: &'static str,
}

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64([u8; 8]),
    /// Wire type 2.
    Delimited(&'a [u8]),
    /// Wire type 5.
    Fixed32([u8; 4]),
    /// A group, which nobody has written for a long time; its fields are stepped over.
    Group,
}

/// Calls `visit` with the number and the value of each field, in the order of the message.
///
/// # Errors
/// `Malformed` where protobuf refuses the message; whatever `visit` returns.
#[inline]
pub fn for_each_field<'a, E: From<Malformed>>(
    message: &'a [u8],
    mut visit: impl FnMut(u32, Field<'a>) -> Result<(), E>,
) -> Result<(), E> {
    if message.len() > MAX_MESSAGE_SIZE {
        return Err(malformed("2 GiB or more").into());
    }
    let mut rest = message;
    let mut open_groups: Vec<u32> = Vec::new();
    while !rest.is_empty() {
        let tag = take_varint(&mut rest, 5)?;
        if tag > u64::from(u32::MAX) || tag >> 3 == 0 {
            return Err(malformed("a field has an impossible number").into());
        }
        let number = (tag >> 3) as u32;
        let field = match tag & 7 {
            0 => Field::Varint(take_varint(&mut rest, 10)?),
            1 => Field::Fixed64(take_array(&mut rest)?),
            2 => {
                let length = take_varint(&mut rest, 5)?;
                Field::Delimited(take(&mut rest, usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            3 => {
                if open_groups.len() == MAX_DEPTH {
                    return Err(malformed("groups are nested too deep").into());
                }
                if open_groups.is_empty() {
                    visit(number, Field::Group)?;
                }
                open_groups.push(number);
                continue;
            }
            4 => {
                if open_groups.pop() != Some(number) {
                    return Err(malformed("a group ends that has not begun").into());
                }
                continue;
            }
            5 => Field::Fixed32(take_array(&mut rest)?),
            _ => return Err(malformed("a field has an impossible wire type").into()),
        };
        if open_groups.is_empty() {
            visit(number, field)?;
        }
    }
    if open_groups.is_empty() {
        Ok(())
    } else {
        Err(malformed("a group has no end").into())
    }
}

const fn malformed(reason: &'static str) -> Malformed {
    Malformed { reason }
}

#[inline]
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (taken, left) = rest
        .split_at_checked(length)
        .ok_or(malformed("a field is longer than its message"))?;
    *rest = left;
    Ok(taken)
}

#[inline]
fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, left) = rest
        .split_first_chunk::<N>()
        .ok_or(malformed("a field is longer than its message"))?;
    *rest = left;
    Ok(*taken)
}

#[inline]
fn take_varint(rest: &mut &[u8], longest: usize) -> Result<u64, Malformed> {
    if let [first @ 0..0x80, left @ ..] = *rest {
        *rest = left;
        return Ok(u64::from(*first));
    }
    match varint::decode_one(rest) {
        Some((value, length)) if length <= longest => {
            *rest = &rest[length..];
            Ok(value)
        }
        _ => Err(malformed("a varint is cut or too long")),
    }
}

/// Appends a varint field.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    varint::put(out, u64::from(number << 3));
    varint::put(out, value);
}

/// Appends a field of eight bytes.
#[inline]
pub fn put_fixed64(out: &mut Vec<u8>, number: u32, value: [u8; 8]) {
    varint::put(out, u64::from(number << 3 | 1));
    out.extend_from_slice(&value);
}

/// Appends a field of four bytes.
#[inline]
pub fn put_fixed32(out: &mut Vec<u8>, number: u32, value: [u8; 4]) {
    varint::put(out, u64::from(number << 3 | 5));
    out.extend_from_slice(&value);
}

/// Appends the tag and the length of a field whose `length` bytes the caller appends next.
#[inline]
pub fn put_delimited_head(out: &mut Vec<u8>, number: u32, length: usize) {
    varint::put(out, u64::from(number << 3 | 2));
    varint::put(out, length as u64);
}

/// Appends a field of bytes.
#[inline]
pub fn put_delimited(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_delimited_head(out, number, value.len());
    out.extend_from_slice(value);
}
