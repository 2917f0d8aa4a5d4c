//! The framing of records.
//!
//! A record is a header of 12 bytes (the payload's length as a little-endian `u64`, the masked CRC-32C of those
//! eight bytes), the payload, and a footer of 4 bytes (the masked CRC-32C of the payload).
//! Source: `tensorflow/core/lib/io/record_writer.h`.

use std::ops::Range;

use crate::crc::{Crc32c, masked_crc32c};
use crate::error::{RecordError, RecordFault};

/// Bytes before a payload.
pub const HEADER_SIZE: usize = 12;
/// Bytes after a payload.
pub const FOOTER_SIZE: usize = 4;
/// Bytes that a record has beyond its payload.
pub const OVERHEAD: usize = HEADER_SIZE + FOOTER_SIZE;

const LENGTH_SIZE: usize = 8;

/// The header of a record whose payload has `length` bytes.
#[inline]
#[must_use]
pub fn encode_header(length: u64) -> [u8; HEADER_SIZE] {
    let mut header = [0; HEADER_SIZE];
    let (length_field, checksum_field) = header.split_at_mut(LENGTH_SIZE);
    length_field.copy_from_slice(&length.to_le_bytes());
    checksum_field.copy_from_slice(&masked_crc32c(length_field).to_le_bytes());
    header
}

/// The footer of a record with this payload.
#[inline]
#[must_use]
pub fn encode_footer(payload: &[u8]) -> [u8; FOOTER_SIZE] {
    masked_crc32c(payload).to_le_bytes()
}

/// Appends one whole record to `out`.
#[inline]
pub fn encode_record(out: &mut Vec<u8>, payload: &[u8]) {
    out.reserve(payload.len() + OVERHEAD);
    out.extend_from_slice(&encode_header(payload.len() as u64));
    out.extend_from_slice(payload);
    out.extend_from_slice(&encode_footer(payload));
}

/// Appends many whole records to `out`.
pub fn encode_records<'a>(out: &mut Vec<u8>, payloads: impl IntoIterator<Item = &'a [u8]>) {
    for payload in payloads {
        encode_record(out, payload);
    }
}

/// The payload length that a header holds.
///
/// # Errors
/// `LengthChecksum` if the header is unsound.
#[inline]
pub fn decode_header(header: &[u8; HEADER_SIZE]) -> Result<u64, RecordFault> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *header;
    let stored = u32::from_le_bytes([i, j, k, l]);
    let computed = masked_crc32c(&header[..LENGTH_SIZE]);
    if stored == computed {
        Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    } else {
        Err(RecordFault::LengthChecksum { stored, computed })
    }
}

/// How to judge what is read.
#[derive(Clone, Copy, Debug)]
pub struct DecodeOptions {
    /// Payloads longer than this are `TooLong`.
    pub max_length: u64,
    /// Whether payload checksums are compared. Length checksums always are: nothing can be found without the length.
    pub verify_payload: bool,
}

impl DecodeOptions {
    /// The payload length in a header, if it is sound and within the limit.
    ///
    /// # Errors
    /// `LengthChecksum` or `TooLong`.
    #[inline]
    pub fn decode_header(&self, header: &[u8; HEADER_SIZE]) -> Result<u64, RecordFault> {
        let length = decode_header(header)?;
        // Beyond 2^63 the size of the record could overflow, whatever the caller's limit.
        if length > self.max_length || length > i64::MAX as u64 - OVERHEAD as u64 {
            return Err(RecordFault::TooLong {
                length,
                limit: self.max_length,
            });
        }
        Ok(length)
    }

    /// The first sound header in `bytes` whose payload is within the limit: where it begins, and the payload's length.
    #[must_use]
    pub fn find_header(&self, bytes: &[u8]) -> Option<(usize, u64)> {
        bytes.windows(HEADER_SIZE).enumerate().find_map(|(index, window)| {
            let header = window.first_chunk::<HEADER_SIZE>()?;
            // Nearly all bytes that are no header have an absurd length, which costs less to see than a checksum. So do
            // the zeros that a power cut leaves: the checksum of length zero is not zero.
            let claimed = u64::from_le_bytes(*header.first_chunk()?);
            if claimed > self.max_length || *header == [0; HEADER_SIZE] {
                return None;
            }
            self.decode_header(header).ok().map(|length| (index, length))
        })
    }

    /// Compares a payload with the footer stored after it.
    ///
    /// # Errors
    /// `PayloadChecksum`, if payload checksums are verified at all.
    #[inline]
    pub fn check_payload(&self, payload: &[u8], footer: [u8; FOOTER_SIZE]) -> Result<(), RecordFault> {
        if !self.verify_payload {
            return Ok(());
        }
        compare_footer(masked_crc32c(payload), footer)
    }

    /// Like `check_payload`, for a payload whose checksum was taken in pieces.
    ///
    /// # Errors
    /// `PayloadChecksum`, if payload checksums are verified at all.
    pub fn check_pieces(&self, pieces: &Crc32c, footer: [u8; FOOTER_SIZE]) -> Result<(), RecordFault> {
        if !self.verify_payload {
            return Ok(());
        }
        compare_footer(pieces.masked(), footer)
    }
}

#[inline]
fn compare_footer(computed: u32, footer: [u8; FOOTER_SIZE]) -> Result<(), RecordFault> {
    let stored = u32::from_le_bytes(footer);
    if stored == computed {
        Ok(())
    } else {
        Err(RecordFault::PayloadChecksum { stored, computed })
    }
}

/// What stands at the beginning of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole record.
    Record {
        /// Where its payload lies in the buffer.
        payload: Range<usize>,
        /// How many bytes of the buffer it takes, header and footer included.
        size: usize,
    },
    /// The beginning of a record, or nothing.
    Incomplete {
        /// How many bytes, counted from the beginning of the buffer, are needed to go on: the header's 12, or, once
        /// those are there and sound, the whole record's.
        needed: u64,
    },
}

/// Looks at the record at the beginning of `buffer`.
///
/// # Errors
/// What is wrong with it. Never a truncation: whether more bytes come, only the caller knows.
#[inline]
pub fn decode_record(buffer: &[u8], options: &DecodeOptions) -> Result<Decoded, RecordFault> {
    let Some((header, rest)) = buffer.split_first_chunk::<HEADER_SIZE>() else {
        return Ok(Decoded::Incomplete {
            needed: HEADER_SIZE as u64,
        });
    };
    let length = options.decode_header(header)?;
    let body = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length));
    let Some((payload, Some(footer))) = body.map(|(payload, rest)| (payload, rest.first_chunk::<FOOTER_SIZE>())) else {
        return Ok(Decoded::Incomplete {
            needed: length + OVERHEAD as u64,
        });
    };
    options.check_payload(payload, *footer)?;
    Ok(Decoded::Record {
        payload: HEADER_SIZE..HEADER_SIZE + payload.len(),
        size: payload.len() + OVERHEAD,
    })
}

/// Walks over the records of a stream whose bytes arrive in chunks, or of one whole buffer.
///
/// It holds no bytes, only where it stands: the caller gives it, at each step, what is there from `offset()` on.
#[derive(Clone, Debug)]
pub struct RecordDecoder {
    options: DecodeOptions,
    offset: u64,
}

impl RecordDecoder {
    /// A decoder of a stream whose next record begins at `offset`.
    #[must_use]
    pub const fn new(options: DecodeOptions, offset: u64) -> Self {
        Self { options, offset }
    }

    /// Where the next record begins.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How records are judged.
    #[inline]
    #[must_use]
    pub const fn options(&self) -> &DecodeOptions {
        &self.options
    }

    /// Goes past `size` bytes that the caller dealt with in another way.
    #[inline]
    pub fn advance(&mut self, size: u64) {
        self.offset = self.offset.saturating_add(size);
    }

    /// Decodes the record at `offset()` and, if it is whole, goes past it.
    ///
    /// # Errors
    /// What is wrong with it and where. The decoder stays in front of a broken record.
    #[inline]
    pub fn step(&mut self, buffer: &[u8]) -> Result<Decoded, RecordError> {
        let decoded = decode_record(buffer, &self.options).map_err(|fault| self.error(fault))?;
        if let Decoded::Record { size, .. } = decoded {
            self.advance(size as u64);
        }
        Ok(decoded)
    }

    /// Says whether the stream may end here, `rest` being all that is left from `offset()` on.
    ///
    /// # Errors
    /// A truncation, unless `rest` is empty; or what is wrong with the header in it.
    pub fn finish(&self, rest: &[u8]) -> Result<(), RecordError> {
        if rest.is_empty() {
            return Ok(());
        }
        let present = rest.len() as u64;
        match decode_record(rest, &self.options).map_err(|fault| self.error(fault))? {
            Decoded::Record { .. } => Ok(()),
            Decoded::Incomplete { .. } if rest.len() < HEADER_SIZE => {
                Err(self.error(RecordFault::TruncatedHeader { present }))
            }
            Decoded::Incomplete { needed } => Err(self.error(RecordFault::TruncatedBody { present, size: needed })),
        }
    }

    /// A fault of the record at `offset()`.
    #[must_use]
    pub const fn error(&self, fault: RecordFault) -> RecordError {
        RecordError {
            offset: self.offset,
            fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: DecodeOptions = DecodeOptions {
        max_length: 1 << 31,
        verify_payload: true,
    };

    fn stream_of(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        encode_records(&mut stream, payloads.iter().map(Vec::as_slice));
        stream
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12)
    }

    /// Feeds a stream in chunks of the given sizes, as a reader would, and returns what comes out.
    fn decode_in_chunks(stream: &[u8], chunk_size: usize) -> Result<Vec<Vec<u8>>, RecordError> {
        let mut decoder = RecordDecoder::new(OPTIONS, 0);
        let mut held: Vec<u8> = Vec::new();
        let mut found = Vec::new();
        for chunk in stream.chunks(chunk_size) {
            held.extend_from_slice(chunk);
            while let Decoded::Record { payload, size } = decoder.step(&held)? {
                found.push(held[payload].to_vec());
                held.drain(..size);
            }
        }
        decoder.finish(&held)?;
        Ok(found)
    }

    #[test]
    fn an_empty_record_is_sixteen_known_bytes() {
        // What TensorFlow 2.21 writes for b"".
        let expected = [0, 0, 0, 0, 0, 0, 0, 0, 0x29, 0x03, 0x98, 0x07, 0xd8, 0xea, 0x82, 0xa2];
        assert_eq!(stream_of(&[Vec::new()]), expected);
    }

    #[test]
    fn lengths_beyond_the_limit_are_faults_however_large() {
        for length in [(1u64 << 31) + 1, 1 << 40, 1 << 63, u64::MAX - 5, u64::MAX] {
            let fault = decode_record(&encode_header(length), &OPTIONS).unwrap_err();
            assert_eq!(fault, RecordFault::TooLong { length, limit: 1 << 31 });
            let unlimited = DecodeOptions {
                max_length: u64::MAX,
                verify_payload: true,
            };
            match decode_record(&encode_header(length), &unlimited) {
                Ok(decoded) => assert_eq!(decoded, Decoded::Incomplete { needed: length + 16 }),
                Err(fault) => assert_eq!(
                    fault,
                    RecordFault::TooLong {
                        length,
                        limit: u64::MAX
                    }
                ),
            }
        }
    }

    #[test]
    fn every_cut_is_a_truncation_at_the_record_it_cuts() {
        let stream = stream_of(&[b"first".to_vec(), Vec::new(), vec![7; 40]]);
        let begins = [0, 21, 37, 93];
        for cut in 0..=stream.len() {
            let result = decode_in_chunks(&stream[..cut], 5);
            if begins.contains(&cut) {
                assert!(result.is_ok(), "cut at {cut}");
                continue;
            }
            let error = result.unwrap_err();
            assert!(error.fault.is_truncation(), "cut at {cut}: {error}");
            assert_eq!(
                error.offset as usize,
                *begins.iter().rev().find(|begin| **begin < cut).unwrap()
            );
        }
    }

    #[test]
    fn a_sound_header_is_found_wherever_it_is_and_only_within_the_limit() {
        let mut bytes = vec![0xa5; 37];
        bytes.extend_from_slice(&encode_header(OPTIONS.max_length + 1));
        bytes.extend_from_slice(&[1, 2, 3]);
        bytes.extend_from_slice(&encode_header(77));
        assert_eq!(OPTIONS.find_header(&bytes), Some((52, 77)));
        assert_eq!(OPTIONS.find_header(&bytes[..bytes.len() - 1]), None);
        assert_eq!(OPTIONS.find_header(&bytes[53..]), None);
    }

    proptest! {
        #[test]
        fn what_was_framed_comes_back_however_it_is_cut(payloads in payloads(), chunk_size in 1usize..700) {
            prop_assert_eq!(decode_in_chunks(&stream_of(&payloads), chunk_size).unwrap(), payloads);
        }

        #[test]
        fn any_changed_bit_is_noticed(payloads in payloads(), at in any::<prop::sample::Index>(), bit in 0u32..8) {
            let mut stream = stream_of(&payloads);
            prop_assume!(!stream.is_empty());
            let position = at.index(stream.len());
            stream[position] ^= 1 << bit;
            let error = decode_in_chunks(&stream, 64).unwrap_err();
            prop_assert!(error.offset as usize <= position);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), sound_length in any::<Option<u64>>()) {
            let mut bytes = bytes;
            if let Some(length) = sound_length {
                bytes.splice(0..0, encode_header(length));
            }
            for max_length in [0, 100, u64::MAX] {
                let options = DecodeOptions { max_length, verify_payload: false };
                let mut decoder = RecordDecoder::new(options, u64::MAX - 10);
                let _ = decoder.clone().finish(&bytes);
                let _ = decoder.step(&bytes);
            }
        }
    }
}
