//! What must hold for any bytes at all. Run by cargo-fuzz (`fuzz_targets/`) and, with proptest, by the ordinary tests.

use recordfs_core::detect::{Detected, PREFIX_SIZE, detect};
use recordfs_core::error::RecordError;
use recordfs_core::format::{Format, InflateError};
use recordfs_core::inflate::{EndOfInput, Inflater};
use recordfs_core::record::{DecodeOptions, Decoded, OVERHEAD, RecordDecoder, decode_record};
use recordfs_core::scan::{Found, ScanOptions, Scanner};

/// Takes the settings of a run from the first bytes of its data; the rest is the stream.
struct Settings {
    decode: DecodeOptions,
    piece: usize,
    flag: bool,
}

fn settings(data: &[u8]) -> Option<(Settings, &[u8])> {
    let (first, rest) = data.split_first_chunk::<3>()?;
    let [limit, piece, flags] = *first;
    let max_length = match limit {
        255 => u64::MAX,
        254 => 1 << 31,
        _ => u64::from(limit) * 8,
    };
    let decode = DecodeOptions {
        max_length,
        verify_payload: flags & 1 == 0,
    };
    let settings = Settings {
        decode,
        piece: usize::from(piece) + 1,
        flag: flags & 2 == 0,
    };
    Some((settings, rest))
}

/// The decoder gives the same records and the same error whatever is in the buffer beyond the record.
pub fn decode(data: &[u8]) {
    let Some((settings, stream)) = settings(data) else {
        return;
    };
    let mut decoder = RecordDecoder::new(settings.decode, 0);
    loop {
        let offset = decoder.offset() as usize;
        let all = &stream[offset..];
        match decoder.step(all) {
            Ok(Decoded::Record { payload, size }) => {
                assert_eq!(payload.len() + OVERHEAD, size);
                let exact = decode_record(&all[..size], &settings.decode);
                assert_eq!(exact, Ok(Decoded::Record { payload, size }));
                let short = decode_record(&all[..size - 1], &settings.decode);
                assert!(matches!(short, Ok(Decoded::Incomplete { .. })));
            }
            Ok(Decoded::Incomplete { needed }) => {
                assert!(needed > all.len() as u64);
                assert_eq!(decoder.finish(all).is_ok(), all.is_empty());
                return;
            }
            Err(error) => {
                assert_eq!(error.offset as usize, offset);
                assert!(!error.fault.is_truncation());
                return;
            }
        }
    }
}

fn scan_in_pieces(stream: &[u8], options: ScanOptions, piece: usize) -> (Vec<Found>, Option<RecordError>) {
    let mut scanner = Scanner::new(options, 0);
    let mut found = Vec::new();
    let mut report = |event| found.push(event);
    let mut failed = None;
    while (scanner.position() as usize) < stream.len() && failed.is_none() {
        let rest = &stream[scanner.position() as usize..];
        // Half of what may be skipped is, so that skipping and feeding meet.
        let skip = (scanner.skippable() / 2).min(rest.len() as u64);
        scanner.skip(skip);
        let rest = &rest[skip as usize..];
        failed = scanner.feed(&rest[..rest.len().min(piece)], &mut report).err();
    }
    let failed = failed.or_else(|| scanner.finish(&mut report).err());
    (found, failed)
}

/// A scan finds the same in any pieces, and what it reports covers the stream without gap or overlap.
pub fn scan(data: &[u8]) {
    let Some((settings, stream)) = settings(data) else {
        return;
    };
    for (resync, look_back) in [(false, false), (true, false), (true, true)] {
        let options = ScanOptions {
            decode: settings.decode,
            end: settings.flag.then_some(stream.len() as u64),
            resync,
            look_back,
        };
        let (found, failed) = scan_in_pieces(stream, options, stream.len() + 1);
        let pieces = scan_in_pieces(stream, options, settings.piece);
        assert_eq!((&found, failed), (&pieces.0, pieces.1));
        let mut position = 0;
        for event in &found {
            let (offset, end) = match *event {
                Found::Record { offset, length } => (offset, offset + length + OVERHEAD as u64),
                Found::Lost { offset, end, .. } => (offset, end),
            };
            assert_eq!(offset, position);
            assert!(end > offset);
            position = end;
        }
        match failed {
            None => assert_eq!(position, stream.len() as u64),
            Some(error) => assert!(!resync && error.offset == position),
        }
    }
}

fn inflate_in_pieces(
    format: Format,
    stream: &[u8],
    piece: usize,
    room: usize,
) -> (Vec<u8>, Option<InflateError>, EndOfInput) {
    let mut inflater = Inflater::new(format);
    let mut output = Vec::new();
    let mut buffer = vec![0; room];
    for mut chunk in stream.chunks(piece).chain([&[][..]]) {
        loop {
            match inflater.inflate(chunk, &mut buffer) {
                Ok(progress) => {
                    output.extend_from_slice(&buffer[..progress.produced]);
                    chunk = &chunk[progress.consumed..];
                    if progress.produced < room && chunk.is_empty() {
                        break;
                    }
                    assert!(progress.consumed + progress.produced > 0, "no progress");
                }
                Err(error) => return (output, Some(error), inflater.end_of_input()),
            }
        }
    }
    (output, None, inflater.end_of_input())
}

/// An inflater gives the same in any pieces and into any room; no byte of input gives more than deflate can.
pub fn inflate(data: &[u8]) {
    let Some((settings, stream)) = settings(data) else {
        return;
    };
    let format = if settings.flag { Format::Gzip } else { Format::Zlib };
    let (output, error, end) = inflate_in_pieces(format, stream, stream.len() + 1, 4096);
    let (again, error_again, end_again) = inflate_in_pieces(format, stream, settings.piece, settings.piece);
    assert_eq!(output, again);
    assert_eq!(error.map(|error| error.kind), error_again.map(|error| error.kind));
    assert_eq!(end, end_again);
    // A match of 258 bytes takes two bits at least.
    assert!(output.len() <= stream.len() * 1032 + 1032);
    let detected = detect(stream, false);
    assert!(detected != Detected::NeedMore || stream.len() < PREFIX_SIZE);
    assert_ne!(detect(stream, true), Detected::NeedMore);
}
