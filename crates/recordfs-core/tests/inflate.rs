//! Compression in, compression out: what a user of zlib and gzip record files relies on.

use proptest::prelude::*;
use recordfs_core::deflate::{Deflater, LEVELS};
use recordfs_core::format::{Format, InflateError, InflateErrorKind, MAX_GZIP_HEADER};
use recordfs_core::inflate::{EndOfInput, Inflater};

const FORMATS: [Format; 2] = [Format::Zlib, Format::Gzip];

fn compress(format: Format, level: i32, data: &[u8]) -> Vec<u8> {
    let mut deflater = Deflater::new(format, level).unwrap();
    let mut output = Vec::new();
    deflater.deflate(data, &mut output);
    deflater.finish(&mut output);
    output
}

/// Feeds `input` in pieces; gives what came out, the error if any, and the inflater.
fn drive(format: Format, input: &[u8], piece: usize, room: usize) -> (Vec<u8>, Option<InflateError>, Inflater) {
    let mut inflater = Inflater::new(format);
    let mut output = Vec::new();
    let mut buffer = vec![0; room];
    for mut chunk in input.chunks(piece) {
        loop {
            match inflater.inflate(chunk, &mut buffer) {
                Err(error) => return (output, Some(error), inflater),
                Ok(progress) => {
                    output.extend_from_slice(&buffer[..progress.produced]);
                    chunk = &chunk[progress.consumed..];
                    if progress.produced < room {
                        assert!(
                            chunk.is_empty() || progress.produced > 0 || inflater.inflate(chunk, &mut buffer).is_err()
                        );
                        if chunk.is_empty() {
                            break;
                        }
                    }
                }
            }
        }
    }
    // An error found behind delivered data comes out of the next call.
    match inflater.inflate(&[], &mut buffer) {
        Err(error) => (output, Some(error), inflater),
        Ok(progress) => {
            output.extend_from_slice(&buffer[..progress.produced]);
            (output, None, inflater)
        }
    }
}

fn sample() -> Vec<u8> {
    (0..4000_u32)
        .flat_map(|i| format!("line {} of a text, {};", i, i * i % 977).into_bytes())
        .collect()
}

#[test]
fn every_level_and_format_comes_back() {
    let data = sample();
    for format in FORMATS {
        for level in LEVELS {
            let packed = compress(format, level, &data);
            let (output, error, inflater) = drive(format, &packed, 1000, 777);
            assert_eq!(
                (output.as_slice(), error),
                (data.as_slice(), None),
                "{format:?} level {level}"
            );
            assert_eq!(inflater.end_of_input(), EndOfInput::Complete);
            assert_eq!(
                (inflater.total_in(), inflater.total_out()),
                (packed.len() as u64, data.len() as u64)
            );
        }
    }
}

#[test]
fn nothing_at_all_is_complete() {
    for format in FORMATS {
        assert_eq!(Inflater::new(format).end_of_input(), EndOfInput::Complete);
        let (output, error, inflater) = drive(format, &compress(format, 6, b""), 1, 1);
        assert_eq!(
            (output.len(), error, inflater.end_of_input()),
            (0, None, EndOfInput::Complete)
        );
    }
}

#[test]
fn a_sync_flush_makes_everything_readable_and_no_trailer_is_unfinished() {
    for format in FORMATS {
        let mut deflater = Deflater::new(format, 6).unwrap();
        let mut packed = Vec::new();
        deflater.deflate(b"first, ", &mut packed);
        deflater.sync_flush(&mut packed);
        let flushed = packed.len();
        deflater.deflate(b"second", &mut packed);
        deflater.finish(&mut packed);
        let (output, error, inflater) = drive(format, &packed[..flushed], 3, 100);
        assert_eq!((output.as_slice(), error), (&b"first, "[..], None));
        assert_eq!(inflater.end_of_input(), EndOfInput::Unfinished);
    }
}

#[test]
fn a_cut_anywhere_is_told_for_what_it_is() {
    let data = &sample()[..2000];
    for (format, trailer) in [(Format::Zlib, 4), (Format::Gzip, 8)] {
        let packed = compress(format, 6, data);
        for cut in 0..packed.len() {
            let (output, error, inflater) = drive(format, &packed[..cut], 64, 4096);
            assert_eq!(error, None);
            assert!(data.starts_with(&output));
            let body_end = packed.len() - trailer;
            let expected = match cut {
                0 => EndOfInput::Complete,
                _ if cut <= body_end => EndOfInput::Unfinished,
                _ => EndOfInput::PartialTrailer {
                    found: cut - body_end,
                    expected: trailer,
                },
            };
            assert_eq!(
                inflater.end_of_input(),
                expected,
                "{format:?} cut at {cut} of {}",
                packed.len()
            );
            if cut >= body_end {
                assert_eq!(output, data);
            }
        }
    }
}

#[test]
fn input_goes_on_after_a_cut() {
    let data = sample();
    let packed = compress(Format::Gzip, 1, &data);
    let mut inflater = Inflater::new(Format::Gzip);
    let mut buffer = vec![0; data.len() + 1];
    let mut have = 0;
    for (index, byte) in packed.iter().enumerate() {
        have += inflater
            .inflate(std::slice::from_ref(byte), &mut buffer[have..])
            .unwrap()
            .produced;
        let complete = inflater.end_of_input() == EndOfInput::Complete;
        assert_eq!(complete, index + 1 == packed.len());
    }
    assert_eq!(&buffer[..have], data);
}

#[test]
fn a_wrong_trailer_is_an_error_behind_the_data() {
    let data = sample();
    for (format, trailer) in [(Format::Zlib, 4), (Format::Gzip, 8)] {
        for back in 1..=trailer {
            let mut packed = compress(format, 6, &data);
            let at = packed.len() - back;
            packed[at] ^= 1;
            let (output, error, _) = drive(format, &packed, 512, 512);
            assert_eq!(output, data);
            let error = error.expect("the trailer is wrong");
            assert_eq!(error.offset, packed.len() as u64);
            match error.kind {
                InflateErrorKind::BadChecksum { expected, found } => assert_ne!(expected, found),
                InflateErrorKind::BadLength { found, .. } => assert!(back <= 4 && found as usize == data.len()),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn gzip_members_are_read_through_and_zlib_streams_are_not() {
    let mut members = compress(Format::Gzip, 6, b"one ");
    members.extend(compress(Format::Gzip, 0, b""));
    members.extend(compress(Format::Gzip, 9, b"three"));
    let (output, error, inflater) = drive(Format::Gzip, &members, 5, 2);
    assert_eq!((output.as_slice(), error), (&b"one three"[..], None));
    assert_eq!(inflater.end_of_input(), EndOfInput::Complete);

    let mut streams = compress(Format::Zlib, 6, b"one");
    let first = streams.len() as u64;
    streams.extend(compress(Format::Zlib, 6, b"two"));
    let (output, error, _) = drive(Format::Zlib, &streams, 5, 100);
    assert_eq!(output, b"one");
    assert_eq!(
        error,
        Some(InflateError {
            kind: InflateErrorKind::TrailingBytes,
            offset: first
        })
    );
}

#[test]
fn garbage_behind_a_gzip_member_is_trailing_bytes() {
    for garbage in [&b"\0"[..], b"x", b"\x1f\x8c", b"\x1f\x8b\x07"] {
        let mut packed = compress(Format::Gzip, 6, b"data");
        packed.extend_from_slice(garbage);
        let (output, error, _) = drive(Format::Gzip, &packed, 1, 10);
        assert_eq!(output, b"data");
        assert_eq!(error.unwrap().kind, InflateErrorKind::TrailingBytes);
    }
}

#[test]
fn the_wrong_format_is_a_bad_header() {
    for (written, read) in [(Format::Zlib, Format::Gzip), (Format::Gzip, Format::Zlib)] {
        let (output, error, _) = drive(read, &compress(written, 6, b"data"), 100, 100);
        assert!(output.is_empty());
        assert!(matches!(error.unwrap().kind, InflateErrorKind::BadHeader(_)));
    }
}

/// A gzip member with every optional header field, as RFC 1952 lays them out.
fn member_with_all_fields(name: &[u8], comment: &[u8], extra: &[u8]) -> Vec<u8> {
    const FTEXT_FHCRC_FEXTRA_FNAME_FCOMMENT: u8 = 0b1_1111;
    let mut packed = vec![0x1f, 0x8b, 8, FTEXT_FHCRC_FEXTRA_FNAME_FCOMMENT, 1, 2, 3, 4, 0, 255];
    packed.extend((extra.len() as u16).to_le_bytes());
    packed.extend(extra);
    packed.extend(name);
    packed.push(0);
    packed.extend(comment);
    packed.push(0);
    let crc = zlib_rs::crc32::crc32(0, &packed);
    packed.extend((crc as u16).to_le_bytes());
    // Behind the ten bytes of a plain header.
    packed.extend(&compress(Format::Gzip, 6, b"payload")[10..]);
    packed
}

#[test]
fn all_optional_gzip_header_fields_are_read() {
    for extra in [&b""[..], b"x", &[7; 65535]] {
        let packed = member_with_all_fields(b"a name", b"a comment", extra);
        for piece in [1, 7, 100_000] {
            let (output, error, inflater) = drive(Format::Gzip, &packed, piece, 100);
            assert_eq!((output.as_slice(), error), (&b"payload"[..], None));
            assert_eq!(inflater.end_of_input(), EndOfInput::Complete);
        }
    }
    let mut damaged = member_with_all_fields(b"a name", b"a comment", b"extra");
    damaged[20] ^= 1;
    let (_, error, _) = drive(Format::Gzip, &damaged, 9, 100);
    assert!(matches!(error.unwrap().kind, InflateErrorKind::BadHeader(_)));
}

#[test]
fn an_endless_gzip_name_is_refused() {
    let mut packed = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255];
    packed.resize(MAX_GZIP_HEADER as usize + 100, b'n');
    let (_, error, inflater) = drive(Format::Gzip, &packed, 4096, 100);
    assert!(matches!(error.unwrap().kind, InflateErrorKind::BadHeader(_)));
    assert!(inflater.total_in() <= MAX_GZIP_HEADER);
}

#[test]
fn reserved_gzip_flags_and_preset_dictionaries_are_refused() {
    let mut packed = compress(Format::Gzip, 6, b"data");
    packed[3] = 0x20;
    assert!(matches!(
        drive(Format::Gzip, &packed, 9, 9).1.unwrap().kind,
        InflateErrorKind::BadHeader(_)
    ));
    // 78 bb: a sound zlib header that names a dictionary.
    assert!(matches!(
        drive(Format::Zlib, b"\x78\xbb\0\0\0\0", 9, 9).1.unwrap().kind,
        InflateErrorKind::BadHeader(_)
    ));
}

#[test]
fn every_flipped_byte_gives_an_error_or_the_same_data() {
    let data = &sample()[..1500];
    for format in FORMATS {
        let packed = compress(format, 6, data);
        for at in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[at] ^= 0xff;
            let (output, error, inflater) = drive(format, &damaged, 333, 333);
            // The time, level and system fields of a gzip header may say anything.
            if error.is_none() && inflater.end_of_input() == EndOfInput::Complete {
                assert_eq!(output, data);
                assert!(format == Format::Gzip && (4..10).contains(&at));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_data_in_any_pieces_come_back(
        data in proptest::collection::vec(proptest::sample::select(b"abcdefgh\0\xff".to_vec()), 0..5000),
        piece in 1_usize..700,
        room in 1_usize..700,
        level in LEVELS,
        gzip: bool,
        flushes in proptest::collection::vec(any::<bool>(), 1..10),
    ) {
        let format = if gzip { Format::Gzip } else { Format::Zlib };
        let mut deflater = Deflater::new(format, level).unwrap();
        let mut packed = Vec::new();
        for (part, flush) in data.chunks(data.len() / flushes.len() + 1).zip(flushes) {
            deflater.deflate(part, &mut packed);
            if flush {
                deflater.sync_flush(&mut packed);
            }
        }
        deflater.finish(&mut packed);
        let (output, error, inflater) = drive(format, &packed, piece, room);
        prop_assert_eq!(output, data);
        prop_assert_eq!(error, None);
        prop_assert_eq!(inflater.end_of_input(), EndOfInput::Complete);
    }
}
