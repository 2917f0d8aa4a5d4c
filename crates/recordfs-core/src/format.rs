//! The two compressed formats of record files, and what can be wrong with their bytes.

use std::fmt;

/// The two wrappers around a deflate stream that record files use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 1950: two bytes of header, an Adler-32 after them. A file is one stream.
    Zlib,
    /// RFC 1952: ten bytes of header or more, a CRC-32 and the length after them. A file is one member or several.
    Gzip,
}

/// The largest gzip header accepted. Its name and comment have no limit in RFC 1952; nothing of it is kept in memory,
/// and the limit only ends the search for their final zero in a file that is not gzip at all.
pub const MAX_GZIP_HEADER: u64 = 256 * 1024;

/// Why a compressed stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateErrorKind {
    /// The header is not one of this format, or uses something that the format does not define.
    BadHeader(&'static str),
    /// The deflate data are damaged.
    BadData,
    /// The checksum in the trailer does not match the data.
    BadChecksum {
        /// What the trailer says.
        expected: u32,
        /// What the data give.
        found: u32,
    },
    /// The length in a gzip trailer does not match the data (both modulo 2^32).
    BadLength {
        /// What the trailer says.
        expected: u32,
        /// What the data give.
        found: u32,
    },
    /// Bytes follow a complete zlib stream, or something other than a further member follows a gzip member.
    TrailingBytes,
}

/// An [`InflateErrorKind`] with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflateError {
    /// What is wrong.
    pub kind: InflateErrorKind,
    /// The number of compressed bytes before the place where it was noticed.
    pub offset: u64,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            InflateErrorKind::BadHeader(what) => write!(f, "bad compression header: {what}")?,
            InflateErrorKind::BadData => write!(f, "damaged compressed data")?,
            InflateErrorKind::BadChecksum { expected, found } => {
                write!(
                    f,
                    "the compressed stream's trailer has checksum {expected:#010x}, its data give {found:#010x}"
                )?;
            }
            InflateErrorKind::BadLength { expected, found } => {
                write!(
                    f,
                    "the compressed stream's trailer has length {expected}, its data have {found} bytes"
                )?;
            }
            InflateErrorKind::TrailingBytes => write!(f, "bytes follow the end of the compressed stream")?,
        }
        write!(f, " (at compressed byte {})", self.offset)
    }
}

impl std::error::Error for InflateError {}
