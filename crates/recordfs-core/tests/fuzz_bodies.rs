//! The fuzz bodies under proptest, with an allocator that tells the largest single allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use recordfs_core::deflate::Deflater;
use recordfs_core::format::Format;
use recordfs_core::record::{encode_header, encode_record};

#[path = "../fuzz/bodies.rs"]
mod bodies;

struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is done by the system's allocator.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// Far above what the inputs here can need (a few KiB a thousandfold), far below what their lengths claim.
const ALLOCATION_LIMIT: usize = 16 << 20;

fn settings() -> impl Strategy<Value = [u8; 3]> {
    (prop_oneof![any::<u8>(), 254_u8..], any::<u8>(), any::<u8>()).prop_map(|(a, b, c)| [a, b, c])
}

/// Pieces of streams: sound records, headers that lie, damaged records, noise, zeros.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..100);
    let record = payload.prop_map(|payload| {
        let mut record = Vec::new();
        encode_record(&mut record, &payload);
        record
    });
    let lengths = prop_oneof![
        Just(1_u64 << 40),
        Just(1 << 63),
        Just(u64::MAX - 4),
        Just(u64::MAX),
        0..200_u64,
        any::<u64>()
    ];
    prop_oneof![
        4 => record.clone(),
        1 => (record, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut record, at, xor)| {
            let at = at.index(record.len());
            record[at] ^= xor;
            record
        }),
        1 => lengths.prop_map(|length| encode_header(length).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(Just(0), 0..40),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(piece(), 0..8), any::<prop::sample::Index>()).prop_map(|(pieces, cut)| {
        let mut stream = pieces.concat();
        stream.truncate(cut.index(2 * stream.len() + 1));
        stream
    })
}

fn compressed() -> impl Strategy<Value = Vec<u8>> {
    (
        prop::collection::vec(stream(), 1..3),
        any::<bool>(),
        any::<prop::sample::Index>(),
        prop::option::of(any::<u8>()),
    )
        .prop_map(|(parts, gzip, at, damage)| {
            let format = if gzip { Format::Gzip } else { Format::Zlib };
            let mut deflater = Deflater::new(format, 6).unwrap();
            let mut output = Vec::new();
            for part in parts {
                deflater.deflate(&part, &mut output);
                deflater.finish(&mut output);
            }
            let at = at.index(output.len());
            match damage {
                Some(0..100) => output.truncate(at),
                Some(xor) => output[at] ^= xor,
                None => {}
            }
            output
        })
}

fn check(body: fn(&[u8]), settings: [u8; 3], stream: &[u8]) {
    body(&[&settings, stream].concat());
    assert!(LARGEST.load(Ordering::Relaxed) < ALLOCATION_LIMIT);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn decode(settings in settings(), stream in stream()) {
        check(bodies::decode, settings, &stream);
    }

    #[test]
    fn scan(settings in settings(), stream in stream()) {
        check(bodies::scan, settings, &stream);
    }

    #[test]
    fn inflate(settings in settings(), stream in prop_oneof![compressed(), prop::collection::vec(any::<u8>(), 0..300)]) {
        check(bodies::inflate, settings, &stream);
    }
}
