//! The messages in an index: the header, and an entry for each tensor or slice.
//!
//! ```text
//! Header { 1 num_shards int32, 2 endianness (0 little, 1 big), 3 version { 1 producer, 2 min_consumer, 3 bad_consumers* } }
//! Entry  { 1 dtype, 2 shape, 3 shard_id int32, 4 offset int64, 5 size int64, 6 crc32c fixed32, 7 slices* }
//! Shape  { 2 dim* { 1 size int64, 2 name }, 3 unknown_rank bool }
//! Slice  { 1 extent* { 1 start int64, 2 length int64, optional } }
//! ```

use super::dtype::{DTYPE_STRING, DTYPE_VARIANT, item_size};
use super::error::EntryFault;
use super::wire::{put_number, take_varint};
use crate::protobuf::{Field, Malformed, for_each_field, put_delimited, put_fixed32, put_varint};

/// The version of the format that is written, and read.
const VERSION: i32 = 1;

/// The most dimensions that a tensor of TensorFlow has (`TensorShape::MaxDimensions`).
const MOST_DIMENSIONS: usize = 254;

/// What the empty key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many data files there are.
    pub num_shards: i32,
    /// Whether numbers in data files have their high byte first.
    pub big_endian: bool,
    /// The version that wrote it.
    pub producer: i32,
    /// The oldest version that may read it.
    pub min_consumer: i32,
    /// Whether it names version 1 among those that may not read it.
    pub refuses_this_version: bool,
}

impl Header {
    /// The header of a checkpoint of this version.
    #[must_use]
    pub const fn new(num_shards: i32, big_endian: bool) -> Self {
        Self {
            num_shards,
            big_endian,
            producer: VERSION,
            min_consumer: 0,
            refuses_this_version: false,
        }
    }

    /// Whether a reader of this version may read what follows.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        self.min_consumer <= VERSION && !self.refuses_this_version
    }

    pub(super) fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut header = Self {
            producer: 0,
            ..Self::new(0, false)
        };
        for_each_field(message, |number, field| {
            match (number, field) {
                (1, Field::Varint(value)) => header.num_shards = value as i32,
                (2, Field::Varint(value)) => header.big_endian = value == 1,
                (3, Field::Delimited(version)) => header.decode_version(version)?,
                _ => {}
            }
            Ok::<(), Malformed>(())
        })?;
        if header.num_shards < 0 {
            return Err(Malformed {
                reason: "a negative number of data files",
            });
        }
        Ok(header)
    }

    fn decode_version(&mut self, message: &[u8]) -> Result<(), Malformed> {
        for_each_field(message, |number, field| {
            match (number, field) {
                (1, Field::Varint(value)) => self.producer = value as i32,
                (2, Field::Varint(value)) => self.min_consumer = value as i32,
                (3, Field::Varint(value)) => self.refuses_this_version |= value as i32 == VERSION,
                (3, Field::Delimited(mut packed)) => {
                    while !packed.is_empty() {
                        let value = take_varint(&mut packed).ok_or(Malformed {
                            reason: "a list of versions",
                        })?;
                        self.refuses_this_version |= value as i32 == VERSION;
                    }
                }
                _ => {}
            }
            Ok(())
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut version = Vec::new();
        put_number(&mut version, 1, i64::from(self.producer));
        put_number(&mut version, 2, i64::from(self.min_consumer));
        let mut out = Vec::new();
        put_number(&mut out, 1, i64::from(self.num_shards));
        put_number(&mut out, 2, i64::from(self.big_endian));
        put_delimited(&mut out, 3, &version);
        out
    }
}

/// What a slice takes of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first place.
    pub start: i64,
    /// How many, or None for the whole dimension.
    pub length: Option<i64>,
}

/// A rectangle of a tensor: an extent for each dimension.
pub type Slice = Vec<Extent>;

/// Where one tensor, or one slice of it, lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// TensorFlow's number of the elements' type.
    pub dtype: i32,
    /// The dimensions.
    pub shape: Vec<i64>,
    /// The number of the data file.
    pub shard: i32,
    /// Where in that file it begins.
    pub offset: i64,
    /// Its size there in bytes.
    pub size: i64,
    /// The masked checksum of these bytes.
    pub crc: u32,
    /// The rectangles that hold its elements, each with an entry of its own; then the four fields above mean nothing.
    pub slices: Vec<Slice>,
}

impl Entry {
    /// Reads a message and checks it, but for what needs the data file.
    pub(super) fn decode(message: &[u8], num_shards: i32) -> Result<Self, EntryFault> {
        let entry = Self::decode_message(message)?;
        entry.check(num_shards)?;
        Ok(entry)
    }

    fn decode_message(message: &[u8]) -> Result<Self, EntryFault> {
        let mut entry = Self::default();
        for_each_field(message, |number, field| {
            match (number, field) {
                (1, Field::Varint(value)) => entry.dtype = value as i32,
                (2, Field::Delimited(shape)) => decode_shape(shape, &mut entry.shape)?,
                (3, Field::Varint(value)) => entry.shard = value as i32,
                (4, Field::Varint(value)) => entry.offset = value as i64,
                (5, Field::Varint(value)) => entry.size = value as i64,
                (6, Field::Fixed32(value)) => entry.crc = u32::from_le_bytes(value),
                (7, Field::Delimited(slice)) => entry.slices.push(decode_slice(slice)?),
                _ => {}
            }
            Ok::<(), EntryFault>(())
        })?;
        Ok(entry)
    }

    fn check(&self, num_shards: i32) -> Result<(), EntryFault> {
        if self.dtype <= 0 {
            return Err(EntryFault::Malformed("it has no type"));
        }
        let elements = self.elements().ok_or_else(|| EntryFault::Shape(self.shape.clone()))?;
        if !self.slices.is_empty() {
            return Ok(()); // its bytes are those of the slices
        }
        if self.shard < 0 || self.shard >= num_shards {
            return Err(EntryFault::Shard {
                shard: self.shard,
                shards: num_shards,
            });
        }
        if self.offset < 0 || self.size < 0 || self.offset.checked_add(self.size).is_none() {
            return Err(EntryFault::Extent {
                offset: self.offset,
                size: self.size,
            });
        }
        // Elements without a fixed size have a byte at least, or they are variants with a length and a checksum.
        let least = match self.dtype {
            DTYPE_STRING => elements,
            DTYPE_VARIANT => elements.saturating_mul(5),
            _ => 0,
        };
        if least > self.size as u64 {
            return Err(EntryFault::Size {
                size: self.size,
                expected: least,
            });
        }
        if let Some(item_size) = item_size(self.dtype) {
            let expected = elements
                .checked_mul(item_size)
                .ok_or_else(|| EntryFault::Shape(self.shape.clone()))?;
            if expected != self.size as u64 {
                return Err(EntryFault::Size {
                    size: self.size,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// How many elements the shape has; None if it has a negative dimension, too many dimensions, or too many elements.
    #[must_use]
    pub fn elements(&self) -> Option<u64> {
        if self.shape.len() > MOST_DIMENSIONS || self.shape.iter().any(|&dim| dim < 0) {
            return None;
        }
        if self.shape.contains(&0) {
            // NumPy multiplies what is not zero and refuses what overflows; so does TensorFlow.
            let mut others = self.shape.iter().filter(|&&dim| dim != 0);
            others.try_fold(1i64, |all, &dim| all.checked_mul(dim))?;
            return Some(0);
        }
        let all = self.shape.iter().try_fold(1i64, |all, &dim| all.checked_mul(dim))?;
        u64::try_from(all).ok()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, 1, i64::from(self.dtype));
        let mut shape = Vec::with_capacity(6 * self.shape.len());
        for &dim in &self.shape {
            let mut message = Vec::with_capacity(11);
            put_number(&mut message, 1, dim);
            put_delimited(&mut shape, 2, &message);
        }
        put_delimited(out, 2, &shape);
        put_number(out, 3, i64::from(self.shard));
        put_number(out, 4, self.offset);
        put_number(out, 5, self.size);
        if self.crc != 0 {
            put_fixed32(out, 6, self.crc.to_le_bytes());
        }
        for slice in &self.slices {
            put_delimited(out, 7, &encode_slice(slice));
        }
    }
}

/// Checked while a message is read, so that a hostile one cannot make a list of any length.
const fn check_rank(rank: usize) -> Result<(), EntryFault> {
    if rank < MOST_DIMENSIONS {
        Ok(())
    } else {
        Err(EntryFault::Malformed("it has more dimensions than tensors have"))
    }
}

fn decode_shape(message: &[u8], shape: &mut Vec<i64>) -> Result<(), EntryFault> {
    for_each_field(message, |number, field| {
        match (number, field) {
            (2, Field::Delimited(dim)) => {
                check_rank(shape.len())?;
                let mut size = 0;
                for_each_field(dim, |number, field| {
                    if let (1, Field::Varint(value)) = (number, field) {
                        size = value as i64;
                    }
                    Ok::<(), EntryFault>(())
                })?;
                shape.push(size);
            }
            (3, Field::Varint(1..)) => return Err(EntryFault::Malformed("its shape is unknown")),
            _ => {}
        }
        Ok(())
    })
}

fn decode_slice(message: &[u8]) -> Result<Slice, EntryFault> {
    let mut slice = Slice::new();
    for_each_field(message, |number, field| {
        if let (1, Field::Delimited(message)) = (number, field) {
            check_rank(slice.len())?;
            slice.push(decode_extent(message)?);
        }
        Ok::<(), EntryFault>(())
    })?;
    Ok(slice)
}

fn decode_extent(message: &[u8]) -> Result<Extent, EntryFault> {
    let mut extent = Extent { start: 0, length: None };
    for_each_field(message, |number, field| {
        match (number, field) {
            (1, Field::Varint(value)) => extent.start = value as i64,
            // -1 is another way to say "the whole dimension".
            (2, Field::Varint(value)) => extent.length = (value as i64 != -1).then_some(value as i64),
            _ => {}
        }
        Ok::<(), EntryFault>(())
    })?;
    Ok(extent)
}

fn encode_slice(slice: &Slice) -> Vec<u8> {
    let mut out = Vec::new();
    for extent in slice {
        let mut message = Vec::new();
        if let Some(length) = extent.length {
            put_number(&mut message, 1, extent.start);
            // Its presence is what tells, so a zero is written too.
            put_varint(&mut message, 2, length as u64);
        }
        put_delimited(&mut out, 1, &message);
    }
    out
}
