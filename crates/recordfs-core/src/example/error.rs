//! What can be wrong with a record, said so that it can be found and mended.

use super::{Kind, MessageKind};
use std::fmt;

/// A record that does not give the columns asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleError {
    /// The record's place in the batch.
    pub record: usize,
    /// The feature concerned; None if the record as a whole is broken.
    pub key: Option<Vec<u8>>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a record or one of its features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not a message of the expected type; reading stopped at this byte of the record.
    Malformed(usize),
    /// A message of 2 GiB or more.
    TooLarge(usize),
    /// A message of another type, where nothing may be left out.
    OtherMessage(MessageKind),
    /// A feature that is not in the plan, where nothing may be left out.
    Unplanned,
    /// A list written in parts, of which only the first would be read, where nothing may be left out.
    ListInParts(Kind),
    /// A `Feature` that begins with none of the three lists.
    UnknownKind,
    /// A list whose bytes cannot be read.
    MalformedList(Kind),
    /// Another kind of list than asked for.
    WrongKind {
        /// Asked for.
        expected: Kind,
        /// In the record.
        found: Kind,
    },
    /// Too many or too few values.
    WrongLength {
        /// Asked for.
        expected: usize,
        /// In the record.
        found: usize,
    },
    /// A number of values that is not a multiple of a step's size.
    NotAMultiple {
        /// Values a step.
        stride: usize,
        /// In the record.
        found: usize,
    },
    /// A required feature that is not there.
    Missing(Kind),
    /// A required feature list that is not there.
    MissingList(Kind),
    /// A feature list in which one step has another kind.
    WrongStepKind {
        /// Which step of the feature list.
        step: usize,
        /// The kind asked for.
        expected: Kind,
        /// The kind of the step.
        found: Kind,
    },
    /// A feature list in which one step is broken.
    BadStep {
        /// Which step of the feature list.
        step: usize,
        /// The kind asked for.
        expected: Kind,
    },
    /// A step with too many or too few values.
    WrongStepLength {
        /// Which step of the feature list.
        step: usize,
        /// Values asked for in each step.
        expected: usize,
        /// Values in this step.
        found: usize,
    },
}

impl fmt::Display for ExampleError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "record {} of the batch", self.record)?;
        if let Some(key) = &self.key {
            write!(out, ", feature '{}'", String::from_utf8_lossy(key))?;
        }
        write!(out, ": {}", self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed(at) => {
                write!(
                    out,
                    "not a serialized message of the expected type: it cannot be read past byte {at}"
                )
            }
            Fault::TooLarge(size) => write!(out, "{size} bytes; a message must be smaller than 2 GiB"),
            Fault::OtherMessage(kind) => write!(out, "not a serialized Example: {kind}"),
            Fault::Unplanned => write!(out, "none of the features to read, and would be left out"),
            Fault::ListInParts(kind) => write!(
                out,
                "its {} list is written in parts, of which only the first would be read; decode_example joins them",
                kind.name()
            ),
            Fault::UnknownKind => write!(out, "holds neither a bytes, nor a float, nor an int64 list"),
            Fault::MalformedList(kind) => write!(out, "its {} list is damaged", kind.name()),
            Fault::WrongKind { expected, found } => {
                write!(
                    out,
                    "expected {} values, found {} values",
                    expected.name(),
                    found.name()
                )
            }
            Fault::WrongLength { expected, found } => write!(out, "expected {expected} values, found {found}"),
            Fault::NotAMultiple { stride, found } => {
                write!(out, "expected a multiple of {stride} values, found {found}")
            }
            Fault::Missing(kind) => write!(
                out,
                "required ({} values) but missing; give the feature a default_value, or ask for it as VarLenFeature",
                kind.name()
            ),
            Fault::MissingList(kind) => write!(
                out,
                "required ({} values) but missing; ask for it with allow_missing=True, which makes it a list without \
                 steps, or as VarLenFeature",
                kind.name()
            ),
            Fault::WrongStepKind { step, expected, found } => write!(
                out,
                "step {step} of the feature list: expected {} values, found {} values",
                expected.name(),
                found.name()
            ),
            Fault::BadStep { step, expected } => {
                write!(
                    out,
                    "step {step} of the feature list does not hold a sound {} list",
                    expected.name()
                )
            }
            Fault::WrongStepLength { step, expected, found } => {
                write!(
                    out,
                    "step {step} of the feature list: expected {expected} values, found {found}"
                )
            }
        }
    }
}

impl std::error::Error for ExampleError {}
