//! What can be wrong with the bytes of a record file.

use std::fmt;

/// What is wrong with one record, without saying where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// The checksum of the length field does not match: the length cannot be trusted.
    LengthChecksum {
        /// The masked checksum in the file.
        stored: u32,
        /// The masked checksum of the eight bytes before it.
        computed: u32,
    },
    /// The checksum of the payload does not match. The length is sound, so the next record can be found.
    PayloadChecksum {
        /// The masked checksum in the file.
        stored: u32,
        /// The masked checksum of the payload.
        computed: u32,
    },
    /// The length is sound but above the limit that the caller set.
    TooLong {
        /// The length in the file.
        length: u64,
        /// The caller's limit.
        limit: u64,
    },
    /// The bytes end inside a header.
    TruncatedHeader {
        /// How many of the 12 header bytes are there.
        present: u64,
    },
    /// The bytes end inside a payload or its footer.
    TruncatedBody {
        /// How many bytes of the record, header included, are there.
        present: u64,
        /// How many bytes the whole record has, header and footer included.
        size: u64,
    },
}

impl RecordFault {
    /// True if more bytes at the end could make the record whole; false if what is there is wrong.
    #[must_use]
    pub const fn is_truncation(&self) -> bool {
        matches!(self, Self::TruncatedHeader { .. } | Self::TruncatedBody { .. })
    }
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LengthChecksum { stored, computed } => {
                write!(
                    f,
                    "corrupt record: the length's checksum is {stored:#010x}, but its bytes give {computed:#010x}"
                )
            }
            Self::PayloadChecksum { stored, computed } => {
                write!(
                    f,
                    "corrupt record: the data's checksum is {stored:#010x}, but its bytes give {computed:#010x}"
                )
            }
            Self::TooLong { length, limit } => {
                write!(
                    f,
                    "corrupt record: its length is {length} bytes, above the limit of {limit}"
                )
            }
            Self::TruncatedHeader { present } => {
                write!(f, "truncated record: {present} of the 12 bytes of its header are there")
            }
            Self::TruncatedBody { present, size } => {
                write!(f, "truncated record: {present} of its {size} bytes are there")
            }
        }
    }
}

/// A fault and the offset at which the broken record begins, in bytes of the uncompressed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Where the broken record begins.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: RecordFault,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (record at byte {})", self.fault, self.offset)
    }
}

impl std::error::Error for RecordError {}
