//! Batches of Examples into columns, with the results of `tf.io.parse_example` and `tf.io.parse_single_example`.
//! Where TensorFlow's reader differs from protobuf's it is followed; `docs/formats/example.md` has the list.

use super::columns::{Builder, Column, Grown, Share, ShareValues, Values};
use super::cursor::Cursor;
use super::error::{ExampleError, Fault};
use super::lists::{BytesList, FloatList, Int64List, is_in_one_part};
use super::plan::{DefaultValues, FeaturePlan, KeyFinder, Layout, OnMissing};
use super::{Kind, MAX_MESSAGE_SIZE, MessageKind, Plan};
use std::sync::{Mutex, PoisonError};

const FEATURES: u8 = 0x0a;
const ENTRY: u8 = 0x0a;
const KEY: u32 = 0x0a;
const VALUE: u32 = 0x12;

/// Fewer records than this for each thread are not worth starting one.
const RECORDS_FOR_A_THREAD: usize = 32;

/// Reads one batch.
///
/// Allocates the fixed columns for the whole batch at once (`records * elements` values) and otherwise no more than
/// a small multiple of the records' bytes. Uses up to `threads` threads, the caller's among them.
/// `single` follows `parse_single_example`, in which an empty `Feature` never hides an earlier one of the same key.
///
/// # Errors
/// The first record, in the batch's order, that cannot be read as `plan` says.
pub fn parse_batch<'a>(
    plan: &'a Plan,
    records: &[&'a [u8]],
    threads: usize,
    single: bool,
) -> Result<Vec<Column<'a>>, ExampleError> {
    let sizes = share_sizes(records.len(), threads);
    let mut builder = Builder::new(plan, sizes.clone());
    let mut rest = records;
    let mut first = 0;
    let jobs: Vec<_> = builder
        .shares()
        .into_iter()
        .zip(&sizes)
        .map(|(share, &size)| {
            let (head, tail) = rest.split_at(size);
            rest = tail;
            first += size;
            Job {
                plan,
                records: head,
                first: first - size,
                single,
                columns: share,
            }
        })
        .collect();
    let grown = run_all(jobs).into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(builder.finish(grown))
}

/// Reads more records of a batch, by one thread, whose features are all fixed or ragged.
///
/// `columns` are the columns' values of the records before, in the order of the plan. What is returned are the same with
/// those of these records after them, and the numbers of values of these records, where the layout is not fixed.
///
/// # Errors
/// As [`parse_batch`]. The values are lost.
pub fn parse_more<'a>(
    plan: &'a Plan,
    records: &[&'a [u8]],
    columns: Vec<Values<'a>>,
) -> Result<Vec<Grown<'a>>, ExampleError> {
    let mut present = vec![false; records.len() * columns.len()];
    let shares = columns
        .into_iter()
        .zip(present.chunks_mut(records.len().max(1)))
        .map(|(values, present)| Share::growing(values, present))
        .collect();
    let job = Job {
        plan,
        records,
        first: 0,
        single: false,
        columns: shares,
    };
    job.run()
}

/// What a job gives.
type Outcome<'a> = Result<Vec<Grown<'a>>, ExampleError>;

/// Runs each job on a thread, this one among them; where the system gives fewer threads, fewer do it.
fn run_all<'a>(jobs: Vec<Job<'a, '_>>) -> Vec<Outcome<'a>> {
    let threads = jobs.len();
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut outcomes = Vec::new();
        while let Some((place, job)) = next() {
            outcomes.push((place, job.run()));
        }
        outcomes
    };
    let mut outcomes = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads)
            .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut outcomes = work();
        for helper in helpers {
            outcomes.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        outcomes
    });
    outcomes.sort_unstable_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn share_sizes(records: usize, threads: usize) -> Vec<usize> {
    let shares = threads.min(records / RECORDS_FOR_A_THREAD).max(1);
    (0..shares)
        .map(|share| records * (share + 1) / shares - records * share / shares)
        .collect()
}

/// The records of one thread and where their values go.
struct Job<'a, 'b> {
    plan: &'a Plan,
    records: &'b [&'a [u8]],
    first: usize,
    single: bool,
    columns: Vec<Share<'a, 'b>>,
}

impl<'a> Job<'a, '_> {
    fn run(mut self) -> Outcome<'a> {
        let mut finder = KeyFinder::new(self.plan);
        let mut found = vec![None; self.plan.features.len()];
        for (row, &record) in self.records.iter().enumerate() {
            let locate = |(key, fault): (Option<&[u8]>, Fault)| ExampleError {
                record: self.first + row,
                key: key.map(<[u8]>::to_vec),
                fault,
            };
            found.fill(None);
            find_features(record, self.plan, &mut finder, self.single, &mut found).map_err(locate)?;
            for ((share, feature), &bytes) in self.columns.iter_mut().zip(&self.plan.features).zip(&found) {
                read_feature(share, feature, row, bytes).map_err(|fault| locate((Some(&feature.key), fault)))?;
                if self.plan.complete && !bytes.is_none_or(is_in_one_part) {
                    return Err(locate((Some(&feature.key), Fault::ListInParts(feature.kind))));
                }
            }
        }
        Ok(self.columns.into_iter().map(Share::into_grown).collect())
    }
}

/// Notes the bytes of each planned feature; of several with one key the last one counts.
fn find_features<'a>(
    record: &'a [u8],
    plan: &'a Plan,
    finder: &mut KeyFinder<'a>,
    single: bool,
    found: &mut [Option<&'a [u8]>],
) -> Result<(), (Option<&'a [u8]>, Fault)> {
    if record.len() > MAX_MESSAGE_SIZE {
        return Err((None, Fault::TooLarge(record.len())));
    }
    let mut unknown_kind = None;
    let mut unplanned = None;
    let mut unknown_fields = false;
    let mut cursor = Cursor::new(record);
    let sound = for_each_entry(&mut cursor, &mut unknown_fields, |place, key, feature| {
        let Some(column) = finder.find(place, key) else {
            // A feature without a list is as good as none.
            if plan.complete && !feature.is_empty() {
                unplanned = Some(key);
            }
            return;
        };
        match feature.first() {
            Some(0x0a | 0x12 | 0x1a) => found[column] = Some(feature),
            Some(_) => unknown_kind = Some(key),
            // A fixed or padded column takes an empty feature for none at all; a ragged one for one without values.
            None if !single && plan.features[column].layout == Layout::Ragged => found[column] = Some(feature),
            None => {}
        }
    });
    match (sound, unknown_kind, unplanned) {
        (None, ..) => Err((None, Fault::Malformed(cursor.position()))),
        _ if plan.complete && unknown_fields => Err((None, Fault::OtherMessage(MessageKind::of(record)))),
        (_, Some(key), _) => Err((Some(key), Fault::UnknownKind)),
        (_, _, Some(key)) => Err((Some(key), Fault::Unplanned)),
        _ => Ok(()),
    }
}

/// Calls `visit` with the place, key and `Feature` of every map entry, and notes whether there are other fields. None
/// where the message is damaged.
fn for_each_entry<'a>(
    cursor: &mut Cursor<'a>,
    unknown_fields: &mut bool,
    mut visit: impl FnMut(usize, &'a [u8], &'a [u8]),
) -> Option<()> {
    let mut place = 0;
    while !cursor.at_end() {
        if !cursor.expect_tag(FEATURES) {
            *unknown_fields = true;
            let tag = cursor.read_varint32()?;
            if !cursor.skip_field(tag) {
                return None;
            }
            continue;
        }
        let length = cursor.read_varint32()?;
        let message = cursor.push_limit(length);
        while !cursor.at_end() {
            if !cursor.expect_tag(ENTRY) {
                return None;
            }
            let (key, feature) = read_entry(cursor)?;
            visit(place, key, feature);
            place += 1;
        }
        cursor.pop_limit(message);
    }
    Some(())
}

/// A map entry: two fields, each a key or a value, and nothing else.
#[inline]
fn read_entry<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let length = cursor.read_varint32()?;
    let features = cursor.push_limit(length);
    let (mut key, mut feature) = (&[][..], &[][..]);
    for _ in 0..2 {
        match cursor.read_varint32()? {
            KEY => key = cursor.read_delimited()?,
            VALUE => feature = cursor.read_delimited()?,
            _ => return None,
        }
    }
    if !cursor.at_end() {
        return None;
    }
    cursor.pop_limit(features);
    Some((key, feature))
}

/// Reads one record's values of one feature; `bytes` is its `Feature`, None if there is none.
#[inline]
fn read_feature<'a>(
    share: &mut Share<'a, '_>,
    feature: &'a FeaturePlan,
    row: usize,
    bytes: Option<&'a [u8]>,
) -> Result<(), Fault> {
    let Some((&tag, list)) = bytes.and_then(<[u8]>::split_first) else {
        return read_missing(share, feature, row);
    };
    if tag != feature.kind.tag() {
        let found = [Kind::Bytes, Kind::Float, Kind::Int64]
            .into_iter()
            .find(|kind| kind.tag() == tag);
        return Err(Fault::WrongKind {
            expected: feature.kind,
            found: found.unwrap_or(feature.kind),
        });
    }
    let damaged = || Fault::MalformedList(feature.kind);
    let count = match &mut share.values {
        ShareValues::Int64(store) => {
            let list = Int64List::open(list).ok_or_else(damaged)?;
            check_length(feature.layout, list.len())?;
            list.read(store.row(row, list.len())).ok_or_else(damaged)?;
            list.len()
        }
        ShareValues::Float(store) => {
            let list = FloatList::open(list).ok_or_else(damaged)?;
            check_length(feature.layout, list.len())?;
            list.read(store.row(row, list.len()));
            list.len()
        }
        ShareValues::Bytes(store) => {
            let list = BytesList::open(list).ok_or_else(damaged)?;
            check_length(feature.layout, list.len())?;
            for (slot, value) in store.row(row, list.len()).iter_mut().zip(list.iter()) {
                *slot = value;
            }
            list.len()
        }
    };
    share.present[row] = true;
    if !matches!(feature.layout, Layout::Fixed { .. }) {
        share.lengths.push(count);
    }
    Ok(())
}

fn check_length(layout: Layout, found: usize) -> Result<(), Fault> {
    match layout {
        Layout::Fixed { elements } if found != elements => Err(Fault::WrongLength {
            expected: elements,
            found,
        }),
        Layout::Sequence { stride } if !found.is_multiple_of(stride) => Err(Fault::NotAMultiple { stride, found }),
        _ => Ok(()),
    }
}

#[cold]
fn read_missing<'a>(share: &mut Share<'a, '_>, feature: &'a FeaturePlan, row: usize) -> Result<(), Fault> {
    let Layout::Fixed { elements } = feature.layout else {
        share.lengths.push(0);
        return Ok(());
    };
    let defaults = match &feature.on_missing {
        OnMissing::Refuse => return Err(Fault::Missing(feature.kind)),
        OnMissing::Use(values) => Some(values),
        OnMissing::Absent => None,
    };
    match (&mut share.values, defaults) {
        (ShareValues::Int64(store), Some(DefaultValues::Int64(values))) => {
            store.row(row, elements).copy_from_slice(values);
        }
        (ShareValues::Float(store), Some(DefaultValues::Float(values))) => {
            store.row(row, elements).copy_from_slice(values);
        }
        (ShareValues::Bytes(store), Some(DefaultValues::Bytes(values))) => {
            for (slot, value) in store.row(row, elements).iter_mut().zip(values) {
                *slot = value;
            }
        }
        (ShareValues::Int64(store), _) => store.row(row, elements).fill(0),
        (ShareValues::Float(store), _) => store.row(row, elements).fill(0.0),
        (ShareValues::Bytes(store), _) => store.row(row, elements).fill(&[]),
    }
    Ok(())
}
