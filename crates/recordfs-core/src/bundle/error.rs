//! What can be wrong with an index file, and with one entry of it.

use std::fmt;

use crate::protobuf::Malformed;

/// Why an index file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file is shorter than a table's footer.
    TooShort {
        /// The file's size in bytes.
        size: u64,
    },
    /// The file does not end with a table's magic number.
    Magic {
        /// The last eight bytes as a little-endian number.
        found: u64,
    },
    /// A block would reach beyond the bytes before the footer.
    BlockBounds {
        /// The size that its handle tells, in bytes.
        size: u64,
        /// Where the footer begins.
        limit: u64,
    },
    /// The checksum of a block does not match its bytes.
    BlockChecksum {
        /// The masked checksum in the file.
        stored: u32,
        /// The masked checksum of the bytes.
        computed: u32,
    },
    /// A block is compressed in a way that this format does not have.
    Compression(u8),
    /// The bytes of a compressed block are no Snappy stream, or claim to be larger than one can be.
    Snappy(String),
    /// A part does not follow its format.
    Malformed(&'static str),
    /// A key is not greater than the one before it.
    KeyOrder,
    /// The keys, written out, are far larger than an honest file's.
    KeyBytes {
        /// The largest sum that is taken for this file, in bytes.
        limit: u64,
    },
    /// The first key is not the empty one, which holds the header.
    NoHeader,
    /// The header says that readers of this version must not read the file.
    Version {
        /// The oldest version of a reader that may.
        min_consumer: i32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { size } => write!(
                f,
                "no index of a checkpoint: it has {size} bytes, and the footer of one has 48; the file was cut, or its \
                 writer never finished it"
            ),
            Self::Magic { found } => write!(
                f,
                "no index of a checkpoint: its last 8 bytes are {found:#018x}, not 0xdb4775248b80fb57; the file was \
                 cut, or is something else"
            ),
            Self::BlockBounds { size, limit } => write!(
                f,
                "corrupt index: a block of {size} bytes and its trailer would reach beyond byte {limit}"
            ),
            Self::BlockChecksum { stored, computed } => write!(
                f,
                "corrupt index: a block's checksum is {stored:#010x}, but its bytes give {computed:#010x}"
            ),
            Self::Compression(kind) => write!(
                f,
                "corrupt index: a block's compression is {kind}; 0 (none) and 1 (Snappy) are known"
            ),
            Self::Snappy(reason) => write!(f, "corrupt index: a block is no sound Snappy stream: {reason}"),
            Self::Malformed(what) => write!(f, "corrupt index: {what}"),
            Self::KeyOrder => write!(f, "corrupt index: a key is not greater than the one before it"),
            Self::KeyBytes { limit } => write!(
                f,
                "corrupt index: its keys, written out, take more than {limit} bytes, which no writer makes"
            ),
            Self::NoHeader => write!(
                f,
                "corrupt index: it does not begin with a header under the empty key; the file is another sorted table"
            ),
            Self::Version { min_consumer } => write!(
                f,
                "the checkpoint needs a reader of version {min_consumer} of its format, or refuses version 1, which \
                 this one is"
            ),
        }
    }
}

/// A fault and where in the index file the broken part begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleError {
    /// Byte offset in the file.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.fault, self.offset)
    }
}

impl std::error::Error for BundleError {}

/// What is wrong with the entry of one tensor; the others can be read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryFault {
    /// The message does not follow its format.
    Malformed(&'static str),
    /// The number of a data file is not below how many there are.
    Shard {
        /// The number in the entry.
        shard: i32,
        /// How many there are.
        shards: i32,
    },
    /// The offset or the size is negative, or their sum too large.
    Extent {
        /// The offset in the entry.
        offset: i64,
        /// The size in the entry.
        size: i64,
    },
    /// A dimension is negative, or all together are too large.
    Shape(Vec<i64>),
    /// The size in bytes is not that of an array of this shape.
    Size {
        /// The size in the entry.
        size: i64,
        /// What the shape comes to.
        expected: u64,
    },
    /// The entry of a slice is missing, or does not fit the tensor.
    Slice(String),
}

impl From<Malformed> for EntryFault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.reason)
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "its entry is corrupt: {what}"),
            Self::Shard { shard, shards } => {
                write!(f, "its entry names data file {shard}, and the checkpoint has {shards}")
            }
            Self::Extent { offset, size } => {
                write!(f, "its entry places {size} bytes at offset {offset}, which no file has")
            }
            Self::Shape(shape) => write!(f, "its shape {shape:?} is impossible"),
            Self::Size { size, expected } => {
                write!(
                    f,
                    "its entry says {size} bytes, and its shape and type need {expected} or more"
                )
            }
            Self::Slice(what) => write!(f, "its slices are corrupt: {what}"),
        }
    }
}
