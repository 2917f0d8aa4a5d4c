//! What features a file's records hold: kinds, lengths, and how many records have them.

use super::Kind;
use super::message::{DecodedFeature, MessageError, UnknownFields, decode_sequence_example};
use std::collections::HashMap;

/// What was seen of one feature, or of one feature list's steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureCounts {
    /// Records that have the key.
    pub records: u64,
    /// Occurrences without a list, with a bytes, a float and an int64 list: one a record, or one a step.
    pub kinds: [u64; 4],
    /// The fewest and the most values of an occurrence that has a list; (0, 0) if none has.
    pub length: (usize, usize),
    /// For a feature list the fewest and the most steps of a record.
    pub steps: (usize, usize),
}

impl FeatureCounts {
    fn add(&mut self, feature: &DecodedFeature<'_>) {
        self.kinds[feature.kind().map_or(0, |kind: Kind| kind as usize)] += 1;
        if feature.kind().is_some() {
            let first = self.kinds[1..].iter().sum::<u64>() == 1;
            widen(&mut self.length, feature.len(), first);
        }
    }
}

fn widen(range: &mut (usize, usize), value: usize, first: bool) {
    *range = if first {
        (value, value)
    } else {
        (range.0.min(value), range.1.max(value))
    };
}

/// A tally over any number of records. Its memory is bounded by `max_features` keys.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Records seen.
    pub records: u64,
    /// Features of Examples, and of the context of SequenceExamples.
    pub features: HashMap<String, FeatureCounts>,
    /// Feature lists.
    pub feature_lists: HashMap<String, FeatureCounts>,
}

impl Summary {
    /// Counts one record.
    ///
    /// # Errors
    /// A record that protobuf refuses, one with fields that no Example has, or one that brings the number of distinct keys above `max_features`.
    pub fn add(&mut self, record: &[u8], max_features: usize) -> Result<(), MessageError> {
        let (features, lists) =
            decode_sequence_example(record, UnknownFields::Refuse).map_err(|error| error.explained(record))?;
        self.records += 1;
        for (key, feature) in features {
            let counts = Self::counts(&mut self.features, key, max_features)?;
            counts.records += 1;
            counts.add(&feature);
        }
        for (key, steps) in lists {
            let counts = Self::counts(&mut self.feature_lists, key, max_features)?;
            counts.records += 1;
            widen(&mut counts.steps, steps.len(), counts.records == 1);
            for step in &steps {
                counts.add(step);
            }
        }
        Ok(())
    }

    fn counts<'s>(
        map: &'s mut HashMap<String, FeatureCounts>,
        key: &str,
        max_features: usize,
    ) -> Result<&'s mut FeatureCounts, MessageError> {
        if !map.contains_key(key) {
            if map.len() == max_features {
                return Err(MessageError::TooManyFeatures(max_features));
            }
            map.insert(key.to_owned(), FeatureCounts::default());
        }
        Ok(map.get_mut(key).expect("the key was just put there"))
    }
}
