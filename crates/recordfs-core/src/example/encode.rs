//! Examples to bytes: protobuf's deterministic serialization. Map entries are sorted by key ([`compare_keys`]), numeric lists are packed,
//! and every length is written in as few bytes as it takes.

use super::{Kind, MAX_MESSAGE_SIZE};
use crate::varint;
use std::borrow::Cow;
use std::cmp::Ordering;

/// The values of one feature to write.
#[derive(Clone, Debug)]
pub enum FeatureValues<'a> {
    /// A feature without a list.
    Unset,
    /// A `BytesList`.
    Bytes(Cow<'a, [&'a [u8]]>),
    /// A `FloatList`.
    Float(Cow<'a, [f32]>),
    /// An `Int64List`.
    Int64(Cow<'a, [i64]>),
}

/// The size of field `tag` (one byte) with `length` bytes.
fn delimited_size(length: usize) -> usize {
    1 + varint::size(length as u64) + length
}

fn put_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    varint::put(out, length as u64);
}

/// A feature with the sizes of its parts, which are written before them.
struct Sized<'a, 'v> {
    values: &'v FeatureValues<'a>,
    /// Of the packed run, for numbers.
    packed: usize,
    /// Of the list.
    list: usize,
    /// Of the `Feature`.
    feature: usize,
}

impl<'a, 'v> Sized<'a, 'v> {
    fn new(values: &'v FeatureValues<'a>) -> Self {
        let packed = match values {
            FeatureValues::Float(values) => values.len() * 4,
            FeatureValues::Int64(values) => values.iter().map(|&value| varint::size(value as u64)).sum(),
            _ => 0,
        };
        let list = match values {
            FeatureValues::Bytes(values) => values.iter().map(|value| delimited_size(value.len())).sum(),
            _ if packed == 0 => 0,
            _ => delimited_size(packed),
        };
        let feature = if matches!(values, FeatureValues::Unset) {
            0
        } else {
            delimited_size(list)
        };
        Sized {
            values,
            packed,
            list,
            feature,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        let kind = match self.values {
            FeatureValues::Unset => return,
            FeatureValues::Bytes(_) => Kind::Bytes,
            FeatureValues::Float(_) => Kind::Float,
            FeatureValues::Int64(_) => Kind::Int64,
        };
        put_header(out, kind.tag(), self.list);
        if self.packed > 0 {
            put_header(out, 0x0a, self.packed);
        }
        match self.values {
            FeatureValues::Unset => {}
            FeatureValues::Bytes(values) => {
                for value in values.iter() {
                    put_header(out, 0x0a, value.len());
                    out.extend_from_slice(value);
                }
            }
            FeatureValues::Float(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            FeatureValues::Int64(values) => {
                for &value in values.iter() {
                    varint::put(out, value as u64);
                }
            }
        }
    }
}

/// The order of map entries in the deterministic serialization of upb, which is protobuf for Python: byte by byte, and
/// of two keys that agree as far as the shorter one goes the longer one first. (protobuf for C++ puts the shorter first.)
fn compare_keys(left: &[u8], right: &[u8]) -> Ordering {
    let common = left.len().min(right.len());
    left[..common].cmp(&right[..common]).then(right.len().cmp(&left.len()))
}

/// Writes the entries of a map of which each value is `size` bytes and written by `put`.
fn put_map<T>(
    out: &mut Vec<u8>,
    tag: u8,
    entries: &[(&[u8], T)],
    size: impl Fn(&T) -> usize,
    put: impl Fn(&T, &mut Vec<u8>),
) {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_unstable_by(|&left, &right| compare_keys(entries[left].0, entries[right].0));
    let entry_size = |(key, value): &(&[u8], T)| delimited_size(key.len()) + delimited_size(size(value));
    put_header(
        out,
        tag,
        entries.iter().map(|entry| delimited_size(entry_size(entry))).sum(),
    );
    for entry in order.into_iter().map(|place| &entries[place]) {
        put_header(out, 0x0a, entry_size(entry));
        put_header(out, 0x0a, entry.0.len());
        out.extend_from_slice(entry.0);
        put_header(out, 0x12, size(&entry.1));
        put(&entry.1, out);
    }
}

/// About the size of a map, to allocate once.
fn map_size<T>(entries: &[(&[u8], T)], size: impl Fn(&T) -> usize) -> usize {
    entries
        .iter()
        .map(|(key, value)| key.len() + size(value) + 16)
        .sum::<usize>()
        + 8
}

fn readable(record: Vec<u8>) -> Option<Vec<u8>> {
    (record.len() <= MAX_MESSAGE_SIZE).then_some(record)
}

/// An Example as bytes. Keys must be distinct and UTF-8.
///
/// None if it would be 2 GiB or more, which protobuf cannot read.
pub fn encode_example(features: &[(&[u8], FeatureValues<'_>)]) -> Option<Vec<u8>> {
    let sized: Vec<_> = features
        .iter()
        .map(|(key, values)| (*key, Sized::new(values)))
        .collect();
    let size = map_size(&sized, |feature| feature.feature);
    if size > MAX_MESSAGE_SIZE {
        return None;
    }
    let mut out = Vec::with_capacity(size);
    put_map(&mut out, 0x0a, &sized, |feature| feature.feature, Sized::put);
    readable(out)
}

/// A SequenceExample as bytes. Keys must be distinct and UTF-8 within each map.
///
/// None if it would be 2 GiB or more, which protobuf cannot read.
pub fn encode_sequence_example(
    context: &[(&[u8], FeatureValues<'_>)],
    lists: &[(&[u8], Vec<FeatureValues<'_>>)],
) -> Option<Vec<u8>> {
    let context: Vec<_> = context.iter().map(|(key, values)| (*key, Sized::new(values))).collect();
    let lists: Vec<_> = lists
        .iter()
        .map(|(key, steps)| {
            let steps: Vec<_> = steps.iter().map(Sized::new).collect();
            let size = steps.iter().map(|step| delimited_size(step.feature)).sum();
            (*key, (steps, size))
        })
        .collect();
    let size = map_size(&context, |feature| feature.feature) + map_size(&lists, |(_, size)| *size);
    if size > MAX_MESSAGE_SIZE {
        return None;
    }
    let mut out = Vec::with_capacity(size);
    put_map(&mut out, 0x0a, &context, |feature| feature.feature, Sized::put);
    put_map(
        &mut out,
        0x12,
        &lists,
        |(_, size)| *size,
        |(steps, _), out| {
            for step in steps {
                put_header(out, 0x0a, step.feature);
                step.put(out);
            }
        },
    );
    Some(out)
}
