//! What a scan finds and what it reports as lost.

use recordfs_core::error::RecordFault;
use recordfs_core::record::{DecodeOptions, encode_header, encode_record};
use recordfs_core::scan::{Found, ScanOptions, Scanner};

const DECODE: DecodeOptions = DecodeOptions {
    max_length: 1 << 31,
    verify_payload: true,
};

fn stream_of(payloads: &[&[u8]]) -> Vec<u8> {
    let mut stream = Vec::new();
    for payload in payloads {
        encode_record(&mut stream, payload);
    }
    stream
}

/// Scans with resync, in pieces of every size up to 40; all must find the same.
fn scan(stream: &[u8], end_known: bool) -> Vec<Found> {
    scan_with(
        ScanOptions {
            decode: DECODE,
            end: end_known.then_some(stream.len() as u64),
            resync: true,
            look_back: false,
        },
        stream,
    )
}

/// The same where bytes can be fed again, so that torn records are looked into.
fn scan_looking_back(stream: &[u8]) -> Vec<Found> {
    scan_with(
        ScanOptions {
            decode: DECODE,
            end: Some(stream.len() as u64),
            resync: true,
            look_back: true,
        },
        stream,
    )
}

fn scan_with(options: ScanOptions, stream: &[u8]) -> Vec<Found> {
    let run = |piece: usize| {
        let mut found = Vec::new();
        let mut scanner = Scanner::new(options, 0);
        while (scanner.position() as usize) < stream.len() {
            let rest = &stream[scanner.position() as usize..];
            scanner
                .feed(&rest[..rest.len().min(piece)], &mut |event| found.push(event))
                .unwrap();
        }
        scanner.finish(&mut |event| found.push(event)).unwrap();
        found
    };
    let found = run(usize::MAX);
    for piece in 1..40 {
        assert_eq!(run(piece), found, "in pieces of {piece}");
    }
    found
}

type Pairs = Vec<(u64, u64)>;

/// `(offset, length)` of the records, `(offset, end)` of what is lost.
fn summary(found: &[Found]) -> (Pairs, Pairs) {
    let mut records = Vec::new();
    let mut lost = Vec::new();
    for event in found {
        match *event {
            Found::Record { offset, length } => records.push((offset, length)),
            Found::Lost { offset, end, .. } => lost.push((offset, end)),
        }
    }
    (records, lost)
}

#[test]
fn sound_records_are_found_where_they_are() {
    let stream = stream_of(&[b"first", b"", &[7; 100]]);
    assert_eq!(
        summary(&scan(&stream, true)),
        (vec![(0, 5), (21, 0), (37, 100)], vec![])
    );
    assert_eq!(scan(b"", true), []);
}

#[test]
fn a_damaged_payload_costs_its_record_only_and_nested_records_stay_inside() {
    let nested = stream_of(&[b"inner"]);
    let mut stream = stream_of(&[b"first", &nested, b"third"]);
    stream[21 + 12 + 17] ^= 1;
    let (records, lost) = summary(&scan(&stream, true));
    assert_eq!(records, [(0, 5), (58, 5)]);
    assert_eq!(lost, [(21, 58)]);
}

#[test]
fn a_damaged_length_is_searched_over_byte_by_byte() {
    for at in 0..12 {
        let mut stream = stream_of(&[b"first", b"second one", b"third"]);
        stream[21 + at] ^= 0x40;
        let found = scan(&stream, true);
        assert_eq!(summary(&found), (vec![(0, 5), (47, 5)], vec![(21, 47)]), "byte {at}");
        assert!(matches!(
            found[1],
            Found::Lost {
                fault: RecordFault::LengthChecksum { .. },
                ..
            }
        ));
    }
}

#[test]
fn garbage_in_front_between_and_behind_is_lost_and_nothing_else() {
    let record = stream_of(&[b"payload"]);
    for garbage in 1..30 {
        for filler in [0, 0x5a] {
            let filler = vec![filler; garbage];
            let stream = [&filler[..], &record, &filler, &record, &filler].concat();
            let (records, lost) = summary(&scan(&stream, true));
            let (g, size) = (garbage as u64, record.len() as u64);
            assert_eq!(records, [(g, 7), (2 * g + size, 7)]);
            assert_eq!(
                lost,
                [(0, g), (g + size, 2 * g + size), (2 * g + 2 * size, 3 * g + 2 * size)]
            );
        }
    }
}

#[test]
fn lying_lengths_lose_their_header_only_where_the_end_is_known() {
    for length in [1 << 40, 1 << 63, u64::MAX - 4, u64::MAX, 1 << 31, 1000] {
        let stream = [
            stream_of(&[b"first"]),
            encode_header(length).to_vec(),
            stream_of(&[b"last"]),
        ]
        .concat();
        assert_eq!(
            summary(&scan(&stream, true)),
            (vec![(0, 5), (33, 4)], vec![(21, 33)]),
            "{length}"
        );
        let (records, lost) = summary(&scan(&stream, false));
        if length > 1 << 31 {
            assert_eq!((records, lost), (vec![(0, 5), (33, 4)], vec![(21, 33)]), "{length}");
        } else {
            assert_eq!(
                (records, lost),
                (vec![(0, 5)], vec![(21, stream.len() as u64)]),
                "{length}"
            );
        }
    }
}

#[test]
fn every_cut_loses_the_record_it_cuts() {
    let stream = stream_of(&[b"first", b"", b"the third"]);
    let begins = [0_u64, 21, 37, 62];
    for cut in 0..stream.len() {
        for end_known in [true, false] {
            let (records, lost) = summary(&scan(&stream[..cut], end_known));
            let sound_end = *begins.iter().rfind(|begin| **begin <= cut as u64).unwrap();
            let expected: Vec<_> = if sound_end == cut as u64 {
                vec![]
            } else {
                vec![(sound_end, cut as u64)]
            };
            assert_eq!(lost, expected, "cut at {cut}");
            assert_eq!(
                records.len(),
                begins.iter().filter(|begin| **begin <= cut as u64).count() - 1
            );
        }
    }
}

#[test]
fn every_flipped_byte_loses_one_record() {
    let sound = stream_of(&[b"first", b"second", b"third"]);
    for at in 0..sound.len() {
        let mut stream = sound.clone();
        stream[at] ^= 0xff;
        let (records, lost) = summary(&scan(&stream, true));
        assert_eq!((records.len(), lost.len()), (2, 1), "byte {at}");
        assert!((lost[0].0..lost[0].1).contains(&(at as u64)));
    }
}

#[test]
fn without_resync_the_first_fault_ends_the_scan_and_stays() {
    let mut stream = stream_of(&[b"first", b"second", b"third"]);
    stream[21 + 12] ^= 1;
    let options = ScanOptions {
        decode: DECODE,
        end: None,
        resync: false,
        look_back: false,
    };
    let mut scanner = Scanner::new(options, 0);
    let mut records = 0;
    let error = scanner.feed(&stream, &mut |_| records += 1).unwrap_err();
    assert_eq!((records, error.offset), (1, 21));
    assert!(matches!(error.fault, RecordFault::PayloadChecksum { .. }));
    assert_eq!(scanner.feed(&stream, &mut |_| records += 1), Err(error));
    assert_eq!(scanner.finish(&mut |_| records += 1), Err(error));
    assert_eq!(records, 1);
}

#[test]
fn unchecked_payloads_can_be_skipped() {
    let stream = stream_of(&[b"first", &[1; 1000], b"third"]);
    let decode = DecodeOptions {
        verify_payload: false,
        ..DECODE
    };
    let options = ScanOptions {
        decode,
        end: None,
        resync: false,
        look_back: false,
    };
    let mut scanner = Scanner::new(options, 0);
    let mut found = Vec::new();
    let mut fed = 0;
    while (scanner.position() as usize) < stream.len() {
        scanner.skip(scanner.skippable());
        let begin = scanner.position() as usize;
        let chunk = &stream[begin..stream.len().min(begin + 16)];
        fed += chunk.len();
        scanner.feed(chunk, &mut |event| found.push(event)).unwrap();
    }
    scanner.finish(&mut |event| found.push(event)).unwrap();
    assert_eq!(summary(&found).0, [(0, 5), (21, 1000), (1037, 5)]);
    assert!(fed < 100);
    scanner.skip(10);
    assert_eq!(scanner.position() as usize, stream.len());
}

/// A record of which a writer that died wrote `present` bytes.
fn torn(length: usize, present: usize) -> Vec<u8> {
    stream_of(&[&vec![b'T'; length]])[..present].to_vec()
}

fn total(found: &[Found]) -> u64 {
    found
        .iter()
        .map(|event| match *event {
            Found::Record { length, .. } => length + 16,
            Found::Lost { offset, end, .. } => end - offset,
        })
        .sum()
}

#[test]
fn records_written_after_a_torn_one_are_found_inside_the_length_that_it_claims() {
    let after: Vec<Vec<u8>> = (0..40).map(|number| format!("record {number}").into_bytes()).collect();
    let after = stream_of(&after.iter().map(Vec::as_slice).collect::<Vec<_>>());
    for present in [12, 13, 50, 150] {
        for length in [200, 500, 900] {
            let stream = [stream_of(&[b"first"]), torn(length, present), after.clone()].concat();
            let found = scan_looking_back(&stream);
            let begin = 21 + present as u64;
            let (records, lost) = summary(&found);
            assert_eq!((records.len(), lost), (41, vec![(21, begin)]), "{length} {present}");
            assert!(matches!(found[1], Found::Lost { torn: true, .. }), "{length} {present}");
            assert_eq!(total(&found), stream.len() as u64);
        }
    }
}

#[test]
fn a_chain_that_ends_with_the_claimed_length_wins() {
    let after = stream_of(&[&[1; 60], &[2; 60]]);
    let stream = [torn(12 + after.len() - 16, 12), after, stream_of(&[b"last"])].concat();
    let (records, lost) = summary(&scan_looking_back(&stream));
    assert_eq!(lost, [(0, 12)]);
    assert_eq!(records.len(), 3);
}

#[test]
fn a_torn_record_among_those_written_after_a_torn_one_is_passed_over_too() {
    let stream = [
        torn(800, 30),
        torn(300, 40),
        stream_of(&[&[1; 30]]),
        torn(300, 20),
        stream_of(&[&[1; 200], &[2; 600], b"last"]),
    ]
    .concat();
    let (records, lost) = summary(&scan_looking_back(&stream));
    assert_eq!(lost, [(0, 70), (116, 136)]);
    assert_eq!(records.len(), 4);
}

#[test]
fn records_nested_in_a_damaged_payload_stay_inside_where_they_lead_nowhere() {
    let nested = stream_of(&[b"inner", &[3; 100], b"third"]);
    // Once whole, once cut off inside its last record.
    for nested in [&nested[..], &nested[..nested.len() - 3]] {
        let mut stream = stream_of(&[b"first", nested, b"last"]);
        let end = stream.len() as u64 - 20;
        stream[21 + 12 + 60] ^= 1;
        let found = scan_looking_back(&stream);
        let (records, lost) = summary(&found);
        assert_eq!((records.len(), lost), (2, vec![(21, end)]));
        assert!(matches!(found[1], Found::Lost { torn: false, .. }));
    }
}

#[test]
fn headers_that_lead_nowhere_do_not_take_for_ever() {
    // Each of them claims everything up to the end, and none of it matches.
    let mut payload = Vec::new();
    while payload.len() < 1 << 20 {
        payload.extend_from_slice(&encode_header((2 << 20) - payload.len() as u64 - 100));
    }
    payload.resize(2 << 20, 0);
    let mut stream = stream_of(&[&payload, b"last"]);
    stream[12 + (1 << 21) - 1] ^= 1;
    let options = ScanOptions {
        decode: DECODE,
        end: Some(stream.len() as u64),
        resync: true,
        look_back: true,
    };
    let mut scanner = Scanner::new(options, 0);
    let (mut found, mut fed) = (Vec::new(), 0);
    while (scanner.position() as usize) < stream.len() {
        let begin = scanner.position() as usize;
        scanner
            .feed(&stream[begin..stream.len().min(begin + (1 << 18))], &mut |event| {
                found.push(event)
            })
            .unwrap();
        fed += 1;
    }
    assert_eq!(summary(&found).0.len(), 1);
    assert!(fed < 1000, "{fed} pieces");
}
