//! Telling from its first bytes how a record file is compressed.
//!
//! A plain file is tried first: the checksum over its first record's length is right by chance once in 2^32 files,
//! while a plain record of 40,056 bytes begins like a zlib stream and one of 559,903 like a gzip member.

use crate::format::Format;
use crate::inflate::{EndOfInput, Inflater};
use crate::record::{HEADER_SIZE, decode_header};
use crate::stream_header::check_zlib_header;

/// As many bytes as are ever needed to tell.
pub const PREFIX_SIZE: usize = 4096;

/// What a file's first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// Plain records, or nothing that is known: reading it as plain records then tells what is wrong.
    Plain,
    /// Compressed as a whole.
    Compressed(Format),
    /// More bytes are needed.
    NeedMore,
}

/// Looks at the first bytes of a file.
///
/// `at_end` says that the file has no further bytes now. [`Detected::NeedMore`] is the answer only without it, and
/// never to [`PREFIX_SIZE`] bytes or more.
#[must_use]
pub fn detect(prefix: &[u8], at_end: bool) -> Detected {
    let decided = at_end || prefix.len() >= PREFIX_SIZE;
    match prefix.first_chunk::<HEADER_SIZE>() {
        Some(header) if decode_header(header).is_ok() => return Detected::Plain,
        None if !decided => return Detected::NeedMore,
        _ => {}
    }
    if prefix.starts_with(&[0x1f, 0x8b, 8]) {
        return Detected::Compressed(Format::Gzip);
    }
    match prefix {
        [method, flags, ..] if check_zlib_header(*method, *flags).is_ok() => detect_zlib(prefix, decided),
        _ => Detected::Plain,
    }
}

/// Confirms a zlib header, which any two bytes are once in about 500, by what the stream holds.
fn detect_zlib(prefix: &[u8], decided: bool) -> Detected {
    let mut inflater = Inflater::new(Format::Zlib);
    let mut header = [0; HEADER_SIZE];
    match inflater.inflate(prefix, &mut header) {
        Ok(progress) if progress.produced == HEADER_SIZE => match decode_header(&header) {
            Ok(_) => Detected::Compressed(Format::Zlib),
            Err(_) => Detected::Plain,
        },
        // A complete stream of no bytes is what TensorFlow writes for a file without records.
        Ok(progress) if progress.produced == 0 && inflater.end_of_input() == EndOfInput::Complete => {
            Detected::Compressed(Format::Zlib)
        }
        Ok(_) if !decided => Detected::NeedMore,
        // The stream is cut off inside its first record's header; it is a stream all the same if it is sound so far.
        Ok(_) if prefix.len() > 2 => Detected::Compressed(Format::Zlib),
        Ok(_) | Err(_) => Detected::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::Deflater;
    use crate::record::{encode_header, encode_record};

    fn compressed(format: Format, data: &[u8]) -> Vec<u8> {
        let mut deflater = Deflater::new(format, 6).unwrap();
        let mut output = Vec::new();
        deflater.deflate(data, &mut output);
        deflater.finish(&mut output);
        output
    }

    fn record() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_record(&mut bytes, b"some data to be stored in a record");
        bytes
    }

    #[test]
    fn each_kind_is_told_as_soon_as_it_can_be() {
        for format in [Format::Zlib, Format::Gzip] {
            for data in [record(), Vec::new()] {
                let bytes = compressed(format, &data);
                assert_eq!(detect(&bytes, true), Detected::Compressed(format));
                for length in 0..bytes.len() {
                    let detected = detect(&bytes[..length], false);
                    assert!(
                        [Detected::NeedMore, Detected::Compressed(format)].contains(&detected),
                        "{format:?} after {length} bytes: {detected:?}"
                    );
                }
                for length in 3..bytes.len() {
                    assert_eq!(detect(&bytes[..length], true), Detected::Compressed(format));
                }
            }
        }
        let bytes = record();
        for length in 0..bytes.len() {
            assert_eq!(detect(&bytes[..length], true), Detected::Plain);
            let expected = if length < 12 {
                Detected::NeedMore
            } else {
                Detected::Plain
            };
            assert_eq!(detect(&bytes[..length], false), expected);
        }
    }

    #[test]
    fn plain_records_that_begin_like_compressed_files_are_plain() {
        for length in [0x9c78, 0x0008_8b1f, 0x0178, 0xda78] {
            assert_eq!(detect(&encode_header(length), false), Detected::Plain);
        }
    }

    #[test]
    fn what_is_nothing_known_is_plain() {
        for bytes in [
            &b"hello, this is a text"[..],
            &[0; 100],
            b"\x78\x9c, a zlib header and then no stream",
        ] {
            assert_eq!(detect(bytes, false), Detected::Plain);
        }
        let not_records = compressed(Format::Zlib, b"a zlib stream that holds no records");
        assert_eq!(detect(&not_records, true), Detected::Plain);
    }
}
