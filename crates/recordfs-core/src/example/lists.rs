//! The three lists as TensorFlow's Example reader takes them: only the first list of a `Feature` and only its first
//! packed run count, what follows is not looked at; a list written one value at a time is taken as well.
//!
//! Every `open` gets the bytes of a `Feature` after its first tag, checks as much as is needed to know the number of
//! values, and allocates nothing.

use super::Kind;
use super::cursor::Cursor;
use crate::varint;

/// Field 1 as a varint, as a 32-bit number, and length-delimited.
const VARINT_VALUE: u8 = 0x08;
const FIXED32_VALUE: u8 = 0x0d;
const DELIMITED_VALUE: u8 = 0x0a;

/// Where the values of a numeric list are.
enum Numbers<'a> {
    /// One run; its declared length may exceed what is there.
    Packed(Cursor<'a>, u32),
    /// One tag before each.
    Single(&'a [u8]),
}

fn open_numbers(feature: &[u8], single_tag: u8) -> Option<Numbers<'_>> {
    let mut cursor = Cursor::new(feature);
    let length = cursor.read_varint32()?;
    cursor.push_limit(length);
    match cursor.peek() {
        None => Some(Numbers::Single(&[])),
        Some(DELIMITED_VALUE) => {
            cursor.expect_tag(DELIMITED_VALUE);
            let length = cursor.read_varint32()?;
            Some(Numbers::Packed(cursor, length))
        }
        Some(tag) if tag == single_tag => Some(Numbers::Single(cursor.rest())),
        Some(_) => None,
    }
}

/// An `Int64List`.
pub(crate) struct Int64List<'a> {
    values: &'a [u8],
    packed: bool,
    count: usize,
}

impl<'a> Int64List<'a> {
    #[inline]
    pub(crate) fn open(feature: &'a [u8]) -> Option<Self> {
        match open_numbers(feature, VARINT_VALUE)? {
            Numbers::Packed(mut cursor, length) => {
                cursor.push_limit(length);
                let values = cursor.rest();
                Some(Int64List {
                    values,
                    packed: true,
                    count: varint::count(values),
                })
            }
            Numbers::Single(values) => {
                let mut cursor = Cursor::new(values);
                let mut count = 0;
                while !cursor.at_end() {
                    if !cursor.expect_tag(VARINT_VALUE) {
                        return None;
                    }
                    cursor.read_varint64()?;
                    count += 1;
                }
                Some(Int64List {
                    values,
                    packed: false,
                    count,
                })
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Fills `out`, which has `len()` places. None if a varint is damaged.
    #[inline]
    pub(crate) fn read(&self, out: &mut [i64]) -> Option<()> {
        if self.packed {
            return varint::decode_all(self.values, out);
        }
        let mut cursor = Cursor::new(self.values);
        for slot in out {
            cursor.expect_tag(VARINT_VALUE);
            *slot = cursor.read_varint64()? as i64;
        }
        Some(())
    }
}

/// A `FloatList`.
pub(crate) struct FloatList<'a> {
    values: &'a [u8],
    packed: bool,
}

impl<'a> FloatList<'a> {
    #[inline]
    pub(crate) fn open(feature: &'a [u8]) -> Option<Self> {
        match open_numbers(feature, FIXED32_VALUE)? {
            Numbers::Packed(mut cursor, length) => {
                // One to three bytes after the last whole value are not looked at.
                Some(FloatList {
                    values: cursor.read_bytes(length / 4 * 4)?,
                    packed: true,
                })
            }
            Numbers::Single(values) => {
                let sound = values.len() % 5 == 0 && values.iter().step_by(5).all(|&tag| tag == FIXED32_VALUE);
                sound.then_some(FloatList { values, packed: false })
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / if self.packed { 4 } else { 5 }
    }

    /// Fills `out`, which has `len()` places.
    #[inline]
    pub(crate) fn read(&self, out: &mut [f32]) {
        if self.packed {
            read_packed_floats(self.values, out);
        } else {
            for (slot, value) in out.iter_mut().zip(self.values.as_chunks::<5>().0) {
                *slot = f32::from_le_bytes([value[1], value[2], value[3], value[4]]);
            }
        }
    }
}

/// Whether nothing follows the first list of a `Feature`, nor the packed run that a list of numbers begins with.
#[inline]
pub(crate) fn is_in_one_part(feature: &[u8]) -> bool {
    fn whole(tagged: &[u8]) -> Option<&[u8]> {
        let mut cursor = Cursor::new(tagged.get(1..)?);
        let length = cursor.read_varint32()?;
        let rest = cursor.rest();
        (rest.len() == length as usize).then_some(rest)
    }
    match whole(feature) {
        None => feature.is_empty(),
        Some(list) if feature[0] != Kind::Bytes.tag() && list.first() == Some(&DELIMITED_VALUE) => {
            whole(list).is_some()
        }
        Some(_) => true,
    }
}

/// Copies little-endian floats.
#[inline]
pub(crate) fn read_packed_floats(values: &[u8], out: &mut [f32]) {
    for (slot, value) in out.iter_mut().zip(values.as_chunks::<4>().0) {
        *slot = f32::from_le_bytes(*value);
    }
}

/// A `BytesList`.
pub(crate) struct BytesList<'a> {
    values: &'a [u8],
    count: usize,
}

impl<'a> BytesList<'a> {
    #[inline]
    pub(crate) fn open(feature: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(feature);
        let length = cursor.read_varint32()?;
        cursor.push_limit(length);
        let values = cursor.rest();
        let mut count = 0;
        while !cursor.at_end() {
            if !cursor.expect_tag(DELIMITED_VALUE) {
                return None;
            }
            cursor.read_delimited()?;
            count += 1;
        }
        Some(BytesList { values, count })
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The values; `open` has checked them.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut cursor = Cursor::new(self.values);
        std::iter::from_fn(move || {
            cursor.expect_tag(DELIMITED_VALUE);
            if cursor.at_end() { None } else { cursor.read_delimited() }
        })
    }
}
