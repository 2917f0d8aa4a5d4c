//! Indexes of checkpoints: TensorFlow's bytes, damage, and files that were made to harm.

use recordfs_core::bundle::{
    AddError, Attribute, Child, Entry, Extent, Fault, Header, Index, IndexBuilder, MergeError, Node, Numbering,
    RegisteredSaver, SlotVariable, TableWriter, decode_graph, encode_graph, merge,
};
use recordfs_core::crc::masked_crc32c;

/// The index of `w` = float32 [1, 2, 3] and `s` = string ["hi", ""], as TensorFlow 2.21 wrote it.
const WORKED_EXAMPLE: &str = "000006\
    08011a020801\
    000111730807120412020802200c2808359e9e48ed\
    00010f77080112041202080328 0c35735b8971\
    0000000001000000\
    00921e61bc\
    0000000001000000\
    00c0f2a1b0\
    000102780039\
    0000000001000000\
    0053ee0f5d\
    3e084b0e";

fn worked_example() -> Vec<u8> {
    let digits: Vec<u8> = WORKED_EXAMPLE.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    let mut bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect();
    bytes.resize(bytes.len() + 36, 0);
    bytes.extend_from_slice(&0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    bytes
}

fn entry(dtype: i32, shape: &[i64], offset: i64, size: i64) -> Entry {
    Entry {
        dtype,
        shape: shape.to_vec(),
        offset,
        size,
        crc: 7,
        ..Entry::default()
    }
}

#[test]
fn worked_example_is_written_byte_for_byte() {
    let mut builder = IndexBuilder::new();
    let w: Vec<u8> = [1.0f32, 2.0, 3.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let mut first = entry(1, &[3], 0, 12);
    first.crc = masked_crc32c(&w);
    let mut second = entry(7, &[2], 12, 8);
    second.crc = u32::from_le_bytes([0x9e, 0x9e, 0x48, 0xed]);
    builder.add(b"w", first).unwrap();
    builder.add(b"s", second).unwrap();
    let bytes = builder.finish(&Header::new(1, false));
    assert_eq!(bytes.len(), 142);
    assert_eq!(bytes, worked_example());
}

#[test]
fn every_flipped_byte_is_found_or_changes_nothing() {
    let bytes = worked_example();
    let names = |index: &Index| index.names().map(<[u8]>::to_vec).collect::<Vec<_>>();
    let sound = Index::parse(&bytes).unwrap();
    assert_eq!(names(&sound), [b"s", b"w"]);
    let mut inert = 0;
    for at in 0..bytes.len() {
        for mask in [1u8, 0x80, 0xff] {
            let mut broken = bytes.clone();
            broken[at] ^= mask;
            if let Ok(index) = Index::parse(&broken) {
                inert += usize::from(mask == 1);
                assert_eq!(names(&index), names(&sound), "byte {at}");
                assert!(index.items().eq(sound.items()), "byte {at}");
            }
        }
    }
    // The metaindex block and its handle, and the footer's padding.
    assert_eq!(inert, 13 + 2 + 36);
}

#[test]
fn every_cut_is_found() {
    let bytes = worked_example();
    for cut in 0..bytes.len() {
        assert!(Index::parse(&bytes[..cut]).is_err(), "{cut} bytes");
    }
}

#[test]
fn many_entries_fill_many_blocks_and_come_back() {
    let mut builder = IndexBuilder::new();
    let names: Vec<String> = (0..40_000).map(|number| format!("layer_{number:05}/kernel")).collect();
    for (number, name) in names.iter().enumerate() {
        builder
            .add(name.as_bytes(), entry(1, &[16], number as i64 * 64, 64))
            .unwrap();
    }
    let index = Index::parse(&builder.finish(&Header::new(1, false))).unwrap();
    assert!(index.names().eq(names.iter().map(String::as_bytes)));
    assert_eq!(index.entry(b"layer_01234/kernel").unwrap().unwrap().offset, 1234 * 64);
    assert!(index.entry(b"layer_01234").is_none());
}

#[test]
fn entries_that_make_no_sense_leave_the_others_readable() {
    for broken in [
        entry(1, &[3], -1, 12),
        entry(1, &[3], 0, 13),
        entry(1, &[-3], 0, 12),
        entry(1, &[1 << 40, 1 << 40], 0, 0),
        Entry {
            shard: 1,
            ..entry(1, &[3], 0, 12)
        },
        Entry {
            shard: -1,
            ..entry(1, &[3], 0, 12)
        },
        entry(1, &[3], i64::MAX, 12),
    ] {
        let mut builder = IndexBuilder::new();
        builder.add(b"broken", broken.clone()).unwrap();
        builder.add(b"sound", entry(1, &[3], 0, 12)).unwrap();
        let index = Index::parse(&builder.finish(&Header::new(1, false))).unwrap();
        assert!(index.entry(b"broken").unwrap().is_err(), "{broken:?}");
        assert!(index.entry(b"sound").unwrap().is_ok());
        assert_eq!(index.len(), 2);
    }
}

#[test]
fn slices_are_hidden_and_cover_their_tensor() {
    let rows = |start, length| {
        vec![
            Extent {
                start,
                length: Some(length),
            },
            Extent { start: 0, length: None },
        ]
    };
    let mut builder = IndexBuilder::new();
    builder
        .add_slice(b"part", &[100, 3], &rows(0, 30), entry(1, &[], 0, 360))
        .unwrap();
    let short = Index::parse(&builder.finish(&Header::new(1, false))).unwrap();
    let whole = short.entry(b"part").unwrap().unwrap();
    assert!(short.slices(b"part", whole).is_err());
    builder
        .add_slice(b"part", &[100, 3], &rows(30, 70), entry(1, &[], 360, 840))
        .unwrap();
    let again = builder.add_slice(b"part", &[100, 3], &rows(30, 70), entry(1, &[], 0, 840));
    assert_eq!(again, Err(AddError::Duplicate));
    let outside = builder.add_slice(b"part", &[100, 3], &rows(90, 11), entry(1, &[], 0, 132));
    assert_eq!(outside, Err(AddError::OutOfShape));
    let other = builder.add_slice(b"part", &[100, 4], &rows(0, 10), entry(1, &[], 0, 160));
    assert_eq!(other, Err(AddError::OtherTensor));
    let index = Index::parse(&builder.finish(&Header::new(1, false))).unwrap();
    assert!(index.names().eq([&b"part"[..]]));
    let whole = index.entry(b"part").unwrap().unwrap();
    let slices = index.slices(b"part", whole).unwrap();
    assert_eq!(slices[1].rectangle, [(30, 70), (0, 3)]);
    assert_eq!(slices[1].entry.offset, 360);
}

#[test]
fn slice_of_everything_is_a_plain_tensor() {
    let mut builder = IndexBuilder::new();
    let all = vec![Extent {
        start: 0,
        length: Some(3),
    }];
    builder.add_slice(b"w", &[3], &all, entry(1, &[], 0, 12)).unwrap();
    let index = Index::parse(&builder.finish(&Header::new(1, false))).unwrap();
    assert_eq!(index.entry(b"w").unwrap().unwrap(), &entry(1, &[3], 0, 12));
}

fn part(names: &[&str]) -> Index {
    let mut builder = IndexBuilder::new();
    for name in names {
        builder.add(name.as_bytes(), entry(1, &[3], 0, 12)).unwrap();
    }
    Index::parse(&builder.finish(&Header::new(1, false))).unwrap()
}

#[test]
fn merge_numbers_data_files_in_the_order_of_their_first_use() {
    let (first, empty, last) = (part(&["b"]), part(&[]), part(&["a", "c"]));
    let merged = merge(&[&first, &empty, &last], Numbering::Anew).unwrap();
    assert_eq!(merged.shards, [(0, 0), (2, 0)]);
    let index = Index::parse(&merged.index).unwrap();
    assert_eq!(index.header().num_shards, 2);
    assert_eq!(index.entry(b"b").unwrap().unwrap().shard, 0);
    assert_eq!(index.entry(b"c").unwrap().unwrap().shard, 1);
}

#[test]
fn merge_refuses_a_name_that_two_parts_have() {
    let error = merge(&[&part(&["a", "b"]), &part(&["b"])], Numbering::Anew)
        .err()
        .unwrap();
    assert!(matches!(
        error,
        MergeError::Conflict {
            part: 1,
            error: AddError::Duplicate,
            ..
        }
    ));
    assert_eq!(merge(&[], Numbering::Anew).err(), Some(MergeError::NoParts));
}

#[test]
fn merge_refuses_slices_that_do_not_cover_their_tensor() {
    let part = |start| {
        let mut builder = IndexBuilder::new();
        let length = Some(2);
        builder
            .add_slice(b"w", &[4], &vec![Extent { start, length }], entry(1, &[], 0, 8))
            .unwrap();
        assert!(builder.check_cover().is_err());
        Index::parse(&builder.finish(&Header::new(1, false))).unwrap()
    };
    assert!(merge(&[&part(0), &part(2)], Numbering::Anew).is_ok());
    for starts in [[0, 1], [1, 2]] {
        let error = merge(&[&part(starts[0]), &part(starts[1])], Numbering::Anew).err();
        assert!(matches!(error, Some(MergeError::Cover(_))), "{error:?}");
    }
    assert!(matches!(
        merge(&[&part(0)], Numbering::Anew).err(),
        Some(MergeError::Cover(_))
    ));
}

#[test]
fn keys_that_grow_without_bound_are_refused() {
    // Every record adds one byte to the key before it: a small file whose keys come to gigabytes.
    let mut table = TableWriter::new();
    table.add(b"", &[8, 1, 0x1a, 2, 8, 1]);
    let bytes = {
        let mut contents = vec![0, 0, 6, 8, 1, 0x1a, 2, 8, 1];
        let varint = |out: &mut Vec<u8>, mut value: usize| {
            while value >= 0x80 {
                out.push(value as u8 | 0x80);
                value >>= 7;
            }
            out.push(value as u8);
        };
        for length in 0..60_000 {
            varint(&mut contents, length);
            contents.extend_from_slice(&[1, 0, b'a']);
        }
        contents.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
        table_of_one_block(&contents, 0)
    };
    let error = Index::parse(&bytes).err().unwrap();
    assert!(matches!(error.fault, Fault::KeyBytes { .. }), "{error}");
}

/// A table whose data block has these contents.
fn table_of_one_block(contents: &[u8], compression: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut put = |contents: &[u8], compression: u8| {
        let place = (file.len(), contents.len());
        file.extend_from_slice(contents);
        file.push(compression);
        let crc = masked_crc32c(&file[place.0..]);
        file.extend_from_slice(&crc.to_le_bytes());
        place
    };
    let varint = |out: &mut Vec<u8>, mut value: usize| {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    };
    let data = put(contents, compression);
    let mut handle = Vec::new();
    varint(&mut handle, data.0);
    varint(&mut handle, data.1);
    let mut index = vec![0, 1, handle.len() as u8, 0xff];
    index.extend_from_slice(&handle);
    index.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
    let index = put(&index, 0);
    let mut footer = vec![0, 0];
    varint(&mut footer, index.0);
    varint(&mut footer, index.1);
    footer.resize(40, 0);
    footer.extend_from_slice(&0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    file.extend_from_slice(&footer);
    file
}

#[test]
fn snappy_blocks_are_read_and_their_claims_are_checked() {
    let sound = worked_example();
    let compressed = snap::raw::Encoder::new().compress_vec(&sound[..57]).unwrap();
    let index = Index::parse(&table_of_one_block(&compressed, 1)).unwrap();
    assert!(index.items().eq(Index::parse(&sound).unwrap().items()));
    // 4 GiB of contents in a handful of bytes.
    let claims = table_of_one_block(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], 1);
    assert!(matches!(Index::parse(&claims).err().unwrap().fault, Fault::Snappy(_)));
    let unknown = table_of_one_block(&sound[..57], 2);
    assert_eq!(Index::parse(&unknown).err().unwrap().fault, Fault::Compression(2));
}

#[test]
fn files_of_later_versions_are_refused() {
    for version in [&[0x10u8, 2][..], &[0x18, 1], &[0x1a, 1, 1]] {
        let mut table = TableWriter::new();
        let mut header = vec![8, 1, 0x1a, version.len() as u8];
        header.extend_from_slice(version);
        table.add(b"", &header);
        let error = Index::parse(&table.finish()).err().unwrap();
        assert!(matches!(error.fault, Fault::Version { .. }), "{error}");
    }
}

#[test]
fn object_graphs_come_back() {
    let nodes = vec![
        Node {
            children: vec![Child {
                node_id: 1,
                local_name: "layer".into(),
            }],
            slot_variables: vec![SlotVariable {
                original_variable_node_id: 1,
                slot_name: "m".into(),
                slot_variable_node_id: 1,
            }],
            has_checkpoint_values: Some(true),
            ..Node::default()
        },
        Node {
            attributes: vec![Attribute {
                name: "VARIABLE_VALUE".into(),
                full_name: "kernel".into(),
                checkpoint_key: "layer/.ATTRIBUTES/VARIABLE_VALUE".into(),
                optional_restore: true,
            }],
            registered_saver: Some(RegisteredSaver {
                name: "saver".into(),
                object_name: "object".into(),
            }),
            has_checkpoint_values: Some(false),
            ..Node::default()
        },
    ];
    assert_eq!(decode_graph(&encode_graph(&nodes)), Ok(nodes.clone()));
    assert!(
        decode_graph(&encode_graph(&nodes[..1])).is_err(),
        "a node that is not there"
    );
    assert!(decode_graph(b"\x0a\x05\x0a\x7f").is_err());
}
