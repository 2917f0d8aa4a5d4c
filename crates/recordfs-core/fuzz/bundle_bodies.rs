//! What must hold for any bytes that are taken for a checkpoint's index, a string tensor or an object graph.

use recordfs_core::bundle::{
    Header, Index, IndexBuilder, Numbering, check_variants, decode_graph, decode_strings, encode_graph, merge,
    strings_header,
};

/// An index is refused, or what it says can be asked, and written and read again to say the same.
pub fn index(data: &[u8]) {
    let Ok(index) = Index::parse(data) else {
        return;
    };
    let names: Vec<&[u8]> = index.names().collect();
    assert_eq!(names.len(), index.len());
    assert!(names.is_sorted());
    let mut builder = IndexBuilder::new();
    let mut all_sound = true;
    for (key, entry) in index.items() {
        match entry {
            Ok(entry) => {
                assert!(entry.elements().is_some());
                assert!(builder.add(key, entry.clone()).is_ok());
                if !entry.slices.is_empty() {
                    let elements = |slices: Vec<_>| -> u128 {
                        slices
                            .iter()
                            .map(|slice: &recordfs_core::bundle::LocatedSlice<'_>| {
                                slice
                                    .rectangle
                                    .iter()
                                    .map(|&(_, length)| length as u128)
                                    .product::<u128>()
                            })
                            .sum()
                    };
                    if let Ok(slices) = index.slices(key, entry) {
                        assert_eq!(Some(elements(slices)), entry.elements().map(u128::from));
                    }
                }
            }
            Err(fault) => {
                assert!(!fault.to_string().is_empty());
                all_sound = false;
            }
        }
    }
    if all_sound {
        let header = Header::new(index.header().num_shards, index.header().big_endian);
        let again = Index::parse(&builder.finish(&header)).expect("what was written is sound");
        assert!(again.items().eq(index.items()));
        match merge(&[&again], Numbering::Kept) {
            Ok(merged) => assert!(Index::parse(&merged.index).is_ok()),
            // One part conflicts with nothing, but its slices may leave a hole.
            Err(fault) => assert!(builder.check_cover().is_err(), "{fault:?}"),
        }
    }
}

/// A string tensor is refused, or its elements are written again to the same bytes, but for longer varints.
pub fn strings(data: &[u8]) {
    let Some((&count, data)) = data.split_first() else {
        return;
    };
    for big_endian in [false, true] {
        if let Ok(elements) = decode_strings(data, u64::from(count), None, big_endian) {
            assert_eq!(elements.len(), usize::from(count));
            let header = strings_header(elements.iter().copied());
            assert!(header.size <= data.len() as u64 || data.is_empty());
        }
        let _ = check_variants(data, u64::from(count), 0, big_endian);
    }
}

/// An object graph is refused, or written and read again to say the same.
pub fn graph(data: &[u8]) {
    if let Ok(nodes) = decode_graph(data) {
        assert_eq!(decode_graph(&encode_graph(&nodes)), Ok(nodes));
    }
}
