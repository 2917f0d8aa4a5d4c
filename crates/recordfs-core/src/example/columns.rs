//! Columns: what a batch of records is turned into. For several threads fixed columns are allocated once and cut into
//! shares; ragged ones grow, because nobody knows their size before.

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

/// Where a thread puts its values of one column.
pub(crate) enum Store<'b, T> {
    /// Places in the batch's column.
    Placed(&'b mut [T]),
    /// A column of its own: where nobody knows the size before, or where there is one thread only.
    Grown(Vec<T>),
}

impl<T: Copy + Default> Store<'_, T> {
    /// The places for the `count` values of a record, which is the next one or, where all have as many, the `row`th.
    #[inline]
    pub(crate) fn row(&mut self, row: usize, count: usize) -> &mut [T] {
        match self {
            Store::Placed(values) => &mut values[row * count..(row + 1) * count],
            Store::Grown(values) => {
                let start = values.len();
                values.resize(start + count, T::default());
                &mut values[start..]
            }
        }
    }

    fn into_grown(self) -> Vec<T> {
        match self {
            Store::Placed(_) => Vec::new(),
            Store::Grown(values) => values,
        }
    }
}

/// A store of the column's kind.
pub(crate) enum ShareValues<'a, 'b> {
    Int64(Store<'b, i64>),
    Float(Store<'b, f32>),
    Bytes(Store<'b, &'a [u8]>),
}

/// A share of a column: the records of one thread.
pub(crate) struct Share<'a, 'b> {
    pub(crate) values: ShareValues<'a, 'b>,
    /// Each record's number of values, only for layouts that are not fixed.
    pub(crate) lengths: Vec<usize>,
    pub(crate) present: &'b mut [bool],
}

/// What a share has grown, none if it had places in the batch's column; and each record's number of values.
pub type Grown<'a> = (Values<'a>, Vec<usize>);

impl<'a, 'b> Share<'a, 'b> {
    /// A share that adds to these values.
    pub(crate) fn growing(values: Values<'a>, present: &'b mut [bool]) -> Self {
        Share {
            values: match values {
                Values::Int64(values) => ShareValues::Int64(Store::Grown(values)),
                Values::Float(values) => ShareValues::Float(Store::Grown(values)),
                Values::Bytes(values) => ShareValues::Bytes(Store::Grown(values)),
            },
            lengths: Vec::new(),
            present,
        }
    }

    /// Lets go of the places in the batch's columns.
    pub(crate) fn into_grown(self) -> Grown<'a> {
        let values = match self.values {
            ShareValues::Int64(store) => Values::Int64(store.into_grown()),
            ShareValues::Float(store) => Values::Float(store.into_grown()),
            ShareValues::Bytes(store) => Values::Bytes(store.into_grown()),
        };
        (values, self.lengths)
    }
}

/// The columns of a batch while they are filled.
pub(crate) struct Builder<'a> {
    plan: &'a Plan,
    columns: Vec<Column<'a>>,
    /// How many records each share has.
    sizes: Vec<usize>,
}

impl<'a> Builder<'a> {
    /// `sizes` are the numbers of records of the shares.
    pub(crate) fn new(plan: &'a Plan, sizes: Vec<usize>) -> Self {
        let records = sizes.iter().sum();
        let columns = plan.features.iter().map(|feature| {
            let placed = match feature.layout {
                Layout::Fixed { elements } if sizes.len() > 1 => elements * records,
                _ => 0,
            };
            Column {
                values: Values::new(feature.kind, placed),
                row_splits: None,
                steps: 0,
                present: vec![false; records],
            }
        });
        Builder {
            plan,
            columns: columns.collect(),
            sizes,
        }
    }

    /// For each share, one part of each column.
    pub(crate) fn shares<'b>(&'b mut self) -> Vec<Vec<Share<'a, 'b>>> {
        let sizes = &self.sizes[..];
        let mut shares: Vec<Vec<Share<'a, 'b>>> = sizes.iter().map(|_| Vec::new()).collect();
        for (column, feature) in self.columns.iter_mut().zip(&self.plan.features) {
            let parts = match &mut column.values {
                Values::Int64(values) => wrapped(stores(values, feature.layout, sizes), ShareValues::Int64),
                Values::Float(values) => wrapped(stores(values, feature.layout, sizes), ShareValues::Float),
                Values::Bytes(values) => wrapped(stores(values, feature.layout, sizes), ShareValues::Bytes),
            };
            let mut present = &mut column.present[..];
            for ((values, &size), share) in parts.into_iter().zip(sizes).zip(&mut shares) {
                let (head, tail) = present.split_at_mut(size);
                present = tail;
                share.push(Share {
                    values,
                    lengths: Vec::new(),
                    present: head,
                });
            }
        }
        shares
    }

    /// Joins what the shares have grown, in order.
    pub(crate) fn finish(mut self, grown: Vec<Vec<Grown<'a>>>) -> Vec<Column<'a>> {
        for (column, feature) in self.columns.iter_mut().zip(&self.plan.features) {
            if !matches!(feature.layout, Layout::Fixed { .. }) {
                column.row_splits = Some(vec![0]);
            }
        }
        for share in grown {
            for (column, (values, lengths)) in self.columns.iter_mut().zip(share) {
                join(column, values, &lengths);
            }
        }
        for (column, feature) in self.columns.iter_mut().zip(&self.plan.features) {
            if let Layout::Sequence { stride } = feature.layout {
                pad(column, feature, stride);
            }
        }
        self.columns
    }
}

fn wrapped<'a, 'b, T>(
    stores: Vec<Store<'b, T>>,
    wrap: impl Fn(Store<'b, T>) -> ShareValues<'a, 'b>,
) -> Vec<ShareValues<'a, 'b>> {
    stores.into_iter().map(wrap).collect()
}

/// One store for each share.
fn stores<'b, T>(mut values: &'b mut [T], layout: Layout, sizes: &[usize]) -> Vec<Store<'b, T>> {
    match (layout, sizes) {
        // One thread fills its places in order, so they need no zeros before.
        (Layout::Fixed { elements }, [records]) => vec![Store::Grown(Vec::with_capacity(elements * records))],
        (Layout::Fixed { elements }, _) => sizes
            .iter()
            .map(|size| {
                let (head, tail) = std::mem::take(&mut values).split_at_mut(size * elements);
                values = tail;
                Store::Placed(head)
            })
            .collect(),
        _ => sizes.iter().map(|_| Store::Grown(Vec::new())).collect(),
    }
}

/// Appends one share's values. The first share's are taken as they are, so one thread copies nothing.
fn join<'a>(column: &mut Column<'a>, values: Values<'a>, lengths: &[usize]) {
    if let Some(splits) = &mut column.row_splits {
        let mut end = splits[splits.len() - 1];
        splits.extend(lengths.iter().map(|&length| {
            end += length as i64;
            end
        }));
    }
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
