//! Event files from the framer to the columns: what was written is what the index and a scan give.

use std::collections::BTreeMap;

use proptest::prelude::*;
use recordfs_core::event::{
    Directory, EventFramer, EventScanner, FramerOptions, IndexPlace, TagKind, Values, decode_event,
    encode_scalar_event, locate_index,
};
use recordfs_core::record::{DecodeOptions, encode_record};

const OPTIONS: DecodeOptions = DecodeOptions {
    max_length: 1 << 31,
    verify_payload: true,
};

fn scalar(wall: f64, step: i64, tag: &str, value: f32) -> Vec<u8> {
    let mut out = Vec::new();
    encode_scalar_event(&mut out, wall, step, tag, value);
    out
}

fn framer() -> EventFramer {
    EventFramer::new(FramerOptions { index: true })
}

/// A log of a training loop: so many tags at each step.
fn training(tags: usize, steps: i64) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    for step in 0..steps {
        for tag in 0..tags {
            let wall = 1.7e9 + step as f64 * 0.731 + tag as f64 * 2.1e-5;
            let value = 1.0 / (1.0 + step as f32 + tag as f32 * 0.37);
            events.push(scalar(wall, step, &format!("loss/of/layer_{tag:03}"), value));
        }
    }
    events
}

fn write(events: &[Vec<u8>], flush_every: usize) -> Vec<u8> {
    let (mut framer, mut file) = (framer(), Vec::new());
    for (number, event) in events.iter().enumerate() {
        framer.add(event, false, &mut file).unwrap();
        if number % flush_every == flush_every - 1 {
            framer.flush(&mut file);
        }
    }
    framer.finish(&mut file);
    assert_eq!(framer.offset(), file.len() as u64);
    file
}

type Points = BTreeMap<String, Vec<(i64, u64, u64)>>;

fn bits(values: &Values) -> Vec<u64> {
    match values {
        Values::Float(values) => values.iter().map(|value| u64::from(value.to_bits())).collect(),
        Values::Double(values) => values.iter().map(|value| value.to_bits()).collect(),
        Values::Located(values) => values.iter().map(|value| value.0).collect(),
    }
}

fn add_points(points: &mut Points, name: &str, steps: &[i64], walls: &[f64], values: &Values) {
    let rows = steps.iter().zip(walls).zip(bits(values));
    let list = points.entry(name.to_owned()).or_default();
    list.extend(rows.map(|((step, wall), value)| (*step, wall.to_bits(), value)));
}

fn slice(file: &[u8], offset: u64, length: u64) -> &[u8] {
    &file[offset as usize..(offset + length) as usize]
}

fn directory_of(file: &[u8], place: &IndexPlace) -> Directory {
    Directory::decode(slice(file, place.directory_offset, place.directory_length), place).unwrap()
}

/// What the index tells, and the events after it.
fn read_by_index(file: &[u8], tail: usize) -> Points {
    let mut points = Points::new();
    let place = locate_index(&file[file.len().saturating_sub(tail)..], file.len() as u64).expect("an index");
    let directory = directory_of(file, &place);
    let rows: Vec<_> = (directory.segments.iter().enumerate())
        .map(|(number, segment)| {
            assert!(segment.has_columns);
            directory
                .rows(number, slice(file, segment.rows_offset, segment.rows_length))
                .unwrap()
        })
        .collect();
    for tag in &directory.tags {
        for column in &tag.columns {
            let block = slice(file, column.offset, column.length);
            let found = Directory::column(tag.kind, column, block, &rows[column.segment]).unwrap();
            add_points(&mut points, &tag.name, &found.steps, &found.walls, &found.values);
        }
        let last = points[&*tag.name].last().unwrap();
        assert_eq!((tag.last_step, tag.last_wall.to_bits()), (last.0, last.1));
        assert_eq!(tag.count, points[&*tag.name].len() as u64);
    }
    let rest = scan(&file[place.record_end as usize..], 1 << 20);
    for (name, more) in rest {
        points.entry(name).or_default().extend(more);
    }
    points
}

fn scan(file: &[u8], chunk: usize) -> Points {
    let mut scanner = EventScanner::new(None, OPTIONS, 0);
    for chunk in file.chunks(chunk) {
        scanner.feed(chunk);
    }
    assert_eq!(scanner.finish(), 0);
    assert_eq!(scanner.losses, []);
    let mut points = Points::new();
    for place in 0..scanner.table.tags.len() {
        let column = scanner.table.column(place);
        add_points(
            &mut points,
            &scanner.table.tags[place].name,
            &column.steps,
            &column.walls,
            &column.values,
        );
    }
    points
}

#[test]
fn the_index_of_a_closed_file_gives_what_a_scan_gives() {
    let file = write(&training(40, 300), usize::MAX);
    assert_eq!(read_by_index(&file, 16 << 10), scan(&file, 1000));
}

#[test]
fn the_index_takes_at_most_a_tenth() {
    for (tags, steps) in [(1, 5000), (2, 5000), (40, 300), (200, 100), (3000, 4)] {
        let events = training(tags, steps);
        let (mut plain, file) = (Vec::new(), write(&events, 100));
        events.iter().for_each(|event| encode_record(&mut plain, event));
        assert!(
            file.len() - plain.len() <= plain.len() / 10,
            "{tags} tags, {steps} steps: {} bytes more than {}",
            file.len() - plain.len(),
            plain.len()
        );
        assert_eq!(scan(&file, 1 << 20), scan(&plain, 1 << 20));
    }
}

#[test]
fn a_growing_file_shows_its_last_index_in_its_tail_at_every_flush() {
    let events = training(60, 3600);
    let (mut framer, mut file) = (framer(), Vec::new());
    let mut indexed = 0;
    for (number, event) in events.iter().enumerate() {
        framer.add(event, false, &mut file).unwrap();
        if number % 50 == 0 {
            framer.flush(&mut file);
            let tail = &file[file.len().saturating_sub(16 << 10)..];
            let place = locate_index(tail, file.len() as u64);
            assert!(
                place.is_some() || file.len() < (8 << 20) + (1 << 20),
                "none at {} bytes",
                file.len()
            );
            indexed += usize::from(place.is_some());
        }
    }
    assert!(indexed > 100);
    assert_eq!(read_by_index(&file, 64 << 10), scan(&file, 1 << 20));
    framer.finish(&mut file);
    let place = locate_index(&file[file.len() - (16 << 10)..], file.len() as u64).unwrap();
    assert_eq!(place.record_end, file.len() as u64);
    assert!(directory_of(&file, &place).segments.len() > 1);
    assert_eq!(read_by_index(&file, 16 << 10), scan(&file, 1 << 20));
}

#[test]
fn a_short_file_has_no_index() {
    let file = write(&training(3, 10), 1);
    assert_eq!(locate_index(&file, file.len() as u64), None);
}

#[test]
fn a_file_in_which_values_hold_the_magic_is_read_by_its_own_index() {
    let mut events = training(40, 300);
    for event in events.iter_mut().rev().take(20) {
        *event = scalar(1.7e9, 5, "RFSEVIX1RFSEVIX1", 1.0);
    }
    let (mut framer, mut file) = (framer(), Vec::new());
    events
        .iter()
        .for_each(|event| framer.add(event, false, &mut file).unwrap());
    assert_eq!(locate_index(&file, file.len() as u64), None);
    framer.finish(&mut file);
    assert_eq!(read_by_index(&file, 16 << 10), scan(&file, 77));
}

#[test]
fn what_is_no_event_is_refused_and_changes_nothing() {
    let (mut framer, mut file) = (framer(), Vec::new());
    assert!(framer.add(b"\xff\xff not an event", false, &mut file).is_err());
    // The second value of the summary is broken: the first is not taken either.
    assert!(
        framer
            .add(b"\x2a\x0b\x0a\x05\x0a\x03abc\x0a\x02\x0a\x05", false, &mut file)
            .is_err()
    );
    assert!(file.is_empty());
    assert_eq!(framer.offset(), 0);
}

#[test]
fn damage_is_reported_and_what_stands_after_it_is_read() {
    let events = training(2, 50);
    let (mut file, mut begins) = (Vec::new(), Vec::new());
    for event in &events {
        begins.push(file.len());
        encode_record(&mut file, event);
    }
    begins.push(file.len());
    for broken in [0, 7, 99] {
        for at in begins[broken]..begins[broken + 1] {
            for chunk in [7, 1 << 20] {
                let mut damaged = file.clone();
                damaged[at] ^= 0x40;
                let mut scanner = EventScanner::new(None, OPTIONS, 0);
                damaged.chunks(chunk).for_each(|chunk| scanner.feed(chunk));
                let left = scanner.finish();
                assert_eq!(scanner.events, 99, "byte {at}");
                assert_eq!(scanner.loss_count, 1, "byte {at}");
                assert_eq!(scanner.losses[0].offset, begins[broken] as u64);
                assert_eq!(left, 0);
            }
        }
    }
}

#[test]
fn metadata_stands_with_the_first_value_of_each_file() {
    // summary { value { tag: "t" simple_value: 1 metadata { plugin_data { plugin_name: "scalars" } } } }
    let with: &[u8] = b"\x2a\x17\x0a\x15\x0a\x01t\x15\0\0\x80\x3f\x4a\x0b\x0a\x09\x0a\x07scalars";
    let without: &[u8] = b"\x2a\x0a\x0a\x08\x0a\x01t\x15\0\0\x80\x3f";
    decode_event(with).unwrap();
    let mut record = [Vec::new(), Vec::new()];
    encode_record(&mut record[0], with);
    encode_record(&mut record[1], without);
    let mut framer = framer();
    for _ in 0..2 {
        let mut file = Vec::new();
        framer.add(with, true, &mut file).unwrap();
        framer.add(with, true, &mut file).unwrap();
        framer.add(without, false, &mut file).unwrap();
        assert_eq!(file, [&record[0][..], &record[1], &record[1]].concat());
        framer.begin_file();
    }
    let mut file = Vec::new();
    framer.add(without, false, &mut file).unwrap();
    framer.add(with, false, &mut file).unwrap();
    assert_eq!(file, [&record[0][..], &record[0]].concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_scalars_come_back(
        points in prop::collection::vec((0usize..4, any::<i64>(), any::<f64>(), any::<f32>()), 400..800),
        filler in 100usize..300,
    ) {
        let mut events = training(40, filler as i64);
        events.extend(points.iter().map(|(tag, step, wall, value)| {
            scalar(if wall.is_nan() { 0.0 } else { *wall }, *step, &format!("t{tag}"), *value)
        }));
        let file = write(&events, usize::MAX);
        let place = locate_index(&file, file.len() as u64);
        prop_assume!(place.is_some_and(|place| directory_of(&file, &place).segments[0].has_columns));
        prop_assert_eq!(read_by_index(&file, 16 << 10), scan(&file, 333));
    }

    #[test]
    fn a_damaged_index_is_an_error_and_never_a_crash(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut file = write(&training(8, 120), usize::MAX);
        let place = locate_index(&file, file.len() as u64).unwrap();
        let begin = place.record_offset as usize;
        let at = begin + at.index(file.len() - begin);
        file[at] ^= flip;
        if let Some(place) = locate_index(&file, file.len() as u64)
            && let Some(block) = file.get(place.directory_offset as usize..(place.directory_offset + place.directory_length) as usize)
            && let Ok(directory) = Directory::decode(block, &place)
        {
            for (number, segment) in directory.segments.iter().enumerate() {
                let Some(block) = file.get(segment.rows_offset as usize..(segment.rows_offset + segment.rows_length) as usize) else { continue };
                let Ok(rows) = directory.rows(number, block) else { continue };
                for tag in &directory.tags {
                    for column in &tag.columns {
                        if let Some(block) = file.get(column.offset as usize..(column.offset + column.length) as usize) {
                            let _ = Directory::column(tag.kind, column, block, &rows);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_scanned_in_chunks_of_any_size(bytes in prop::collection::vec(any::<u8>(), 0..600), chunk in 1usize..100) {
        let mut scanner = EventScanner::new(None, OPTIONS, 0);
        bytes.chunks(chunk).for_each(|chunk| scanner.feed(chunk));
        scanner.finish();
        let _ = locate_index(&bytes, bytes.len() as u64);
        let place = IndexPlace {
            record_offset: 0, body_offset: 0, rows_offset: 0, rows_length: 0, directory_offset: 0,
            directory_length: bytes.len() as u64, record_end: bytes.len() as u64,
        };
        let _ = Directory::decode(&bytes, &place);
        let _ = TagKind::Float;
    }
}
