//! `tf.train.Example` and `tf.train.SequenceExample` to columns and back, by hand from the wire format.
//!
//! ```text
//! Example         { Features features = 1; }
//! SequenceExample { Features context = 1; FeatureLists feature_lists = 2; }
//! Features        { map<string, Feature> feature = 1; }
//! FeatureLists    { map<string, FeatureList> feature_list = 1; }
//! FeatureList     { repeated Feature feature = 1; }
//! Feature         { oneof kind { BytesList = 1; FloatList = 2; Int64List = 3; } }
//! BytesList / FloatList / Int64List { repeated bytes / packed float / packed int64 value = 1; }
//! ```
//! Source: `tensorflow/core/example/{example,feature}.proto`.
//!
//! There are two readers, because TensorFlow has two. [`parse`] and [`sequence`] give what `tf.io.parse_example`
//! and `tf.io.parse_sequence_example` give, whose reader takes some messages that protobuf refuses and refuses
//! some that protobuf takes; [`message`] reads as protobuf does. `docs/formats/example.md` lists the differences.

mod columns;
mod cursor;
mod encode;
mod error;
mod kind;
mod lists;
mod message;
mod parse;
mod plan;
mod sequence;
mod summary;

pub use crate::protobuf::MAX_MESSAGE_SIZE;
pub use columns::{Column, Grown, Values};
pub use encode::{FeatureValues, encode_example, encode_sequence_example};
pub use error::{ExampleError, Fault};
pub use kind::MessageKind;
pub use message::{DecodedFeature, MessageError, UnknownFields, decode_example, decode_sequence_example};
pub use parse::{parse_batch, parse_more};
pub use plan::{DefaultValues, FeaturePlan, Layout, OnMissing, Plan};
pub use sequence::{SequenceColumn, parse_sequence_batch};
pub use summary::{FeatureCounts, Summary};

/// Which of the three lists a feature holds. The numbers are the field numbers in `Feature`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `BytesList`
    Bytes = 1,
    /// `FloatList`
    Float = 2,
    /// `Int64List`
    Int64 = 3,
}

impl Kind {
    /// The tag byte of this kind's list in a `Feature`: field number and wire type 2.
    pub(crate) const fn tag(self) -> u8 {
        (self as u8) << 3 | 2
    }

    /// TensorFlow's name of the values' type.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Bytes => "bytes",
            Kind::Float => "float32",
            Kind::Int64 => "int64",
        }
    }
}
