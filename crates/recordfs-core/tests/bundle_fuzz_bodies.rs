//! The fuzz bodies for checkpoints under proptest: damaged indexes with sound checksums, and noise.

use proptest::prelude::*;
use recordfs_core::bundle::{Entry, Extent, Header, IndexBuilder, TableWriter, strings_header};

#[path = "../fuzz/bundle_bodies.rs"]
mod bodies;

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..5_i64, 1 => Just(i64::MAX), 1 => Just(-1), 1 => any::<i64>()]
}

fn extent() -> impl Strategy<Value = Extent> {
    // A length of -1 is another way to write None.
    let length = prop::option::of(number().prop_filter("no length", |&length| length != -1));
    (number(), length).prop_map(|(start, length)| Extent {
        start: if length.is_some() { start } else { 0 },
        length,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let slices = prop::collection::vec(prop::collection::vec(extent(), 0..3), 0..3);
    let shape = prop::collection::vec(number(), 0..3);
    (0..35_i32, shape, 0..3_i32, number(), number(), any::<u32>(), slices).prop_map(
        |(dtype, shape, shard, offset, size, crc, slices)| Entry {
            dtype,
            shape,
            shard,
            offset,
            size,
            crc,
            slices,
        },
    )
}

/// Names among which are some that slices' keys could have.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(0xff)], 1..6),
        Just(b"\x00a\x00\x01\x00".to_vec()),
        Just(b"a".to_vec()),
    ]
}

fn index_of(entries: &[(Vec<u8>, Entry)], shards: i32) -> Vec<u8> {
    let mut builder = IndexBuilder::new();
    for (name, entry) in entries {
        let _ = builder.add(name, entry.clone());
    }
    builder.finish(&Header::new(shards, false))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn index_of_any_entries(entries in prop::collection::vec((name(), entry()), 0..6), shards in 0..3_i32) {
        bodies::index(&index_of(&entries, shards));
    }

    #[test]
    fn index_of_any_messages(mut messages in prop::collection::btree_map(name(), prop::collection::vec(any::<u8>(), 0..30), 0..6)) {
        messages.insert(Vec::new(), vec![8, 1]);
        let mut table = TableWriter::new();
        for (key, message) in &messages {
            table.add(key, message);
        }
        bodies::index(&table.finish());
    }

    #[test]
    fn damaged_index(
        entries in prop::collection::vec((name(), entry()), 0..6),
        at in any::<prop::sample::Index>(),
        xor in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = index_of(&entries, 1);
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        bodies::index(&bytes);
        bodies::index(&bytes[cut.index(bytes.len())..]);
        bytes.truncate(cut.index(bytes.len()));
        bodies::index(&bytes);
    }

    #[test]
    fn strings(
        elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5),
        at in any::<prop::sample::Index>(),
        xor in any::<u8>(),
    ) {
        let header = strings_header(elements.iter().map(Vec::as_slice));
        let mut data = [&[elements.len() as u8][..], &header.bytes, &elements.concat()].concat();
        bodies::strings(&data);
        let at = at.index(data.len());
        data[at] ^= xor;
        bodies::strings(&data);
        bodies::strings(&data[..at]);
    }

    #[test]
    fn noise(data in prop::collection::vec(any::<u8>(), 0..300)) {
        bodies::index(&data);
        bodies::strings(&data);
        bodies::graph(&data);
    }
}
