//! What must hold for any bytes given as an Example. Run by cargo-fuzz (`fuzz_targets/example.rs`) and, with proptest, by
//! the ordinary tests.

use recordfs_core::example::{
    DecodedFeature, DefaultValues, FeaturePlan, FeatureValues, Kind, Layout, OnMissing, Plan, Summary, UnknownFields,
    Values, decode_example, decode_sequence_example, encode_example, parse_batch, parse_sequence_batch,
};

fn feature(key: &str, kind: Kind, layout: Layout, on_missing: OnMissing) -> FeaturePlan {
    FeaturePlan {
        key: key.into(),
        kind,
        layout,
        on_missing,
        padding: None,
    }
}

/// One feature of each kind and layout, under the keys that [`example`]'s inputs are made of.
pub fn plan() -> Plan {
    Plan::new(vec![
        feature("a", Kind::Int64, Layout::Fixed { elements: 2 }, OnMissing::Absent),
        feature("b", Kind::Bytes, Layout::Ragged, OnMissing::Absent),
        feature("f", Kind::Float, Layout::Sequence { stride: 2 }, OnMissing::Absent),
        feature(
            "d",
            Kind::Float,
            Layout::Fixed { elements: 1 },
            OnMissing::Use(DefaultValues::Float(vec![0.5])),
        ),
        feature("r", Kind::Int64, Layout::Ragged, OnMissing::Absent),
    ])
}

fn lists() -> Plan {
    Plan::new(vec![
        feature("a", Kind::Int64, Layout::Sequence { stride: 2 }, OnMissing::Absent),
        feature("b", Kind::Bytes, Layout::Ragged, OnMissing::Absent),
        feature("f", Kind::Float, Layout::Ragged, OnMissing::Absent),
    ])
}

fn context() -> Plan {
    Plan::new(vec![
        feature("b", Kind::Bytes, Layout::Ragged, OnMissing::Absent),
        feature("r", Kind::Int64, Layout::Ragged, OnMissing::Absent),
    ])
}

/// Columns have the sizes they promise, threads change nothing, and the reader of single records agrees with the reader
/// of batches wherever no feature is empty.
pub fn parse(record: &[u8]) {
    let plan = plan();
    let outcome = parse_batch(&plan, &[record], 1, false);
    let many: Vec<&[u8]> = vec![record; 70];
    match (&outcome, parse_batch(&plan, &many, 2, false)) {
        (Ok(columns), Ok(repeated)) => {
            for (column, all) in columns.iter().zip(&repeated) {
                assert_eq!(all.values.len(), column.values.len() * many.len());
                assert_eq!(all.present.len(), many.len());
                if let Some(splits) = &column.row_splits {
                    assert_eq!(splits.len(), 2);
                    assert!(splits.is_sorted() && splits[1] as usize <= column.values.len());
                }
            }
        }
        (Err(one), Err(all)) => assert_eq!((&one.fault, &one.key, all.record), (&all.fault, &all.key, 0)),
        (one, all) => panic!("one record gave {one:?}, many gave {all:?}"),
    }
    let _ = parse_batch(&plan, &[record], 1, true);
}

/// Splits count what is there.
pub fn parse_sequence(record: &[u8]) {
    let (context, lists) = (context(), lists());
    let Ok((_, columns)) = parse_sequence_batch(&context, &lists, &[record, record]) else {
        return;
    };
    for column in columns {
        assert_eq!(column.row_splits.len(), 3);
        assert_eq!(column.row_splits[2] as usize, column.step_splits.len() - 1);
        assert!(column.step_splits.is_sorted());
    }
}

/// What can be decoded can be encoded again to something that decodes to the same, and then to the same bytes.
pub fn decode(record: &[u8]) {
    let _ = decode_sequence_example(record, UnknownFields::Skip);
    let _ = Summary::default().add(record, 10);
    let Ok(features) = decode_example(record, UnknownFields::Skip) else {
        return;
    };
    let values: Vec<_> = features
        .iter()
        .map(|(key, feature)| (key.as_bytes(), as_values(feature)))
        .collect();
    let encoded = encode_example(&values).expect("smaller than 2 GiB");
    let again = decode_example(&encoded, UnknownFields::Refuse).expect("own messages are sound");
    let values: Vec<_> = again
        .iter()
        .map(|(key, feature)| (key.as_bytes(), as_values(feature)))
        .collect();
    assert_eq!(encode_example(&values).as_ref(), Some(&encoded));
    assert_eq!(again.len(), features.len());
    agree(&encoded);
}

/// On what recordfs itself writes the two readers agree.
fn agree(encoded: &[u8]) {
    let plan = plan();
    let features = decode_example(encoded, UnknownFields::Refuse).expect("own messages are sound");
    let Ok(columns) = parse_batch(&plan, &[encoded], 1, false) else {
        return;
    };
    let ragged = columns
        .iter()
        .zip(plan.features())
        .filter(|(_, feature)| feature.layout == Layout::Ragged);
    for (column, feature) in ragged {
        let found = features
            .iter()
            .find(|(key, _)| key.as_bytes() == feature.key)
            .map(|(_, values)| values);
        match (&column.values, found) {
            (Values::Int64(values), Some(DecodedFeature::Int64(expected))) => assert_eq!(values, expected),
            (Values::Bytes(values), Some(DecodedFeature::Bytes(expected))) => assert_eq!(values, expected),
            (values, None | Some(DecodedFeature::Unset)) => assert!(values.is_empty()),
            (values, found) => panic!("{values:?} where the message has {found:?}"),
        }
    }
}

fn as_values<'a>(feature: &'a DecodedFeature<'a>) -> FeatureValues<'a> {
    match feature {
        DecodedFeature::Unset => FeatureValues::Unset,
        DecodedFeature::Bytes(values) => FeatureValues::Bytes(values.as_slice().into()),
        DecodedFeature::Float(values) => FeatureValues::Float(values.as_slice().into()),
        DecodedFeature::Int64(values) => FeatureValues::Int64(values.as_slice().into()),
    }
}
