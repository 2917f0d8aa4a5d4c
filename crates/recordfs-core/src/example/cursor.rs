//! A position in a serialized message, with the limits of protobuf's `CodedInputStream`, which TensorFlow's Example
//! reader is built on. Two of its habits decide what becomes of damaged messages and are kept on purpose:
//! a limit beyond the enclosing one is ignored, and a 32-bit length drops the bits above.

use crate::varint;

/// Reads forward through one message.
pub(crate) struct Cursor<'a> {
    /// What is left up to the limit.
    rest: &'a [u8],
    /// The address of the message's first byte.
    start: usize,
}

/// What [`Cursor::pop_limit`] goes back to.
pub(crate) struct Limit<'a> {
    outer: &'a [u8],
    length: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor {
            rest: bytes,
            start: bytes.as_ptr() as usize,
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.rest.as_ptr() as usize - self.start
    }

    #[inline]
    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left up to the limit.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Steps over the next byte if it is `tag`.
    #[inline]
    pub(crate) fn expect_tag(&mut self, tag: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == tag => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// A varint of at most ten bytes; bits above the 64th are dropped.
    #[inline]
    pub(crate) fn read_varint64(&mut self) -> Option<u64> {
        match self.rest {
            [first @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Some(u64::from(*first))
            }
            [first, second @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Some(u64::from(first & 0x7f) | u64::from(*second) << 7)
            }
            _ => {
                let (value, length) = varint::decode_one(self.rest)?;
                self.rest = &self.rest[length..];
                Some(value)
            }
        }
    }

    /// A length or a tag: the low 32 bits of a varint.
    #[inline]
    pub(crate) fn read_varint32(&mut self) -> Option<u32> {
        self.read_varint64().map(|value| value as u32)
    }

    /// The next `length` bytes.
    #[inline]
    pub(crate) fn read_bytes(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length as usize)?;
        self.rest = rest;
        Some(taken)
    }

    /// Goes past everything up to the limit.
    pub(crate) fn take_rest(&mut self) {
        self.rest = &self.rest[self.rest.len()..];
    }

    /// A length and that many bytes.
    #[inline]
    pub(crate) fn read_delimited(&mut self) -> Option<&'a [u8]> {
        let length = self.read_varint32()?;
        self.read_bytes(length)
    }

    /// Ends reading after `length` bytes, or where it ended before if that comes first.
    /// Returns the former limit for [`Cursor::pop_limit`].
    #[inline]
    pub(crate) fn push_limit(&mut self, length: u32) -> Limit<'a> {
        let outer = self.rest;
        let length = outer.len().min(length as usize);
        self.rest = &outer[..length];
        Limit { outer, length }
    }

    #[inline]
    pub(crate) fn pop_limit(&mut self, former: Limit<'a>) {
        self.rest = &former.outer[former.length - self.rest.len()..];
    }

    /// Steps over a field with the given tag. A length-delimited field that is longer than the message ends it, and
    /// one of 2 GiB or more is stepped into, not over: so does TensorFlow. False for groups and unknown wire types.
    pub(crate) fn skip_field(&mut self, tag: u32) -> bool {
        match tag & 7 {
            0 => self.read_varint64().is_some(),
            1 => self.read_bytes(8).is_some(),
            2 => match self.read_varint32() {
                Some(length) if length <= i32::MAX as u32 => {
                    self.rest = &self.rest[(length as usize).min(self.rest.len())..];
                    true
                }
                Some(_) => true,
                None => false,
            },
            5 => self.read_bytes(4).is_some(),
            _ => false,
        }
    }
}
