//! The directory of an index: what it says of segments, of tags, and of where their points are.

use crate::varint;

use super::{IndexError, IndexPlace};
use crate::event::block::{BlockReader, decode_column, decode_rows, put_signed};
use crate::event::table::{Column, Rows};

/// What a tag holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    /// Scalars of 32 bits.
    Float,
    /// Scalars of which some have 64 bits.
    Double,
    /// Anything else that a summary holds; the number of the field in `Summary.Value` that the first value was in, or 0
    /// where that is not known.
    Located(u8),
    /// Events that are not summaries; the number of their field in `Event`.
    Event(u8),
}

impl TagKind {
    const FIRST_EVENT: u8 = 16;
    const UNKNOWN_VALUE: u8 = 2;

    const fn to_byte(self) -> u8 {
        match self {
            TagKind::Float => 0,
            TagKind::Double => 1,
            TagKind::Located(0) => Self::UNKNOWN_VALUE,
            TagKind::Located(number) => number,
            TagKind::Event(number) => Self::FIRST_EVENT + number,
        }
    }

    const fn from_byte(byte: u8) -> Result<Self, IndexError> {
        match byte {
            0 => Ok(TagKind::Float),
            1 => Ok(TagKind::Double),
            Self::UNKNOWN_VALUE => Ok(TagKind::Located(0)),
            3..=8 => Ok(TagKind::Located(byte)),
            Self::FIRST_EVENT.. => Ok(TagKind::Event(byte - Self::FIRST_EVENT)),
            _ => Err(IndexError("a tag has an unknown kind")),
        }
    }
}

/// A part of a file whose events one index covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where its first event's record begins.
    pub begin: u64,
    /// Where its index's record begins.
    pub end: u64,
    /// Where the next segment begins.
    pub record_end: u64,
    /// Whether the index holds rows and columns; if not, the events between `begin` and `end` have to be read.
    pub has_columns: bool,
    /// Where its rows are, of so many bytes.
    pub rows_offset: u64,
    /// The bytes of its rows.
    pub rows_length: u64,
    /// How many rows it has.
    pub row_count: u64,
    /// At how many of them a job started.
    pub start_count: u64,
}

/// Where the points of a tag are in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnPlace {
    /// The segment's number.
    pub segment: usize,
    /// How many points.
    pub count: u64,
    /// Where the block is in the file; 0 if the segment has no columns.
    pub offset: u64,
    /// The bytes of the block; 0 if the segment has no columns.
    pub length: u64,
    /// Scalars of 64 bits in this segment.
    pub is_double: bool,
}

/// A tag as the directory tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct TagEntry {
    /// The tag; empty for events that are not summaries.
    pub name: Box<str>,
    /// What it holds.
    pub kind: TagKind,
    /// Its first `SummaryMetadata`.
    pub metadata: Option<Box<[u8]>>,
    /// How many points it has.
    pub count: u64,
    /// The step of the point that was written last.
    pub last_step: i64,
    /// Its time.
    pub last_wall: f64,
    /// Its value; NaN for what is not a scalar.
    pub last_value: f64,
    /// The largest step.
    pub max_step: i64,
    /// The latest time.
    pub max_wall: f64,
    /// Where its points are.
    pub columns: Vec<ColumnPlace>,
}

/// What an index says about a file: segments, tags, and where their points are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    /// Whether the file says which version of the format it has.
    pub has_file_version: bool,
    /// The time of its first event.
    pub first_wall: f64,
    /// Its parts, in order, without gaps.
    pub segments: Vec<Segment>,
    /// Its tags in the order in which they first appeared.
    pub tags: Vec<TagEntry>,
}

/// A directory of millions of tags has fewer bytes, deflated or not.
const MAX_DIRECTORY: usize = 1 << 30;

/// The fewest bytes that a segment, a tag and a column of it take in a directory: what bounds their numbers before any
/// are read. A column has two where its segment has no columns.
const MIN_SEGMENT: usize = 7;
const MIN_TAG: usize = 14;
const MIN_COLUMN: usize = 2;

impl Directory {
    /// Reads the block of a directory that `place` tells of.
    ///
    /// # Errors
    /// `IndexError`, if it is not the directory of an index at that place.
    pub fn decode(block: &[u8], place: &IndexPlace) -> Result<Self, IndexError> {
        let mut reader = BlockReader::new(block, MAX_DIRECTORY)?;
        let mut directory = Self {
            has_file_version: reader.unsigned()? & 1 != 0,
            first_wall: f64::from_bits(reader.signed()? as u64),
            ..Self::default()
        };
        let segments = reader.count(MIN_SEGMENT)?;
        let mut begin = 0;
        for number in 0..segments {
            let segment = decode_segment(&mut reader, begin, (number + 1 == segments).then_some(place))?;
            begin = segment.record_end;
            directory.segments.push(segment);
        }
        let tags = reader.count(MIN_TAG)?;
        let mut wall = directory.first_wall.to_bits() as i64;
        for _ in 0..tags {
            let tag = decode_tag(&mut reader, &directory.segments, &mut wall)?;
            directory.tags.push(tag);
        }
        if reader.at_end() {
            Ok(directory)
        } else {
            Err(IndexError("its directory has bytes left over"))
        }
    }

    /// Reads the rows of a segment.
    ///
    /// # Errors
    /// `IndexError`, if the block does not hold them.
    pub fn rows(&self, segment: usize, block: &[u8]) -> Result<Rows, IndexError> {
        let segment = self.segments.get(segment).ok_or(IndexError("it has fewer segments"))?;
        let size = |count: u64| usize::try_from(count).map_err(|_| IndexError("a count of it is impossible"));
        decode_rows(block, size(segment.row_count)?, size(segment.start_count)?)
    }

    /// Reads the points of a tag in a segment whose rows are given.
    ///
    /// # Errors
    /// `IndexError`, if the block does not hold them.
    pub fn column(kind: TagKind, place: &ColumnPlace, block: &[u8], rows: &Rows) -> Result<Column, IndexError> {
        let kind = match kind {
            TagKind::Float | TagKind::Double if place.is_double => TagKind::Double,
            TagKind::Float | TagKind::Double => TagKind::Float,
            other => other,
        };
        let count = usize::try_from(place.count).map_err(|_| IndexError("a count of it is impossible"))?;
        decode_column(block, kind, count, rows)
    }

    /// What the tags are, without what their points are: equal bytes for files whose tags have equal names, kinds and
    /// metadata, in the same order, and have points or have none.
    #[must_use]
    pub fn signature(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.tags.len() * 32);
        for tag in &self.tags {
            tag.encode_description(&mut out);
            out.push(u8::from(tag.count > 0));
        }
        out
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, u64::from(self.has_file_version));
        put_signed(out, self.first_wall.to_bits() as i64);
        varint::put(out, self.segments.len() as u64);
        for segment in &self.segments {
            varint::put(out, segment.end - segment.begin);
            varint::put(out, segment.record_end - segment.end);
            varint::put(out, u64::from(segment.has_columns));
            varint::put(out, segment.rows_offset - segment.end);
            varint::put(out, segment.rows_length);
            varint::put(out, segment.row_count);
            varint::put(out, segment.start_count);
        }
        varint::put(out, self.tags.len() as u64);
        let mut wall = self.first_wall.to_bits() as i64;
        for tag in &self.tags {
            tag.encode(out, &self.segments, &mut wall);
        }
    }
}

fn decode_segment(reader: &mut BlockReader, begin: u64, last: Option<&IndexPlace>) -> Result<Segment, IndexError> {
    const BEYOND: IndexError = IndexError("a segment of it lies beyond the index");
    let end = begin.checked_add(reader.unsigned()?).ok_or(BEYOND)?;
    let record_end = end.checked_add(reader.unsigned()?).ok_or(BEYOND)?;
    let has_columns = reader.unsigned()? & 1 != 0;
    let rows_offset = end.checked_add(reader.unsigned()?).ok_or(BEYOND)?;
    let mut segment = Segment {
        begin,
        end,
        record_end,
        has_columns,
        rows_offset,
        rows_length: reader.unsigned()?,
        row_count: reader.unsigned()?,
        start_count: reader.unsigned()?,
    };
    if let Some(place) = last {
        // The last segment's own place was not known before it was written: the trailer tells it.
        if segment.end != place.record_offset || segment.rows_length != place.rows_length {
            return Err(IndexError("its directory tells of another place than its trailer"));
        }
        (segment.rows_offset, segment.record_end) = (place.rows_offset, place.record_end);
    }
    if segment
        .rows_offset
        .checked_add(segment.rows_length)
        .is_none_or(|rows_end| rows_end > segment.record_end)
    {
        return Err(BEYOND);
    }
    Ok(segment)
}

fn decode_tag(reader: &mut BlockReader, segments: &[Segment], wall: &mut i64) -> Result<TagEntry, IndexError> {
    let length = reader.count(1)?;
    let name = std::str::from_utf8(reader.bytes(length)?).map_err(|_| IndexError("a tag is not UTF-8"))?;
    let name: Box<str> = name.into();
    let kind = TagKind::from_byte(reader.bytes(1)?[0])?;
    let metadata = match reader.unsigned()? {
        0 => None,
        length => Some(reader.bytes(usize::try_from(length - 1).unwrap_or(usize::MAX))?.into()),
    };
    let count = reader.unsigned()?;
    let last_step = reader.signed()?;
    *wall = wall.wrapping_add(reader.signed()?);
    let last_wall = *wall;
    let last_value = f64::from_le_bytes(*reader.bytes(8)?.first_chunk().expect("eight bytes were read"));
    let max_step = last_step.wrapping_add(reader.signed()?);
    let max_wall = f64::from_bits(last_wall.wrapping_add(reader.signed()?) as u64);
    let mut columns = Vec::new();
    let mut segment = 0u64;
    for _ in 0..reader.count(MIN_COLUMN)? {
        segment = segment.saturating_add(reader.unsigned()?);
        let number = usize::try_from(segment).unwrap_or(usize::MAX);
        let home = segments
            .get(number)
            .ok_or(IndexError("a tag of it lies in no segment"))?;
        let count_and_width = reader.unsigned()?;
        let mut place = ColumnPlace {
            segment: number,
            count: count_and_width >> 1,
            offset: 0,
            length: 0,
            is_double: count_and_width & 1 != 0,
        };
        if home.has_columns {
            // Columns stand before the rows, and are counted back from there, since only that place is known to all.
            let back = reader.unsigned()?;
            place.offset = home
                .rows_offset
                .checked_sub(back)
                .ok_or(IndexError("a tag of it lies before the file"))?;
            place.length = reader.unsigned()?;
            if place.length > back || place.offset < home.end {
                return Err(IndexError("a tag of it lies outside of its segment's columns"));
            }
        }
        columns.push(place);
    }
    Ok(TagEntry {
        name,
        kind,
        metadata,
        count,
        last_step,
        last_wall: f64::from_bits(last_wall as u64),
        last_value,
        max_step,
        max_wall,
        columns,
    })
}

impl TagEntry {
    fn encode_description(&self, out: &mut Vec<u8>) {
        varint::put(out, self.name.len() as u64);
        out.extend_from_slice(self.name.as_bytes());
        out.push(self.kind.to_byte());
        match &self.metadata {
            None => out.push(0),
            Some(metadata) => {
                varint::put(out, metadata.len() as u64 + 1);
                out.extend_from_slice(metadata);
            }
        }
    }

    fn encode(&self, out: &mut Vec<u8>, segments: &[Segment], wall: &mut i64) {
        self.encode_description(out);
        varint::put(out, self.count);
        put_signed(out, self.last_step);
        let last_wall = self.last_wall.to_bits() as i64;
        put_signed(out, last_wall.wrapping_sub(*wall));
        *wall = last_wall;
        out.extend_from_slice(&self.last_value.to_le_bytes());
        put_signed(out, self.max_step.wrapping_sub(self.last_step));
        put_signed(out, (self.max_wall.to_bits() as i64).wrapping_sub(last_wall));
        varint::put(out, self.columns.len() as u64);
        let mut segment = 0;
        for place in &self.columns {
            varint::put(out, (place.segment - segment) as u64);
            segment = place.segment;
            varint::put(out, place.count << 1 | u64::from(place.is_double));
            let home = &segments[place.segment];
            if home.has_columns {
                varint::put(out, home.rows_offset - place.offset);
                varint::put(out, place.length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::block::BlockEncoder;

    #[test]
    fn a_directory_of_segments_without_columns_is_read_as_it_was_written() {
        let segment = |begin: u64| Segment {
            begin,
            end: begin + 80,
            record_end: begin + 100,
            has_columns: false,
            rows_offset: begin + 80,
            rows_length: 0,
            row_count: 1,
            start_count: 0,
        };
        for count in 1..40 {
            let segments: Vec<Segment> = (0..count).map(|number| segment(number * 100)).collect();
            let columns = (0..segments.len()).map(|segment| ColumnPlace {
                segment,
                count: 1,
                offset: 0,
                length: 0,
                is_double: false,
            });
            let tag = TagEntry {
                name: "a".into(),
                kind: TagKind::Float,
                metadata: None,
                count,
                last_step: 1,
                last_wall: 1.0,
                last_value: 1.0,
                max_step: 1,
                max_wall: 1.0,
                columns: columns.collect(),
            };
            let written = Directory {
                has_file_version: true,
                first_wall: 1.0,
                segments,
                tags: vec![tag],
            };
            let (mut content, mut block) = (Vec::new(), Vec::new());
            written.encode(&mut content);
            let length = BlockEncoder::new().bytes(&content, &mut block);
            let last = written.segments[written.segments.len() - 1];
            let place = IndexPlace {
                record_offset: last.end,
                body_offset: last.end,
                rows_offset: last.rows_offset,
                rows_length: 0,
                directory_offset: last.end,
                directory_length: length as u64,
                record_end: last.record_end,
            };
            assert_eq!(Directory::decode(&block, &place).unwrap(), written);
        }
    }
}
