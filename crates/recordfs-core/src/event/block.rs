//! The blocks of an index: rows, and the points of one tag, each deflated by itself so that each can be fetched alone.

use crate::deflate::Deflater;
use crate::format::Format;
use crate::inflate::{EndOfInput, Inflater};
use crate::varint;

use super::index::{IndexError, TagKind};
use super::table::{Column, Rows, TagColumn, Values};

/// zlib's default: a segment of 8 MiB makes less than 1 MiB of blocks, and a thread of its own deflates it.
const LEVEL: i32 = 6;

/// Deflate cannot make more of a byte than this.
const MAX_RATIO: usize = 1032;

/// What a block adds to its content beyond a point's bytes: zlib's header and trailer, counts.
const SLACK: usize = 64;

/// Deflates blocks one after the other.
pub(crate) struct BlockEncoder {
    deflater: Deflater,
    content: Vec<u8>,
}

impl BlockEncoder {
    pub(crate) fn new() -> Self {
        Self {
            deflater: Deflater::new(Format::Zlib, LEVEL).expect("the level is one of zlib's"),
            content: Vec::new(),
        }
    }

    /// Appends a block to `out` and returns its length.
    fn finish(&mut self, out: &mut Vec<u8>) -> usize {
        let begin = out.len();
        self.deflater.deflate(&self.content, out);
        self.deflater.finish(out);
        self.content.clear();
        out.len() - begin
    }

    /// Appends any bytes as a block.
    pub(crate) fn bytes(&mut self, content: &[u8], out: &mut Vec<u8>) -> usize {
        self.content.extend_from_slice(content);
        self.finish(out)
    }

    /// Appends the rows of a segment.
    pub(crate) fn rows(&mut self, rows: &Rows, out: &mut Vec<u8>) -> usize {
        let content = &mut self.content;
        let mut last = 0;
        for &start in &rows.starts {
            varint::put(content, u64::from(start - last));
            last = start;
        }
        let mut last = 0i64;
        for &step in &rows.steps {
            put_signed(content, step.wrapping_sub(last));
            last = step;
        }
        let (mut last, mut last_change) = (0i64, 0i64);
        for wall in &rows.walls {
            let bits = wall.to_bits() as i64;
            let change = bits.wrapping_sub(last);
            put_signed(content, change.wrapping_sub(last_change));
            (last, last_change) = (bits, change);
        }
        self.finish(out)
    }

    /// Appends the points of a tag.
    pub(crate) fn column(&mut self, tag: &TagColumn, rows: &Rows, out: &mut Vec<u8>) -> usize {
        let content = &mut self.content;
        let mut last = 0;
        for &row in &tag.rows {
            varint::put(content, u64::from(row - last));
            last = row;
        }
        let mut last = 0i64;
        for (&row, wall) in tag.rows.iter().zip(&tag.walls) {
            let offset = (wall.to_bits() as i64).wrapping_sub(rows.walls[row as usize].to_bits() as i64);
            put_signed(content, offset.wrapping_sub(last));
            last = offset;
        }
        match &tag.values {
            Values::Float(values) => put_planes(content, values.iter().map(|value| value.to_le_bytes())),
            Values::Double(values) => put_planes(content, values.iter().map(|value| value.to_le_bytes())),
            Values::Located(values) => {
                let mut last = 0;
                for &(offset, length) in values {
                    varint::put(content, offset - last);
                    varint::put(content, length);
                    last = offset;
                }
            }
        }
        self.finish(out)
    }
}

/// Appends the first bytes of all values, then the second, and so on: the exponents of a curve are nearly equal, and
/// deflate sees that only where they stand together.
fn put_planes<const N: usize>(out: &mut Vec<u8>, values: impl Iterator<Item = [u8; N]> + Clone) {
    for plane in 0..N {
        out.extend(values.clone().map(|bytes| bytes[plane]));
    }
}

/// Appends a number of which small ones of either sign are the frequent ones.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    varint::put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Reads a block's content from front to back.
pub(crate) struct BlockReader {
    content: Vec<u8>,
    place: usize,
}

impl BlockReader {
    /// Inflates a block, whose content has at most `limit` bytes.
    pub(crate) fn new(block: &[u8], limit: usize) -> Result<Self, IndexError> {
        let room = limit.min(block.len().saturating_mul(MAX_RATIO)).saturating_add(1);
        let mut inflater = Inflater::new(Format::Zlib);
        let mut content = vec![0; room.min(64 << 10)];
        let (mut taken, mut made) = (0, 0);
        loop {
            let progress = inflater
                .inflate(&block[taken..], &mut content[made..])
                .map_err(|_| IndexError("a block of it cannot be inflated"))?;
            taken += progress.consumed;
            made += progress.produced;
            if made == content.len() {
                if made >= room {
                    return Err(IndexError("a block of it is longer than what it stands for"));
                }
                content.resize(room.min(made.saturating_mul(2)), 0);
            } else if progress.produced == 0 && taken == block.len() {
                break;
            }
        }
        if !matches!(inflater.end_of_input(), EndOfInput::Complete) {
            return Err(IndexError("a block of it is cut off"));
        }
        content.truncate(made);
        Ok(Self { content, place: 0 })
    }

    pub(crate) fn at_end(&self) -> bool {
        self.place == self.content.len()
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, IndexError> {
        let (value, length) =
            varint::decode_one(&self.content[self.place..]).ok_or(IndexError("a number of it is cut off"))?;
        self.place += length;
        Ok(value)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, IndexError> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number of things of which each takes at least `size` bytes of what is left.
    pub(crate) fn count(&mut self, size: usize) -> Result<usize, IndexError> {
        let left = (self.content.len() - self.place) as u64;
        let count = self.unsigned()?;
        if count.saturating_mul(size.max(1) as u64) > left {
            return Err(IndexError("a count of it is larger than what follows"));
        }
        Ok(count as usize)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&[u8], IndexError> {
        let rest = &self.content[self.place..];
        let taken = rest.get(..length).ok_or(IndexError("bytes of it are cut off"))?;
        self.place += length;
        Ok(taken)
    }

    fn planes<const N: usize>(&mut self, count: usize) -> Result<Vec<[u8; N]>, IndexError> {
        let planes = self.bytes(count.checked_mul(N).ok_or(IndexError("a count of it is impossible"))?)?;
        let mut values = vec![[0; N]; count];
        for (plane, bytes) in planes.chunks_exact(count.max(1)).enumerate() {
            for (value, byte) in values.iter_mut().zip(bytes) {
                value[plane] = *byte;
            }
        }
        Ok(values)
    }
}

/// The rows of a segment.
///
/// # Errors
/// The block does not hold `row_count` rows and `start_count` starts.
pub(crate) fn decode_rows(block: &[u8], row_count: usize, start_count: usize) -> Result<Rows, IndexError> {
    let limit = row_count
        .saturating_mul(20)
        .saturating_add(start_count.saturating_mul(5))
        .saturating_add(SLACK);
    let mut reader = BlockReader::new(block, limit)?;
    if reader.content.len() < row_count.saturating_mul(2).saturating_add(start_count) {
        return Err(IndexError("it has fewer rows than it says"));
    }
    let mut rows = Rows::default();
    let mut last = 0u64;
    for _ in 0..start_count {
        last = last.saturating_add(reader.unsigned()?);
        if last >= row_count as u64 {
            return Err(IndexError("a start lies after its last row"));
        }
        rows.starts.push(last as u32);
    }
    let mut last = 0i64;
    rows.steps.reserve_exact(row_count);
    for _ in 0..row_count {
        last = last.wrapping_add(reader.signed()?);
        rows.steps.push(last);
    }
    let (mut last, mut change) = (0i64, 0i64);
    rows.walls.reserve_exact(row_count);
    for _ in 0..row_count {
        change = change.wrapping_add(reader.signed()?);
        last = last.wrapping_add(change);
        rows.walls.push(f64::from_bits(last as u64));
    }
    if !reader.at_end() {
        return Err(IndexError("its rows have bytes left over"));
    }
    Ok(rows)
}

/// The points of a tag.
///
/// # Errors
/// The block does not hold `count` points of this kind, or one of them lies in no row.
pub(crate) fn decode_column(block: &[u8], kind: TagKind, count: usize, rows: &Rows) -> Result<Column, IndexError> {
    let mut reader = BlockReader::new(block, count.saturating_mul(35).saturating_add(SLACK))?;
    if reader.content.len() < count.saturating_mul(3) {
        return Err(IndexError("a tag has fewer points than it says"));
    }
    let mut column = Column {
        rows: Vec::with_capacity(count),
        steps: Vec::with_capacity(count),
        walls: Vec::with_capacity(count),
        values: Values::none_of(kind),
    };
    let mut last = 0u64;
    for _ in 0..count {
        last = last.saturating_add(reader.unsigned()?);
        let step = usize::try_from(last).ok().and_then(|row| rows.steps.get(row));
        column
            .steps
            .push(*step.ok_or(IndexError("a point of it lies in no row"))?);
        column.rows.push(last as u32);
    }
    let mut last = 0i64;
    for &row in &column.rows {
        last = last.wrapping_add(reader.signed()?);
        let base = rows.walls[row as usize].to_bits() as i64;
        column.walls.push(f64::from_bits(base.wrapping_add(last) as u64));
    }
    match &mut column.values {
        Values::Float(values) => values.extend(reader.planes(count)?.into_iter().map(f32::from_le_bytes)),
        Values::Double(values) => values.extend(reader.planes(count)?.into_iter().map(f64::from_le_bytes)),
        Values::Located(values) => {
            let mut last = 0u64;
            for _ in 0..count {
                last = last
                    .checked_add(reader.unsigned()?)
                    .ok_or(IndexError("a record of it lies beyond every file"))?;
                values.push((last, reader.unsigned()?));
            }
        }
    }
    if !reader.at_end() {
        return Err(IndexError("a tag has bytes left over"));
    }
    Ok(column)
}
