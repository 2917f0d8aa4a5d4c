//! The headers of zlib streams and gzip members, read as their bytes arrive; nothing of them is kept.

use zlib_rs::crc32::crc32;

use crate::format::{Format, InflateErrorKind, MAX_GZIP_HEADER};
use crate::partial::Partial;

/// Reads the header of a zlib stream or of a gzip member; nothing of it is kept.
pub(crate) struct Header {
    part: HeaderPart,
    gathered: Partial<10>,
    /// gzip's FLG byte, without the bits of the parts that are already read.
    flags: u8,
    /// CRC-32 of the header so far; gzip stores its low half where FHCRC is set.
    crc: u32,
    length: u64,
    first_member: bool,
}

#[derive(Clone, Copy)]
enum HeaderPart {
    Zlib,
    GzipFixed,
    GzipExtraLength,
    GzipExtra(usize),
    GzipText,
    GzipCrc,
}

const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl Header {
    pub(crate) fn new(format: Format, first_member: bool) -> Self {
        let part = match format {
            Format::Zlib => HeaderPart::Zlib,
            Format::Gzip => HeaderPart::GzipFixed,
        };
        Self {
            part,
            gathered: Partial::new(),
            flags: 0,
            crc: 0,
            length: 0,
            first_member,
        }
    }

    /// Takes header bytes from the front of `input`; returns how many, and whether the header is complete.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(usize, bool), InflateErrorKind> {
        let mut consumed = 0;
        while consumed < input.len() {
            let rest = &input[consumed..];
            let (taken, part_done) = self.feed_part(rest)?;
            consumed += taken;
            self.length += taken as u64;
            if !matches!(self.part, HeaderPart::GzipCrc) {
                self.crc = crc32(self.crc, &rest[..taken]);
            }
            if self.length > MAX_GZIP_HEADER {
                return Err(InflateErrorKind::BadHeader("a gzip header of more than 256 KiB"));
            }
            if part_done && !self.next_part()? {
                return Ok((consumed, true));
            }
        }
        Ok((consumed, false))
    }

    /// Takes bytes of the present part; says whether it is complete.
    fn feed_part(&mut self, input: &[u8]) -> Result<(usize, bool), InflateErrorKind> {
        match self.part {
            HeaderPart::GzipExtra(left) => {
                let taken = input.len().min(left);
                self.part = HeaderPart::GzipExtra(left - taken);
                Ok((taken, taken == left))
            }
            HeaderPart::GzipText => match input.iter().position(|&byte| byte == 0) {
                Some(end) => Ok((end + 1, true)),
                None => Ok((input.len(), false)),
            },
            HeaderPart::Zlib | HeaderPart::GzipExtraLength | HeaderPart::GzipCrc => {
                let taken = self.gathered.take_up_to(input, 2);
                Ok((taken, self.gathered.have == 2))
            }
            HeaderPart::GzipFixed => {
                let taken = self.gathered.take_up_to(input, 10);
                self.check_magic()?;
                Ok((taken, self.gathered.have == 10))
            }
        }
    }

    /// Looks at the first bytes as soon as they are there: what is not gzip is refused at its first byte.
    fn check_magic(&self) -> Result<(), InflateErrorKind> {
        const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
        let have = self.gathered.have.min(MAGIC.len());
        if self.gathered.bytes[..have] == MAGIC[..have] {
            Ok(())
        } else if self.first_member {
            Err(InflateErrorKind::BadHeader("a gzip stream begins 1f 8b 08"))
        } else {
            Err(InflateErrorKind::TrailingBytes)
        }
    }

    /// Checks the part just completed and chooses the one that follows; false after the last one.
    fn next_part(&mut self) -> Result<bool, InflateErrorKind> {
        let bytes = self.gathered.bytes;
        let pair = u16::from_le_bytes([bytes[0], bytes[1]]);
        match self.part {
            HeaderPart::Zlib => {
                check_zlib_header(bytes[0], bytes[1]).map_err(InflateErrorKind::BadHeader)?;
                return Ok(false);
            }
            HeaderPart::GzipFixed => {
                self.flags = bytes[3];
                if self.flags & RESERVED != 0 {
                    return Err(InflateErrorKind::BadHeader("gzip flags that RFC 1952 reserves"));
                }
            }
            HeaderPart::GzipExtraLength if pair > 0 => {
                self.part = HeaderPart::GzipExtra(usize::from(pair));
                return Ok(true);
            }
            HeaderPart::GzipExtraLength | HeaderPart::GzipExtra(_) | HeaderPart::GzipText => {}
            HeaderPart::GzipCrc => {
                if pair != self.crc as u16 {
                    return Err(InflateErrorKind::BadHeader("the gzip header's own checksum is wrong"));
                }
                return Ok(false);
            }
        }
        self.gathered.have = 0;
        self.part = if self.take_flag(FEXTRA) {
            HeaderPart::GzipExtraLength
        } else if self.take_flag(FNAME) || self.take_flag(FCOMMENT) {
            HeaderPart::GzipText
        } else if self.take_flag(FHCRC) {
            HeaderPart::GzipCrc
        } else {
            return Ok(false);
        };
        Ok(true)
    }

    fn take_flag(&mut self, flag: u8) -> bool {
        let was_set = self.flags & flag != 0;
        self.flags &= !flag;
        was_set
    }
}

/// Checks the two bytes that a zlib stream begins with.
pub(crate) fn check_zlib_header(method: u8, flags: u8) -> Result<(), &'static str> {
    if method & 0x0f != 8 || method >> 4 > 7 || !u16::from_be_bytes([method, flags]).is_multiple_of(31) {
        Err("these two bytes do not begin a zlib stream")
    } else if flags & 0x20 != 0 {
        Err("the zlib stream needs a preset dictionary")
    } else {
        Ok(())
    }
}
