//! The payload of an index's event: the columns and rows of a table, and the directory of all segments so far.

use crate::record::{FOOTER_SIZE, HEADER_SIZE};
use crate::varint;

use super::place::{PREFIX_SIZE, TRAILER_SIZE, put_event, put_trailer};
use super::{ColumnPlace, Directory, IndexPlace, Segment, TagEntry, TagKind};
use crate::event::block::BlockEncoder;
use crate::event::table::EventTable;

/// Makes the payload of an index's event, whose record begins at `end`, for the events of a table that begin at `begin`.
///
/// Columns are left out if with them it would be longer than `budget` bytes. Returns None, and leaves the directory as
/// it is, if it would be too long even so.
pub(crate) fn encode_index(
    directory: &mut Directory,
    table: &EventTable,
    begin: u64,
    end: u64,
    budget: u64,
) -> Option<(Vec<u8>, IndexPlace)> {
    let mut encoder = BlockEncoder::new();
    for has_columns in [true, false] {
        let mut body = Vec::new();
        let mut places = vec![(0, 0); table.tags.len()];
        let (mut rows_offset, mut rows_length) = (0, 0);
        if has_columns {
            for (place, tag) in places.iter_mut().zip(&table.tags) {
                if !tag.rows.is_empty() {
                    *place = (body.len() as u64, encoder.column(tag, &table.rows, &mut body) as u64);
                }
                if body.len() as u64 > budget {
                    break;
                }
            }
            rows_offset = body.len() as u64;
            rows_length = encoder.rows(&table.rows, &mut body) as u64;
        }
        if body.len() as u64 > budget {
            continue;
        }
        let segment = Segment {
            begin,
            end,
            // Both are put right below and by the reader; what counts is where columns stand before the rows.
            record_end: end,
            has_columns,
            rows_offset: end + rows_offset,
            rows_length,
            row_count: table.rows.steps.len() as u64,
            start_count: table.rows.starts.len() as u64,
        };
        let mut next = directory.clone();
        next.has_file_version |= table.has_file_version;
        if next.segments.is_empty() {
            next.first_wall = table.rows.walls.first().copied().unwrap_or(0.0);
        }
        next.segments.push(segment);
        add_points(&mut next, table, &places, &segment);
        let mut content = Vec::new();
        next.encode(&mut content);
        let directory_length = encoder.bytes(&content, &mut body) as u64;
        let total = (body.len() + TRAILER_SIZE) as u64;
        if total > budget {
            continue;
        }
        let body_offset = end + (HEADER_SIZE + PREFIX_SIZE + varint::size(total)) as u64;
        let place = IndexPlace {
            record_offset: end,
            body_offset,
            rows_offset: body_offset + rows_offset,
            rows_length,
            directory_offset: body_offset + rows_offset + rows_length,
            directory_length,
            record_end: body_offset + total + FOOTER_SIZE as u64,
        };
        move_last_segment(&mut next, &place);
        *directory = next;
        let mut payload = Vec::with_capacity(body.len() + 64);
        put_event(&mut payload, table.last_wall, total as usize);
        payload.extend_from_slice(&body);
        put_trailer(&mut payload, &place);
        return Some((payload, place));
    }
    None
}

/// Says of the last segment where it really stands: what the reader takes from the trailer.
fn move_last_segment(directory: &mut Directory, place: &IndexPlace) {
    let number = directory.segments.len() - 1;
    let segment = &mut directory.segments[number];
    let shift = place.rows_offset - segment.rows_offset;
    (segment.rows_offset, segment.record_end) = (place.rows_offset, place.record_end);
    let has_columns = segment.has_columns;
    for tag in &mut directory.tags {
        if let Some(column) = tag.columns.last_mut()
            && column.segment == number
            && has_columns
        {
            column.offset += shift;
        }
    }
}

fn add_points(directory: &mut Directory, table: &EventTable, places: &[(u64, u64)], segment: &Segment) {
    let number = directory.segments.len() - 1;
    for (index, tag) in table.tags.iter().enumerate() {
        if directory.tags.len() == index {
            directory.tags.push(TagEntry {
                name: tag.name.clone(),
                kind: tag.kind,
                metadata: tag.metadata.clone(),
                count: 0,
                last_step: 0,
                last_wall: 0.0,
                last_value: f64::NAN,
                max_step: i64::MIN,
                max_wall: f64::MIN,
                columns: Vec::new(),
            });
        }
        let Some(&last_row) = tag.rows.last() else { continue };
        let entry = &mut directory.tags[index];
        entry.kind = tag.kind;
        entry.metadata.clone_from(&tag.metadata);
        entry.count += tag.rows.len() as u64;
        entry.last_step = table.rows.steps[last_row as usize];
        entry.last_wall = tag.walls.last().copied().unwrap_or(0.0);
        entry.last_value = tag.values.last_number();
        let steps = tag.rows.iter().map(|&row| table.rows.steps[row as usize]);
        entry.max_step = steps.fold(entry.max_step, i64::max);
        entry.max_wall = tag.walls.iter().copied().fold(entry.max_wall, f64::max);
        let (offset, length) = places[index];
        entry.columns.push(ColumnPlace {
            segment: number,
            count: tag.rows.len() as u64,
            offset: if segment.has_columns { segment.end + offset } else { 0 },
            length,
            is_double: tag.kind == TagKind::Double,
        });
    }
}
