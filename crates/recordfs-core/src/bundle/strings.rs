//! String tensors, and variants, in a data file.
//!
//! ```text
//! varint length of element 0 ... n-1 | u32 masked L | bytes of element 0 ... n-1
//! ```
//! L is the checksum of the lengths as integers of four bytes, or eight for those that need it; the entry's checksum goes
//! on from L over the four stored bytes and all elements.

use std::fmt;

use super::wire::take_varint;
use crate::crc::{Crc32c, mask, unmask};
use crate::varint;

/// What is wrong with the bytes of a string tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringsFault {
    /// The lengths do not fit the size.
    Lengths,
    /// The checksum of the lengths does not match.
    LengthsChecksum {
        /// The masked checksum in the file.
        stored: u32,
        /// The masked checksum of the lengths.
        computed: u32,
    },
    /// The checksum in the entry does not match.
    Checksum {
        /// The masked checksum in the entry.
        stored: u32,
        /// The masked checksum of the bytes.
        computed: u32,
    },
}

impl fmt::Display for StringsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lengths => write!(f, "the lengths of its elements do not add up to its size"),
            Self::LengthsChecksum { stored, computed } => write!(
                f,
                "the checksum of its elements' lengths is {stored:#010x}, but they give {computed:#010x}"
            ),
            Self::Checksum { stored, computed } => {
                write!(f, "its checksum is {stored:#010x}, but its bytes give {computed:#010x}")
            }
        }
    }
}

/// The elements of a string tensor.
///
/// # Errors
/// `data` is not exactly `count` strings, or `checksum` (masked, from the entry) or the one inside does not match.
pub fn decode_strings(
    data: &[u8],
    count: u64,
    checksum: Option<u32>,
    big_endian: bool,
) -> Result<Vec<&[u8]>, StringsFault> {
    if count == 0 && data.is_empty() {
        return Ok(Vec::new()); // some writers leave the checksum of no lengths out
    }
    // Each element has at least one byte, so nothing is allocated for a count that the data cannot hold.
    let count = usize::try_from(count)
        .ok()
        .filter(|&count| count <= data.len())
        .ok_or(StringsFault::Lengths)?;
    let mut rest = data;
    let mut lengths = Vec::with_capacity(count);
    let mut crc = Crc32c::new();
    for _ in 0..count {
        let length = take_varint(&mut rest).ok_or(StringsFault::Lengths)?;
        update_with_length(&mut crc, length, big_endian);
        lengths.push(usize::try_from(length).map_err(|_| StringsFault::Lengths)?);
    }
    let (stored_bytes, mut rest) = rest.split_first_chunk::<4>().ok_or(StringsFault::Lengths)?;
    let stored = if big_endian {
        u32::from_be_bytes(*stored_bytes)
    } else {
        u32::from_le_bytes(*stored_bytes)
    };
    // Without it not even the lengths are known to be right, so it is checked always.
    if unmask(stored) != crc.value() {
        return Err(StringsFault::LengthsChecksum {
            stored,
            computed: crc.masked(),
        });
    }
    if let Some(stored) = checksum {
        crc.update(stored_bytes);
        crc.update(rest);
        if crc.masked() != stored {
            return Err(StringsFault::Checksum {
                stored,
                computed: crc.masked(),
            });
        }
    }
    let mut elements = Vec::with_capacity(count);
    for length in lengths {
        let (element, after) = rest.split_at_checked(length).ok_or(StringsFault::Lengths)?;
        elements.push(element);
        rest = after;
    }
    if rest.is_empty() {
        Ok(elements)
    } else {
        Err(StringsFault::Lengths)
    }
}

fn update_with_length(crc: &mut Crc32c, length: u64, big_endian: bool) {
    match u32::try_from(length) {
        Ok(short) if big_endian => crc.update(&short.to_be_bytes()),
        Ok(short) => crc.update(&short.to_le_bytes()),
        Err(_) if big_endian => crc.update(&length.to_be_bytes()),
        Err(_) => crc.update(&length.to_le_bytes()),
    }
}

/// Checks a variant tensor, whose elements only TensorFlow can make sense of.
///
/// ```text
/// varint length | bytes | u32 masked checksum, for each element
/// ```
/// The checksum goes on from element to element: over the length as eight bytes, the bytes, and the stored checksum.
///
/// # Errors
/// `data` is not exactly `count` elements, or a checksum does not match.
pub fn check_variants(data: &[u8], count: u64, checksum: u32, big_endian: bool) -> Result<(), StringsFault> {
    let mut rest = data;
    let mut crc = Crc32c::new();
    for _ in 0..count {
        let length = take_varint(&mut rest).ok_or(StringsFault::Lengths)?;
        let size = usize::try_from(length).map_err(|_| StringsFault::Lengths)?;
        let (element, after) = rest.split_at_checked(size).ok_or(StringsFault::Lengths)?;
        let (stored_bytes, after) = after.split_first_chunk::<4>().ok_or(StringsFault::Lengths)?;
        crc.update(&if big_endian {
            length.to_be_bytes()
        } else {
            length.to_le_bytes()
        });
        crc.update(element);
        let stored = if big_endian {
            u32::from_be_bytes(*stored_bytes)
        } else {
            u32::from_le_bytes(*stored_bytes)
        };
        if stored != crc.masked() {
            return Err(StringsFault::Checksum {
                stored,
                computed: crc.masked(),
            });
        }
        crc.update(stored_bytes);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(StringsFault::Lengths);
    }
    let computed = crc.masked();
    if computed == checksum {
        Ok(())
    } else {
        Err(StringsFault::Checksum {
            stored: checksum,
            computed,
        })
    }
}

/// What stands before the elements of a string tensor, and the checksum of the whole.
pub struct StringsHeader {
    /// The bytes before the first element.
    pub bytes: Vec<u8>,
    /// The masked checksum for the entry.
    pub crc: u32,
    /// The size of the tensor in the data file.
    pub size: u64,
}

/// What is to be written before these elements.
pub fn strings_header<'a>(elements: impl Iterator<Item = &'a [u8]> + Clone) -> StringsHeader {
    let mut bytes = Vec::new();
    let mut crc = Crc32c::new();
    let mut total = 0;
    for element in elements.clone() {
        varint::put(&mut bytes, element.len() as u64);
        update_with_length(&mut crc, element.len() as u64, false);
        total += element.len() as u64;
    }
    let stored = mask(crc.value()).to_le_bytes();
    bytes.extend_from_slice(&stored);
    crc.update(&stored);
    elements.for_each(|element| crc.update(element));
    StringsHeader {
        crc: crc.masked(),
        size: total + bytes.len() as u64,
        bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_example_has_tensorflows_bytes() {
        let header = strings_header([&b"hi"[..], b""].into_iter());
        assert_eq!(header.bytes, [0x02, 0x00, 0x78, 0x27, 0x0b, 0x34]);
        assert_eq!(header.size, 8);
        assert_eq!(header.crc.to_le_bytes(), [0x9e, 0x9e, 0x48, 0xed]);
    }

    #[test]
    fn strings_come_back() {
        let elements = [&b"a"[..], b"", &[7; 300]];
        let header = strings_header(elements.into_iter());
        let data = [&header.bytes[..], &elements.concat()].concat();
        assert_eq!(data.len() as u64, header.size);
        assert_eq!(decode_strings(&data, 3, Some(header.crc), false).unwrap(), elements);
        assert!(decode_strings(&data, 2, None, false).is_err());
        assert!(decode_strings(&data, u64::MAX, None, false).is_err());
        for cut in 0..data.len() {
            assert!(decode_strings(&data[..cut], 3, Some(header.crc), false).is_err());
        }
    }

    #[test]
    fn no_strings_have_a_checksum_of_their_own() {
        let header = strings_header(std::iter::empty());
        assert_eq!(header.bytes, [0xd8, 0xea, 0x82, 0xa2]);
        assert_eq!(decode_strings(&header.bytes, 0, Some(header.crc), false), Ok(vec![]));
        assert_eq!(decode_strings(b"", 0, None, false), Ok(vec![]));
    }
}
