//! The fuzz bodies of Examples under proptest, with an allocator that tells the largest single allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

#[path = "../fuzz/example_bodies.rs"]
mod example_bodies;

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

/// Inputs have a few hundred bytes and stand 70 times in a batch; what a length claims is up to 4 GiB.
const ALLOCATION_LIMIT: usize = 4 << 20;

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 127 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A length-delimited field, now and then of another length than it says.
fn field(tag: u8, content: Vec<u8>, lie: u64) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(varint(content.len() as u64 ^ lie));
    out.extend(content);
    out
}

fn lie() -> impl Strategy<Value = u64> {
    prop_oneof![40 => Just(0), 1 => Just(1), 1 => Just(0x7f), 1 => Just(1 << 31), 1 => Just(u64::MAX)]
}

fn list() -> impl Strategy<Value = Vec<u8>> {
    let numbers = prop::collection::vec(prop_oneof![any::<u64>(), 0..300_u64], 0..6)
        .prop_map(|values| values.into_iter().flat_map(varint).collect::<Vec<u8>>());
    let content = prop_oneof![numbers, prop::collection::vec(any::<u8>(), 0..20)];
    (
        prop_oneof![Just(0x0a_u8), Just(0x12), Just(0x1a), any::<u8>()],
        0..3_usize,
        content,
        lie(),
        lie(),
    )
        .prop_map(|(kind, runs, content, run_lie, lie)| field(kind, field(0x0a, content, run_lie).repeat(runs), lie))
}

fn entry() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![9 => "[abdfr]", 1 => "\\PC{0,3}"];
    (key, prop::collection::vec(list(), 0..3), any::<bool>(), lie(), lie()).prop_map(
        |(key, lists, steps, inner_lie, lie)| {
            let value = if steps {
                lists
                    .into_iter()
                    .flat_map(|list| field(0x0a, list, inner_lie))
                    .collect()
            } else {
                lists.concat()
            };
            let mut entry = field(0x0a, key.into_bytes(), 0);
            entry.extend(field(0x12, value, inner_lie));
            field(0x0a, entry, lie)
        },
    )
}

fn record() -> impl Strategy<Value = Vec<u8>> {
    let map = (
        prop_oneof![4 => Just(0x0a_u8), 2 => Just(0x12), 1 => any::<u8>()],
        prop::collection::vec(entry(), 0..5),
    );
    prop_oneof![
        9 => prop::collection::vec((map, lie()), 0..3).prop_map(|maps| {
            maps.into_iter().flat_map(|((tag, entries), lie)| field(tag, entries.concat(), lie)).collect()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

fn check(record: &[u8]) {
    example_bodies::parse(record);
    example_bodies::parse_sequence(record);
    example_bodies::decode(record);
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(
        largest < ALLOCATION_LIMIT,
        "{largest} bytes were allocated at once for {} bytes",
        record.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_bytes_are_read_or_refused(record in record()) {
        check(&record);
    }

    #[test]
    fn a_record_may_be_cut_anywhere(record in record(), at in any::<prop::sample::Index>()) {
        check(&record[..at.index(record.len() + 1)]);
    }

    #[test]
    fn a_byte_may_be_anything(record in record(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut record = record;
        if !record.is_empty() {
            let at = at.index(record.len());
            record[at] = byte;
        }
        check(&record);
    }
}
