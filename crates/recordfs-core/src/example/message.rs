//! Whole messages as protobuf reads them: repeated parts are merged, the last entry of a key wins, and anything protobuf
//! calls malformed is refused. Unknown fields are stepped over, or refused where nothing may be left out. This is for
//! looking at records; see [`super::parse`] for columns.

use super::{Kind, MessageKind};
use crate::protobuf::{Field, Malformed, for_each_field};
use crate::varint;
use std::collections::HashMap;
use std::fmt;

/// A record that is not what it is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// What is wrong: protobuf would refuse it, or it holds what would be left out.
    Malformed(&'static str),
    /// A sound message of another type.
    OtherMessage(MessageKind),
    /// A sound one with features beyond those that there is room to list.
    TooManyFeatures(usize),
}

impl MessageError {
    /// The same error about `record`, or what the record is instead, if that can be told.
    #[must_use]
    pub fn explained(self, record: &[u8]) -> Self {
        if let MessageError::TooManyFeatures(_) = self {
            return self;
        }
        match MessageKind::of(record) {
            MessageKind::Example | MessageKind::Other => self,
            kind => MessageError::OtherMessage(kind),
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::Malformed(reason) => write!(out, "not a serialized Example: {reason}"),
            MessageError::OtherMessage(kind) => write!(out, "not a serialized Example: {kind}"),
            MessageError::TooManyFeatures(most) => {
                write!(
                    out,
                    "with this one the records hold too many different features to list, more than {most}"
                )
            }
        }
    }
}

impl std::error::Error for MessageError {}

impl From<Malformed> for MessageError {
    fn from(Malformed { reason }: Malformed) -> Self {
        MessageError::Malformed(reason)
    }
}

const fn malformed<T>(reason: &'static str) -> Result<T, MessageError> {
    Err(MessageError::Malformed(reason))
}

/// The values of one feature.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum DecodedFeature<'a> {
    /// No list is set.
    #[default]
    Unset,
    /// A `BytesList`.
    Bytes(Vec<&'a [u8]>),
    /// A `FloatList`.
    Float(Vec<f32>),
    /// An `Int64List`.
    Int64(Vec<i64>),
}

impl DecodedFeature<'_> {
    /// None if no list is set.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            DecodedFeature::Unset => None,
            DecodedFeature::Bytes(_) => Some(Kind::Bytes),
            DecodedFeature::Float(_) => Some(Kind::Float),
            DecodedFeature::Int64(_) => Some(Kind::Int64),
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            DecodedFeature::Unset => 0,
            DecodedFeature::Bytes(values) => values.len(),
            DecodedFeature::Float(values) => values.len(),
            DecodedFeature::Int64(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keys and features in the order in which the keys first appear.
pub type DecodedFeatures<'a> = Vec<(&'a str, DecodedFeature<'a>)>;
/// Keys and steps in the order in which the keys first appear.
pub type DecodedFeatureLists<'a> = Vec<(&'a str, Vec<DecodedFeature<'a>>)>;

/// What to do with fields that neither an Example nor a SequenceExample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// Step over them, as protobuf does.
    Skip,
    /// Refuse the message: it is of another type, or holds what would be lost.
    Refuse,
}

impl UnknownFields {
    fn meet(self) -> Result<(), MessageError> {
        match self {
            UnknownFields::Skip => Ok(()),
            UnknownFields::Refuse => malformed("it holds fields that no Example has"),
        }
    }
}

/// Reads an Example.
///
/// # Errors
/// What protobuf refuses, and unknown fields where they are to be refused.
pub fn decode_example(record: &[u8], unknown: UnknownFields) -> Result<DecodedFeatures<'_>, MessageError> {
    let mut features = Entries::default();
    unknown.for_each_message(record, |number, bytes| match number {
        1 => read_map(bytes, &mut features, unknown, read_feature),
        _ => unknown.meet(),
    })?;
    Ok(features.entries)
}

/// Reads a SequenceExample: its context and its feature lists. An Example reads as one without feature lists.
///
/// # Errors
/// As [`decode_example`].
pub fn decode_sequence_example(
    record: &[u8],
    unknown: UnknownFields,
) -> Result<(DecodedFeatures<'_>, DecodedFeatureLists<'_>), MessageError> {
    let mut context = Entries::default();
    let mut lists = Entries::default();
    unknown.for_each_message(record, |number, bytes| match number {
        1 => read_map(bytes, &mut context, unknown, read_feature),
        2 => read_map(bytes, &mut lists, unknown, read_feature_list),
        _ => unknown.meet(),
    })?;
    Ok((context.entries, lists.entries))
}

/// A map whose last entry of a key wins.
struct Entries<'a, T> {
    entries: Vec<(&'a str, T)>,
    places: HashMap<&'a str, usize>,
}

impl<T> Default for Entries<'_, T> {
    fn default() -> Self {
        Entries {
            entries: Vec::new(),
            places: HashMap::new(),
        }
    }
}

/// Up to here keys are compared with each other, which costs less than a hash table.
const FEW_KEYS: usize = 16;

impl<'a, T> Entries<'a, T> {
    fn insert(&mut self, key: &'a str, value: T) {
        let place = if self.entries.len() <= FEW_KEYS {
            self.entries.iter().position(|(known, _)| *known == key)
        } else {
            if self.places.is_empty() {
                self.places = self
                    .entries
                    .iter()
                    .enumerate()
                    .map(|(place, (key, _))| (*key, place))
                    .collect();
            }
            self.places.get(key).copied()
        };
        match place {
            Some(place) => self.entries[place].1 = value,
            None => {
                if !self.places.is_empty() {
                    self.places.insert(key, self.entries.len());
                }
                self.entries.push((key, value));
            }
        }
    }
}

fn read_map<'a, T: Default>(
    bytes: &'a [u8],
    map: &mut Entries<'a, T>,
    unknown: UnknownFields,
    merge: impl Fn(&'a [u8], UnknownFields, &mut T) -> Result<(), MessageError>,
) -> Result<(), MessageError> {
    unknown.for_each_message(bytes, |number, entry| {
        if number != 1 {
            return unknown.meet();
        }
        let (mut key, mut value) = (None, None);
        let mut whole = true;
        for_each_field(entry, |number, field| {
            match (number, field) {
                (1, Field::Delimited(bytes)) => match std::str::from_utf8(bytes) {
                    Ok(text) => key = Some(text),
                    Err(_) => return malformed("a key is not UTF-8"),
                },
                (2, Field::Delimited(bytes)) => merge(bytes, unknown, value.get_or_insert_default())?,
                _ => whole = false,
            }
            Ok(())
        })?;
        // Every writer of a map gives each entry its key and its value. protobuf takes one without either, and protobuf
        // for Python takes an entry with anything else in it for an unknown field.
        if key.is_none() || value.is_none() || !whole {
            unknown.meet()?;
        }
        if whole {
            map.insert(key.unwrap_or_default(), value.unwrap_or_default());
        }
        Ok(())
    })
}

fn read_feature_list<'a>(
    bytes: &'a [u8],
    unknown: UnknownFields,
    steps: &mut Vec<DecodedFeature<'a>>,
) -> Result<(), MessageError> {
    unknown.for_each_message(bytes, |number, feature| {
        if number != 1 {
            return unknown.meet();
        }
        let mut step = DecodedFeature::Unset;
        read_feature(feature, unknown, &mut step)?;
        steps.push(step);
        Ok(())
    })
}

/// Merges a `Feature`: a list of the same kind is added to, one of another kind takes its place.
fn read_feature<'a>(
    bytes: &'a [u8],
    unknown: UnknownFields,
    feature: &mut DecodedFeature<'a>,
) -> Result<(), MessageError> {
    unknown.for_each_message(bytes, |number, list| match number {
        1 => {
            if !matches!(feature, DecodedFeature::Bytes(_)) {
                *feature = DecodedFeature::Bytes(Vec::new());
            }
            let DecodedFeature::Bytes(values) = feature else {
                unreachable!()
            };
            read_bytes_list(list, unknown, values)
        }
        2 => {
            if !matches!(feature, DecodedFeature::Float(_)) {
                *feature = DecodedFeature::Float(Vec::new());
            }
            let DecodedFeature::Float(values) = feature else {
                unreachable!()
            };
            read_float_list(list, unknown, values)
        }
        3 => {
            if !matches!(feature, DecodedFeature::Int64(_)) {
                *feature = DecodedFeature::Int64(Vec::new());
            }
            let DecodedFeature::Int64(values) = feature else {
                unreachable!()
            };
            read_int64_list(list, unknown, values)
        }
        _ => unknown.meet(),
    })
}

fn read_bytes_list<'a>(list: &'a [u8], unknown: UnknownFields, values: &mut Vec<&'a [u8]>) -> Result<(), MessageError> {
    unknown.for_each_message(list, |number, value| {
        if number != 1 {
            return unknown.meet();
        }
        values.push(value);
        Ok(())
    })
}

fn read_float_list(list: &[u8], unknown: UnknownFields, values: &mut Vec<f32>) -> Result<(), MessageError> {
    for_each_field(list, |number, field| {
        match (number, field) {
            (1, Field::Fixed32(value)) => values.push(f32::from_le_bytes(value)),
            (1, Field::Delimited(packed)) => {
                let (floats, rest) = packed.as_chunks::<4>();
                if !rest.is_empty() {
                    return malformed("a packed float list ends inside a value");
                }
                values.extend(floats.iter().map(|value| f32::from_le_bytes(*value)));
            }
            _ => unknown.meet()?,
        }
        Ok(())
    })
}

fn read_int64_list(list: &[u8], unknown: UnknownFields, values: &mut Vec<i64>) -> Result<(), MessageError> {
    for_each_field(list, |number, field| {
        match (number, field) {
            (1, Field::Varint(value)) => values.push(value as i64),
            (1, Field::Delimited(packed)) => {
                let start = values.len();
                values.resize(start + varint::count(packed), 0);
                if varint::decode_all(packed, &mut values[start..]).is_none() {
                    return malformed("a packed int64 list holds a damaged varint");
                }
            }
            _ => unknown.meet()?,
        }
        Ok(())
    })
}

impl UnknownFields {
    /// Calls `visit` with each length-delimited field; no message here has others.
    #[inline]
    fn for_each_message<'a>(
        self,
        message: &'a [u8],
        mut visit: impl FnMut(u32, &'a [u8]) -> Result<(), MessageError>,
    ) -> Result<(), MessageError> {
        for_each_field(message, |number, field| match field {
            Field::Delimited(bytes) => visit(number, bytes),
            _ => self.meet(),
        })
    }
}
