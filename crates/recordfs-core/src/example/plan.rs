//! Which features to read, and into what.

use super::Kind;
use std::collections::HashMap;

/// How many values a record has, and so what the column looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The same number in every record.
    Fixed {
        /// Values a record.
        elements: usize,
    },
    /// Any multiple of `stride` in each record; steps beyond a record's own are padding.
    Sequence {
        /// Values a step; at least 1.
        stride: usize,
    },
    /// Any number.
    Ragged,
}

/// Values to use where there are none.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValues {
    /// For an int64 feature.
    Int64(Vec<i64>),
    /// For a float feature.
    Float(Vec<f32>),
    /// For a bytes feature.
    Bytes(Vec<Vec<u8>>),
}

/// What a record without a [`Layout::Fixed`] feature means.
#[derive(Clone, Debug, PartialEq)]
pub enum OnMissing {
    /// The record is refused.
    Refuse,
    /// These values, as many as the feature has.
    Use(DefaultValues),
    /// Zeros or empty strings, and the column says that they are absent.
    Absent,
}

/// One feature to read.
#[derive(Clone, Debug)]
pub struct FeaturePlan {
    /// The key in the message's map.
    pub key: Vec<u8>,
    /// The kind of its list.
    pub kind: Kind,
    /// The shape of the column.
    pub layout: Layout,
    /// Only for [`Layout::Fixed`].
    pub on_missing: OnMissing,
    /// One value for the padding of [`Layout::Sequence`]; None is zero or the empty string.
    pub padding: Option<DefaultValues>,
}

/// All features to read, findable by key.
#[derive(Debug)]
pub struct Plan {
    pub(crate) features: Vec<FeaturePlan>,
    by_key: HashMap<Vec<u8>, usize>,
    /// Whether the features are all that records may hold, so that nothing is left out in silence.
    pub(crate) complete: bool,
}

impl Plan {
    /// Keys must be distinct, defaults of the feature's kind and size, strides positive: the caller has checked.
    pub fn new(features: Vec<FeaturePlan>) -> Self {
        let by_key = features
            .iter()
            .enumerate()
            .map(|(index, feature)| (feature.key.clone(), index))
            .collect();
        Plan {
            features,
            by_key,
            complete: false,
        }
    }

    /// The same plan, but whatever else a record holds is a fault: another feature, another message, a list of which
    /// TensorFlow's reader takes only the first part.
    #[must_use]
    pub fn complete(self) -> Self {
        Plan { complete: true, ..self }
    }

    /// Bytes that the fixed columns of a batch take at once, before the first record is looked at.
    ///
    /// A caller whose features ask for more than there is can so refuse instead of running out of memory.
    #[must_use]
    pub fn fixed_bytes(&self, records: usize) -> usize {
        let of_feature = |feature: &FeaturePlan| match feature.layout {
            Layout::Fixed { elements } => elements.saturating_mul(match feature.kind {
                Kind::Float => 4,
                Kind::Int64 => 8,
                Kind::Bytes => size_of::<&[u8]>(),
            }),
            _ => 0,
        };
        let of_record = self.features().iter().map(of_feature).fold(0, usize::saturating_add);
        of_record.saturating_mul(records)
    }

    /// The features, in the order of the columns.
    pub fn features(&self) -> &[FeaturePlan] {
        &self.features
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        self.by_key.get(key).copied()
    }
}

/// Finds columns for the keys of one record after another. Records of one file nearly always hold the same keys
/// in the same order, so the key at each place is compared with the former record's before it is looked up.
pub(crate) struct KeyFinder<'a> {
    plan: &'a Plan,
    former: Vec<(&'a [u8], Option<usize>)>,
}

/// Beyond this many features in a record keys are looked up, so that a hostile record costs no memory.
const REMEMBERED_PLACES: usize = 4096;

impl<'a> KeyFinder<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        KeyFinder {
            plan,
            former: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn find(&mut self, place: usize, key: &'a [u8]) -> Option<usize> {
        match self.former.get(place) {
            Some((former, column)) if *former == key => *column,
            _ => self.look_up(place, key),
        }
    }

    #[cold]
    fn look_up(&mut self, place: usize, key: &'a [u8]) -> Option<usize> {
        let column = self.plan.find(key);
        if let Some(slot) = self.former.get_mut(place) {
            *slot = (key, column);
        } else if place < REMEMBERED_PLACES {
            self.former.push((key, column));
        }
        column
    }
}
