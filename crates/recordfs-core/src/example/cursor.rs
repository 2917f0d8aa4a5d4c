//! A position in a serialized message, with the limits of protobuf's `CodedInputStream`, which TensorFlow's Example
//! reader is built on. Two of its habits decide what becomes of damaged messages and are kept on purpose:
//! a limit beyond the enclosing one is ignored, and a 32-bit length drops the bits above.

/// Reads forward through one message.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    limit: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor {
            bytes,
            position: 0,
            limit: bytes.len(),
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    #[inline]
    pub(crate) fn at_end(&self) -> bool {
        self.position == self.limit
    }

    /// What is left up to the limit.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..self.limit]
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// Steps over the next byte if it is `tag`.
    #[inline]
    pub(crate) fn expect_tag(&mut self, tag: u8) -> bool {
        let found = self.peek() == Some(tag);
        self.position += usize::from(found);
        found
    }

    /// A varint of at most ten bytes; bits above the 64th are dropped.
    #[inline]
    pub(crate) fn read_varint64(&mut self) -> Option<u64> {
        let rest = self.rest();
        let first = *rest.first()?;
        if first < 0x80 {
            self.position += 1;
            return Some(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for (index, &byte) in rest.iter().enumerate().take(10).skip(1) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.position += index + 1;
                return Some(value);
            }
        }
        None
    }

    /// A length or a tag: the low 32 bits of a varint.
    #[inline]
    pub(crate) fn read_varint32(&mut self) -> Option<u32> {
        self.read_varint64().map(|value| value as u32)
    }

    /// The next `length` bytes.
    #[inline]
    pub(crate) fn read_bytes(&mut self, length: u32) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length as usize)?;
        self.position += taken.len();
        Some(taken)
    }

    /// Goes on behind everything up to the limit.
    pub(crate) fn take_rest(&mut self) {
        self.position = self.limit;
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
    pub(crate) fn push_limit(&mut self, length: u32) -> usize {
        let former = self.limit;
        if (length as usize) < former - self.position {
            self.limit = self.position + length as usize;
        }
        former
    }

    #[inline]
    pub(crate) fn pop_limit(&mut self, former: usize) {
        self.limit = former;
    }

    /// Steps over a field with the given tag. A length-delimited field that is longer than the message ends it, and
    /// one of 2 GiB or more is stepped into, not over: so does TensorFlow. False for groups and unknown wire types.
    pub(crate) fn skip_field(&mut self, tag: u32) -> bool {
        match tag & 7 {
            0 => self.read_varint64().is_some(),
            1 => self.read_bytes(8).is_some(),
            2 => match self.read_varint32() {
                Some(length) if length <= i32::MAX as u32 => {
                    self.position += (length as usize).min(self.rest().len());
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
