//! Batches of SequenceExamples into columns, with the results of `tf.io.parse_sequence_example`. TensorFlow has a
//! second list reader for it, which looks at every byte of a packed float list and at the length of every step.

use super::columns::{Column, Values, padded};
use super::cursor::Cursor;
use super::error::{ExampleError, Fault};
use super::lists::read_packed_floats;
use super::plan::{DefaultValues, FeaturePlan, Layout, OnMissing};
use super::{Kind, MAX_MESSAGE_SIZE, MessageKind, Plan};
use crate::varint;

const CONTEXT: u8 = 0x0a;
const FEATURE_LISTS: u8 = 0x12;
const FIRST_FIELD: u8 = 0x0a;
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;
const VARINT_VALUE: u8 = 0x08;
const FIXED32_VALUE: u8 = 0x0d;

/// One feature list of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceColumn<'a> {
    /// All values, flat; padded to `steps` steps a record for [`Layout::Sequence`].
    pub values: Values<'a>,
    /// Where each step's values begin, and the end, without padding.
    pub step_splits: Vec<i64>,
    /// Where each record's steps begin, and the end, without padding.
    pub row_splits: Vec<i64>,
    /// The longest record's number of steps.
    pub steps: usize,
}

/// Reads one batch: the context's columns and the feature lists' columns.
///
/// # Errors
/// The first record that cannot be read as the plans say.
pub fn parse_sequence_batch<'a>(
    context: &'a Plan,
    lists: &'a Plan,
    records: &[&'a [u8]],
) -> Result<(Vec<Column<'a>>, Vec<SequenceColumn<'a>>), ExampleError> {
    let mut context_columns: Vec<_> = context.features.iter().map(new_context_column).collect();
    let mut list_columns: Vec<_> = lists.features.iter().map(new_list_column).collect();
    let mut found_context = vec![None; context.features.len()];
    let mut found_lists = vec![None; lists.features.len()];
    for (record_index, &record) in records.iter().enumerate() {
        let locate = |key: Option<&[u8]>, fault| ExampleError {
            record: record_index,
            key: key.map(<[u8]>::to_vec),
            fault,
        };
        found_context.fill(None);
        found_lists.fill(None);
        find_features(record, (context, &mut found_context), (lists, &mut found_lists))
            .map_err(|(key, fault)| locate(key, fault))?;
        for ((column, feature), &bytes) in context_columns.iter_mut().zip(&context.features).zip(&found_context) {
            read_context(column, feature, bytes).map_err(|fault| locate(Some(&feature.key), fault))?;
        }
        for ((column, feature), &bytes) in list_columns.iter_mut().zip(&lists.features).zip(&found_lists) {
            read_steps(column, feature, bytes).map_err(|fault| locate(Some(&feature.key), fault))?;
        }
    }
    for (column, feature) in list_columns.iter_mut().zip(&lists.features) {
        finish_list(column, feature);
    }
    Ok((context_columns, list_columns))
}

fn new_context_column<'a>(feature: &FeaturePlan) -> Column<'a> {
    let row_splits = (feature.layout == Layout::Ragged).then(|| vec![0]);
    Column {
        values: Values::new(feature.kind, 0),
        row_splits,
        steps: 0,
        present: Vec::new(),
    }
}

fn new_list_column<'a>(feature: &FeaturePlan) -> SequenceColumn<'a> {
    SequenceColumn {
        values: Values::new(feature.kind, 0),
        step_splits: vec![0],
        row_splits: vec![0],
        steps: 0,
    }
}

/// Notes the bytes of each planned feature and feature list; of several with one key the last one counts.
fn find_features<'a>(
    record: &'a [u8],
    (context, found_context): (&'a Plan, &mut [Option<&'a [u8]>]),
    (lists, found_lists): (&'a Plan, &mut [Option<&'a [u8]>]),
) -> Result<(), (Option<&'a [u8]>, Fault)> {
    if record.len() > MAX_MESSAGE_SIZE {
        return Err((None, Fault::TooLarge(record.len())));
    }
    let (mut unplanned, mut unknown_fields) = (None, false);
    let mut cursor = Cursor::new(record);
    let mut read = || {
        while !cursor.at_end() {
            let (plan, found) = if cursor.expect_tag(CONTEXT) {
                (context, &mut *found_context)
            } else if cursor.expect_tag(FEATURE_LISTS) {
                (lists, &mut *found_lists)
            } else {
                unknown_fields = true;
                let tag = cursor.read_varint32()?;
                if !cursor.skip_field(tag) {
                    return None;
                }
                continue;
            };
            let length = cursor.read_varint32()?;
            let message = cursor.push_limit(length);
            while !cursor.at_end() {
                if !cursor.expect_tag(FIRST_FIELD) {
                    return None;
                }
                let (key, bytes) = read_entry(&mut cursor)?;
                match plan.find(key) {
                    Some(column) => found[column] = Some(bytes),
                    None if plan.complete && !bytes.is_empty() => unplanned = Some(key),
                    None => {}
                }
            }
            cursor.pop_limit(message);
        }
        Some(())
    };
    let sound = read();
    match (sound, unplanned) {
        (None, _) => Err((None, Fault::Malformed(cursor.position()))),
        _ if context.complete && unknown_fields => Err((None, Fault::OtherMessage(MessageKind::of(record)))),
        (_, Some(key)) => Err((Some(key), Fault::Unplanned)),
        _ => Ok(()),
    }
}

/// A map entry: key, value, in this order. The Example reader takes them in any order.
fn read_entry<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let length = cursor.read_varint32()?;
    let map = cursor.push_limit(length);
    let key = cursor.expect_tag(KEY).then(|| cursor.read_delimited())??;
    let value = cursor.expect_tag(VALUE).then(|| cursor.read_delimited())??;
    if !cursor.at_end() {
        return None;
    }
    cursor.pop_limit(map);
    Some((key, value))
}

fn read_context<'a>(column: &mut Column<'a>, feature: &'a FeaturePlan, bytes: Option<&'a [u8]>) -> Result<(), Fault> {
    column.present.push(bytes.is_some());
    let found = match bytes {
        None | Some([]) => 0,
        Some(bytes) => {
            append_feature(&mut Cursor::new(bytes), &mut column.values).ok_or_else(|| context_fault(feature, bytes))?
        }
    };
    if let Some(splits) = &mut column.row_splits {
        splits.push(column.values.len() as i64);
        return Ok(());
    }
    let Layout::Fixed { elements } = feature.layout else {
        unreachable!("a context feature is fixed or ragged");
    };
    match (bytes, &feature.on_missing) {
        (None, OnMissing::Use(values)) => append_defaults(&mut column.values, values),
        (None, _) => return Err(Fault::Missing(feature.kind)),
        _ if found != elements => {
            return Err(Fault::WrongLength {
                expected: elements,
                found,
            });
        }
        _ => {}
    }
    Ok(())
}

fn context_fault(feature: &FeaturePlan, bytes: &[u8]) -> Fault {
    match kind_tagged(bytes.first().copied()) {
        Some(found) if found != feature.kind => Fault::WrongKind {
            expected: feature.kind,
            found,
        },
        Some(found) => Fault::MalformedList(found),
        None => Fault::UnknownKind,
    }
}

fn append_defaults<'a>(values: &mut Values<'a>, defaults: &'a DefaultValues) {
    match (values, defaults) {
        (Values::Int64(values), DefaultValues::Int64(defaults)) => values.extend(defaults),
        (Values::Float(values), DefaultValues::Float(defaults)) => values.extend(defaults),
        (Values::Bytes(values), DefaultValues::Bytes(defaults)) => {
            values.extend(defaults.iter().map(|value| &value[..]))
        }
        _ => unreachable!("defaults are of their feature's kind"),
    }
}

fn read_steps<'a>(
    column: &mut SequenceColumn<'a>,
    feature: &FeaturePlan,
    bytes: Option<&'a [u8]>,
) -> Result<(), Fault> {
    if bytes.is_none() && feature.on_missing == OnMissing::Refuse && feature.layout != Layout::Ragged {
        return Err(Fault::MissingList(feature.kind));
    }
    let mut cursor = Cursor::new(bytes.unwrap_or(&[]));
    let mut step = 0;
    while !cursor.at_end() {
        let before = cursor.rest();
        let found = read_step(&mut cursor, feature.kind, &mut column.values)
            .ok_or_else(|| step_fault(feature.kind, step, before))?;
        if let Layout::Sequence { stride } = feature.layout
            && found != stride
        {
            return Err(Fault::WrongStepLength {
                step,
                expected: stride,
                found,
            });
        }
        column.step_splits.push(column.values.len() as i64);
        step += 1;
    }
    column.row_splits.push(column.step_splits.len() as i64 - 1);
    column.steps = column.steps.max(step);
    Ok(())
}

/// Why a step, which begins at `bytes`, cannot be read.
fn step_fault(expected: Kind, step: usize, bytes: &[u8]) -> Fault {
    let mut cursor = Cursor::new(bytes);
    cursor.expect_tag(FIRST_FIELD);
    let first = cursor.read_varint32().and_then(|_| cursor.peek());
    match kind_tagged(first) {
        Some(found) if found != expected => Fault::WrongStepKind { step, expected, found },
        _ => Fault::BadStep { step, expected },
    }
}

/// The kind of the list that a `Feature` begins with.
fn kind_tagged(tag: Option<u8>) -> Option<Kind> {
    [Kind::Bytes, Kind::Float, Kind::Int64]
        .into_iter()
        .find(|kind| tag == Some(kind.tag()))
}

/// Reads one `Feature` of a feature list and returns how many values it had. Bytes after its list are left for the
/// next step to trip over, as TensorFlow leaves them.
fn read_step<'a>(cursor: &mut Cursor<'a>, kind: Kind, values: &mut Values<'a>) -> Option<usize> {
    if !cursor.expect_tag(FIRST_FIELD) {
        return None;
    }
    match cursor.read_varint32()? {
        0 => Some(0),
        2 => (cursor.expect_tag(kind.tag()) && cursor.read_varint32()? == 0).then_some(0),
        1 => None,
        length => {
            let list = cursor.push_limit(length);
            let count = append_feature(cursor, values)?;
            cursor.pop_limit(list);
            Some(count)
        }
    }
}

/// Appends the values of a `Feature` of the column's kind; None if it is of another kind or damaged.
fn append_feature<'a>(cursor: &mut Cursor<'a>, values: &mut Values<'a>) -> Option<usize> {
    let (kind, single) = match values {
        Values::Int64(_) => (Kind::Int64, VARINT_VALUE),
        Values::Float(_) => (Kind::Float, FIXED32_VALUE),
        Values::Bytes(_) => (Kind::Bytes, FIRST_FIELD),
    };
    if !cursor.expect_tag(kind.tag()) {
        return None;
    }
    let length = cursor.read_varint32()?;
    if length == 0 {
        return Some(0);
    }
    let outer = cursor.push_limit(length);
    let before = values.len();
    if let Values::Bytes(values) = values {
        while !cursor.at_end() {
            if !cursor.expect_tag(FIRST_FIELD) {
                return None;
            }
            values.push(cursor.read_delimited()?);
        }
    } else if cursor.expect_tag(FIRST_FIELD) {
        let length = cursor.read_varint32()?;
        let packed = cursor.push_limit(length);
        append_packed(cursor.rest(), values)?;
        cursor.take_rest();
        cursor.pop_limit(packed);
    } else if cursor.peek() == Some(single) {
        while !cursor.at_end() {
            if !cursor.expect_tag(single) {
                return None;
            }
            match values {
                Values::Int64(values) => values.push(cursor.read_varint64()? as i64),
                Values::Float(values) => values.push(f32::from_le_bytes(*cursor.read_bytes(4)?.first_chunk()?)),
                Values::Bytes(_) => unreachable!("bytes are never packed"),
            }
        }
    } else {
        return None;
    }
    cursor.pop_limit(outer);
    Some(values.len() - before)
}

fn append_packed(bytes: &[u8], values: &mut Values<'_>) -> Option<()> {
    match values {
        Values::Int64(values) => {
            let start = values.len();
            values.resize(start + varint::count(bytes), 0);
            varint::decode_all(bytes, &mut values[start..])
        }
        Values::Float(values) => {
            let start = values.len();
            values.resize(start + bytes.len() / 4, 0.0);
            read_packed_floats(bytes, &mut values[start..]);
            bytes.len().is_multiple_of(4).then_some(())
        }
        Values::Bytes(_) => unreachable!("bytes are never packed"),
    }
}

/// Pads a fixed-shape feature list with zeros or empty strings.
fn finish_list(column: &mut SequenceColumn<'_>, feature: &FeaturePlan) {
    let Layout::Sequence { stride } = feature.layout else {
        return;
    };
    let splits: Vec<i64> = column.row_splits.iter().map(|&split| split * stride as i64).collect();
    let longest = column.steps * stride;
    column.values = match &column.values {
        Values::Int64(values) => Values::Int64(padded(values, &splits, longest, 0)),
        Values::Float(values) => Values::Float(padded(values, &splits, longest, 0.0)),
        Values::Bytes(values) => Values::Bytes(padded(values, &splits, longest, &[][..])),
    };
}
