//! Columns: what a batch of records is turned into. Fixed columns are allocated once for the batch and cut into one
//! share for each thread; ragged ones grow, because nobody knows their size before.

use super::plan::{DefaultValues, FeaturePlan, Layout};
use super::{Kind, Plan};

/// The values of a column, record after record.
#[derive(Clone, Debug, PartialEq)]
pub enum Values<'a> {
    /// int64
    Int64(Vec<i64>),
    /// float32
    Float(Vec<f32>),
    /// Slices of the records, or of the plan's defaults.
    Bytes(Vec<&'a [u8]>),
}

impl Values<'_> {
    pub(crate) fn new(kind: Kind, length: usize) -> Self {
        match kind {
            Kind::Int64 => Values::Int64(vec![0; length]),
            Kind::Float => Values::Float(vec![0.0; length]),
            Kind::Bytes => Values::Bytes(vec![&[][..]; length]),
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Values::Int64(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Bytes(values) => values.len(),
        }
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One column of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Column<'a> {
    /// All values, flat.
    pub values: Values<'a>,
    /// For [`Layout::Ragged`]: where each record's values begin, and the end; one more than records.
    /// For [`Layout::Sequence`]: the same before padding, counted in values.
    pub row_splits: Option<Vec<i64>>,
    /// For [`Layout::Sequence`]: the padded number of steps.
    pub steps: usize,
    /// Which records hold the feature.
    pub present: Vec<bool>,
}

/// A share of a column: the records of one thread.
pub(crate) struct Share<'a, 'b> {
    pub(crate) values: ShareValues<'a, 'b>,
    /// Only for layouts that are not fixed: the end of each record's values within the share.
    pub(crate) ends: Vec<usize>,
    pub(crate) present: &'b mut [bool],
}

/// Places in the batch's column for fixed layouts, a column of its own for the others.
pub(crate) enum ShareValues<'a, 'b> {
    Int64(&'b mut [i64]),
    Float(&'b mut [f32]),
    Bytes(&'b mut [&'a [u8]]),
    Grown(Values<'a>),
}

/// What a share has grown: values and the end of each record's; None for a fixed layout.
pub(crate) type Grown<'a> = Option<(Values<'a>, Vec<usize>)>;

impl<'a> Share<'a, '_> {
    /// Lets go of the places in the batch's columns.
    pub(crate) fn into_grown(self) -> Grown<'a> {
        match self.values {
            ShareValues::Grown(values) => Some((values, self.ends)),
            _ => None,
        }
    }
}

/// The columns of a batch while they are filled.
pub(crate) struct Builder<'a> {
    columns: Vec<Column<'a>>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(plan: &'a Plan, records: usize) -> Self {
        let columns = plan
            .features
            .iter()
            .map(|feature| {
                let length = match feature.layout {
                    Layout::Fixed { elements } => elements * records,
                    _ => 0,
                };
                let values = Values::new(feature.kind, length);
                Column {
                    values,
                    row_splits: None,
                    steps: 0,
                    present: vec![false; records],
                }
            })
            .collect();
        Builder { columns }
    }

    /// Cuts the batch into shares of the given numbers of records: for each share, one part of each column.
    pub(crate) fn shares<'b>(&'b mut self, plan: &'a Plan, sizes: &[usize]) -> Vec<Vec<Share<'a, 'b>>> {
        let mut shares: Vec<Vec<Share<'a, 'b>>> = sizes.iter().map(|_| Vec::new()).collect();
        for (column, feature) in self.columns.iter_mut().zip(&plan.features) {
            let mut present = &mut column.present[..];
            match (&mut column.values, feature.layout) {
                (Values::Int64(values), Layout::Fixed { elements }) => {
                    cut(values, elements, sizes, &mut present, &mut shares, ShareValues::Int64);
                }
                (Values::Float(values), Layout::Fixed { elements }) => {
                    cut(values, elements, sizes, &mut present, &mut shares, ShareValues::Float);
                }
                (Values::Bytes(values), Layout::Fixed { elements }) => {
                    cut(values, elements, sizes, &mut present, &mut shares, ShareValues::Bytes);
                }
                _ => {
                    let grown = |_: &'b mut [()]| ShareValues::Grown(Values::new(feature.kind, 0));
                    cut(&mut [], 0, sizes, &mut present, &mut shares, grown);
                }
            }
        }
        shares
    }

    /// Joins what the shares have grown, in order: for each share its columns' values and ends.
    pub(crate) fn finish(mut self, plan: &'a Plan, grown: Vec<Vec<Grown<'a>>>) -> Vec<Column<'a>> {
        for share in grown {
            for (column, grown) in self.columns.iter_mut().zip(share) {
                if let Some((values, ends)) = grown {
                    join(column, values, &ends);
                }
            }
        }
        for (column, feature) in self.columns.iter_mut().zip(&plan.features) {
            if !matches!(feature.layout, Layout::Fixed { .. }) {
                column.row_splits.get_or_insert_with(|| vec![0]);
            }
            if let Layout::Sequence { stride } = feature.layout {
                pad(column, feature, stride);
            }
        }
        self.columns
    }
}

fn cut<'a, 'b, T>(
    mut values: &'b mut [T],
    elements: usize,
    sizes: &[usize],
    present: &mut &'b mut [bool],
    shares: &mut [Vec<Share<'a, 'b>>],
    wrap: impl Fn(&'b mut [T]) -> ShareValues<'a, 'b>,
) {
    for (&size, share) in sizes.iter().zip(shares) {
        let (head, tail) = values.split_at_mut(size * elements);
        let (present_head, present_tail) = std::mem::take(present).split_at_mut(size);
        values = tail;
        *present = present_tail;
        share.push(Share {
            values: wrap(head),
            ends: Vec::new(),
            present: present_head,
        });
    }
}

/// Appends one share's values. The first share's are taken as they are, so one thread copies nothing.
fn join<'a>(column: &mut Column<'a>, values: Values<'a>, ends: &[usize]) {
    let splits = column.row_splits.get_or_insert_with(|| vec![0]);
    let start = splits[splits.len() - 1];
    splits.extend(ends.iter().map(|&end| start + end as i64));
    match (&mut column.values, values) {
        (all, first) if all.is_empty() => *all = first,
        (Values::Int64(all), Values::Int64(more)) => all.extend(more),
        (Values::Float(all), Values::Float(more)) => all.extend(more),
        (Values::Bytes(all), Values::Bytes(more)) => all.extend(more),
        _ => unreachable!("all shares of a column are of its kind"),
    }
}

/// Fills every record up to the longest one's number of steps.
fn pad<'a>(column: &mut Column<'a>, feature: &'a FeaturePlan, stride: usize) {
    let splits = column.row_splits.as_deref().unwrap_or(&[0]);
    let longest = splits
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as usize)
        .max()
        .unwrap_or(0);
    column.steps = longest / stride;
    column.values = match (&column.values, &feature.padding) {
        (Values::Int64(values), Some(DefaultValues::Int64(fill))) => {
            Values::Int64(padded(values, splits, longest, fill[0]))
        }
        (Values::Int64(values), _) => Values::Int64(padded(values, splits, longest, 0)),
        (Values::Float(values), Some(DefaultValues::Float(fill))) => {
            Values::Float(padded(values, splits, longest, fill[0]))
        }
        (Values::Float(values), _) => Values::Float(padded(values, splits, longest, 0.0)),
        (Values::Bytes(values), Some(DefaultValues::Bytes(fill))) => {
            Values::Bytes(padded(values, splits, longest, &fill[0][..]))
        }
        (Values::Bytes(values), _) => Values::Bytes(padded(values, splits, longest, &[][..])),
    };
}

pub(crate) fn padded<T: Copy>(values: &[T], splits: &[i64], longest: usize, fill: T) -> Vec<T> {
    let mut out = Vec::with_capacity(longest * (splits.len() - 1));
    for pair in splits.windows(2) {
        let row = &values[pair[0] as usize..pair[1] as usize];
        out.extend_from_slice(row);
        out.resize(out.len() + longest - row.len(), fill);
    }
    out
}
