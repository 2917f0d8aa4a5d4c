//! The events of a file, or of a part of one, as columns: what an index is made of, and what a scan gives.

use std::collections::{HashMap, HashSet};

use super::decode::{Content, Event, NotAnEvent, Value, What, decode_metadata, for_each_value};
use super::index::TagKind;
use super::tensor::{Scalar, scalar_of};

/// The dashboard that shows a tensor as a scalar.
const SCALARS: &str = "scalars";

/// The steps of a file in the order in which they were written, each with the time of its first event. Events that
/// follow each other at one step share a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The step of each row.
    pub steps: Vec<i64>,
    /// The time of each row's first event, in seconds since 1970.
    pub walls: Vec<f64>,
    /// The rows at which a job started; each of them is a row of its own, and none of its events comes before the start.
    pub starts: Vec<u32>,
}

/// The values of a tag.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Scalars of 32 bits.
    Float(Vec<f32>),
    /// Scalars of which some have 64 bits.
    Double(Vec<f64>),
    /// Where the records are that hold the values: the offset in the file and the length of the payload, in bytes.
    Located(Vec<(u64, u64)>),
}

impl Values {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Values::Float(values) => values.len(),
            Values::Double(values) => values.len(),
            Values::Located(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No values of this kind.
    #[must_use]
    pub fn none_of(kind: TagKind) -> Self {
        match kind {
            TagKind::Float => Values::Float(Vec::new()),
            TagKind::Double => Values::Double(Vec::new()),
            TagKind::Located(_) | TagKind::Event(_) => Values::Located(Vec::new()),
        }
    }

    /// The last value as a number; NaN where there is none.
    pub(crate) fn last_number(&self) -> f64 {
        match self {
            Values::Float(values) => values.last().map_or(f64::NAN, |value| f64::from(*value)),
            Values::Double(values) => values.last().copied().unwrap_or(f64::NAN),
            Values::Located(_) => f64::NAN,
        }
    }

    fn clear(&mut self) {
        match self {
            Values::Float(values) => values.clear(),
            Values::Double(values) => values.clear(),
            Values::Located(values) => values.clear(),
        }
    }

    fn push_scalar(&mut self, scalar: Scalar) {
        match (&mut *self, scalar) {
            (Values::Float(values), Scalar::Float(value)) => values.push(value),
            (Values::Double(values), Scalar::Float(value)) => values.push(f64::from(value)),
            (Values::Double(values), Scalar::Double(value)) => values.push(value),
            (Values::Float(values), Scalar::Double(value)) => {
                let mut wide: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
                wide.push(value);
                *self = Values::Double(wide);
            }
            (Values::Located(_), _) => unreachable!("a tag of scalars holds numbers"),
        }
    }
}

/// One tag, and its points in the order in which they were written.
#[derive(Clone, Debug, PartialEq)]
pub struct TagColumn {
    /// The tag; empty for events that are not summaries.
    pub name: Box<str>,
    /// What it is; scalars become `Double` with the first value of 64 bits.
    pub kind: TagKind,
    /// The first `SummaryMetadata` of the tag.
    pub metadata: Option<Box<[u8]>>,
    /// The row of each point.
    pub rows: Vec<u32>,
    /// The time of each point, in seconds since 1970.
    pub walls: Vec<f64>,
    /// The value of each point.
    pub values: Values,
}

/// A tag's points: as a reader wants them.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The row of each point: it orders points of several tags, and starts of the job, as they were written.
    pub rows: Vec<u32>,
    /// The step of each point.
    pub steps: Vec<i64>,
    /// The time of each point, in seconds since 1970.
    pub walls: Vec<f64>,
    /// The value of each point.
    pub values: Values,
}

/// What the points of a tag tell in short; zeros where there are none, and NaN for the value of what is not a scalar.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How many there are.
    pub count: usize,
    /// The step of the point that was written last.
    pub last_step: i64,
    /// Its time, in seconds since 1970.
    pub last_wall: f64,
    /// Its value.
    pub last_value: f64,
    /// The largest step.
    pub max_step: i64,
    /// The latest time.
    pub max_wall: f64,
}

impl Extent {
    /// What the points tell together with those after them.
    #[must_use]
    pub fn followed_by(self, later: Self) -> Self {
        match (self.count, later.count) {
            (_, 0) => self,
            (0, _) => later,
            (_, _) => Self {
                count: self.count + later.count,
                max_step: self.max_step.max(later.max_step),
                max_wall: self.max_wall.max(later.max_wall),
                ..later
            },
        }
    }
}

/// A tag without its points.
#[derive(Clone, Debug)]
pub struct DescribedTag {
    name: Box<str>,
    kind: TagKind,
    metadata: Option<Box<[u8]>>,
}

impl DescribedTag {
    /// None for events that are not summaries: nothing has to be known of them.
    #[must_use]
    pub fn new(name: &str, kind: TagKind, metadata: Option<&[u8]>) -> Option<Self> {
        let kind = match kind {
            TagKind::Event(_) => return None,
            TagKind::Double => TagKind::Float, // until the first value of 64 bits
            other => other,
        };
        Some(Self {
            name: name.into(),
            kind,
            metadata: metadata.map(Into::into),
        })
    }
}

/// Events as columns.
#[derive(Clone, Debug, Default)]
pub struct EventTable {
    /// The steps.
    pub rows: Rows,
    /// The tags in the order in which they first appeared.
    pub tags: Vec<TagColumn>,
    /// Whether the file said which version it has.
    pub has_file_version: bool,
    /// The time of the last event that was added.
    pub last_wall: f64,
    scalars: HashMap<Box<str>, u32>,
    located: HashMap<Box<str>, u32>,
    events: HashMap<u32, u32>,
    wanted: Option<HashSet<Box<str>>>,
}

impl EventTable {
    /// An empty table that takes the points of these tags only; of all, if None.
    #[must_use]
    pub fn new(wanted: Option<HashSet<Box<str>>>) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// Makes a tag known that was seen before the first event of this table. A tag that is known already stays as it is.
    pub fn introduce(&mut self, name: &str, kind: TagKind, metadata: Option<&[u8]>) {
        let place = self.place_of(name, kind);
        let tag = &mut self.tags[place];
        if tag.metadata.is_none() {
            tag.metadata = metadata.map(Into::into);
        }
    }

    /// Makes all these tags known, as `described_tags` returned them.
    pub fn introduce_all(&mut self, tags: &[DescribedTag]) {
        for tag in tags {
            self.introduce(&tag.name, tag.kind, tag.metadata.as_deref());
        }
    }

    /// The tags of summaries, for another table to be introduced to.
    #[must_use]
    pub fn described_tags(&self) -> Vec<DescribedTag> {
        let tags = self.tags.iter();
        tags.filter_map(|tag| DescribedTag::new(&tag.name, tag.kind, tag.metadata.as_deref()))
            .collect()
    }

    /// The place of a tag of summaries: of its scalars, or of its other values.
    #[must_use]
    pub fn find(&self, name: &str, scalars: bool) -> Option<usize> {
        let places = if scalars { &self.scalars } else { &self.located };
        places.get(name).map(|&place| place as usize)
    }

    /// What the points of a tag tell in short.
    #[must_use]
    pub fn extent_of(&self, tag: &TagColumn) -> Extent {
        let steps = || tag.rows.iter().map(|&row| self.rows.steps[row as usize]);
        Extent {
            count: tag.rows.len(),
            last_step: steps().next_back().unwrap_or(0),
            last_wall: tag.walls.last().copied().unwrap_or(0.0),
            last_value: tag.values.last_number(),
            max_step: steps().max().unwrap_or(0),
            max_wall: tag.walls.iter().copied().reduce(f64::max).unwrap_or(0.0),
        }
    }

    /// Forgets all points, but not the tags.
    pub fn clear_points(&mut self) {
        self.rows = Rows::default();
        for tag in &mut self.tags {
            tag.rows.clear();
            tag.walls.clear();
            tag.values.clear();
        }
    }

    /// The metadata that a tag's first value had; None where there was none or the tag is not known.
    #[must_use]
    pub fn metadata_of(&self, name: &str) -> Option<&[u8]> {
        let known = |places: &HashMap<Box<str>, u32>| {
            let place = *places.get(name)?;
            self.tags[place as usize].metadata.as_deref()
        };
        known(&self.scalars).or_else(|| known(&self.located))
    }

    /// Whether a value of this tag has been added.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.scalars.contains_key(name) || self.located.contains_key(name)
    }

    /// Adds an event, whose record stands at `offset` in the file and has `length` bytes of payload.
    ///
    /// # Errors
    /// `NotAnEvent`, if a value of its summary cannot be read. Nothing of it is added then.
    pub fn add(&mut self, event: &Event<'_>, offset: u64, length: u64) -> Result<(), NotAnEvent> {
        if event.index.is_some() {
            return Ok(());
        }
        let What::Summary(summary) = event.what else {
            let row = self.row_of(event);
            self.last_wall = event.wall_time;
            self.add_whole_event(event, row, offset, length);
            return Ok(());
        };
        // The values after the first are kept apart, because nearly all summaries have one.
        let (mut first, mut others) = (None, Vec::new());
        for_each_value::<NotAnEvent>(summary, |value| {
            match first {
                None => first = Some(value),
                Some(_) => others.push(value),
            }
            Ok(())
        })?;
        let row = self.row_of(event);
        self.last_wall = event.wall_time;
        for value in first.iter().chain(&others) {
            self.add_value(value, event, row, offset, length)?;
        }
        Ok(())
    }

    #[inline]
    fn row_of(&mut self, event: &Event<'_>) -> u32 {
        let is_start = event.what.is_session_start();
        if is_start || self.rows.steps.last() != Some(&event.step) {
            if is_start {
                self.rows.starts.push(self.rows.steps.len() as u32);
            }
            self.rows.steps.push(event.step);
            self.rows.walls.push(event.wall_time);
        }
        // A file of 2^32 events has at least 80 GiB, and an index covers a part of it.
        (self.rows.steps.len() - 1) as u32
    }

    fn add_whole_event(&mut self, event: &Event<'_>, row: u32, offset: u64, length: u64) {
        match event.what {
            What::FileVersion(_) => self.has_file_version = true,
            What::Nothing => {}
            what => {
                let place = self.place_of("", TagKind::Event(what.number() as u8));
                self.push_located(place, row, event.wall_time, offset, length);
            }
        }
    }

    fn add_value(
        &mut self,
        value: &Value<'_>,
        event: &Event<'_>,
        row: u32,
        offset: u64,
        length: u64,
    ) -> Result<(), NotAnEvent> {
        if let Some(wanted) = &self.wanted
            && !wanted.contains(value.tag)
        {
            return Ok(());
        }
        let place = match self.scalar_in(value)? {
            Some((place, scalar)) => {
                let tag = &mut self.tags[place];
                tag.rows.push(row);
                tag.walls.push(event.wall_time);
                tag.values.push_scalar(scalar);
                if matches!(tag.values, Values::Double(_)) {
                    tag.kind = TagKind::Double;
                }
                place
            }
            None => {
                let place = self.place_of(value.tag, TagKind::Located(value.content.number() as u8));
                self.push_located(place, row, event.wall_time, offset, length);
                place
            }
        };
        if let Some(metadata) = value.metadata
            && self.tags[place].metadata.is_none()
        {
            self.tags[place].metadata = Some(metadata.into());
        }
        Ok(())
    }

    /// The scalar in a value and the place of its tag, if TensorBoard takes it for one: a tensor is one only if its
    /// tag's first metadata says so.
    #[inline]
    fn scalar_in(&mut self, value: &Value<'_>) -> Result<Option<(usize, Scalar)>, NotAnEvent> {
        match value.content {
            Content::Simple(number) => {
                let place = match self.scalars.get(value.tag) {
                    Some(&place) => place as usize,
                    None => self.place_of(value.tag, TagKind::Float),
                };
                Ok(Some((place, Scalar::Float(number))))
            }
            Content::Tensor(tensor) => {
                let known = self.scalars.get(value.tag).map(|&place| place as usize);
                let is_scalar = match value.metadata {
                    _ if known.is_some() => true,
                    Some(metadata) if !self.located.contains_key(value.tag) => {
                        decode_metadata(metadata)?.plugin_name == SCALARS
                    }
                    _ => false,
                };
                if !is_scalar {
                    return Ok(None);
                }
                let Some(scalar) = scalar_of(tensor)? else {
                    return Ok(None);
                };
                let place = known.unwrap_or_else(|| self.place_of(value.tag, TagKind::Float));
                Ok(Some((place, scalar)))
            }
            _ => Ok(None),
        }
    }

    fn push_located(&mut self, place: usize, row: u32, wall: f64, offset: u64, length: u64) {
        let tag = &mut self.tags[place];
        tag.rows.push(row);
        tag.walls.push(wall);
        if let Values::Located(values) = &mut tag.values {
            values.push((offset, length));
        }
    }

    /// The place of a tag among the columns; a new tag gets the next.
    fn place_of(&mut self, name: &str, kind: TagKind) -> usize {
        let next = self.tags.len() as u32;
        let place = match kind {
            TagKind::Event(number) => *self.events.entry(u32::from(number)).or_insert(next),
            TagKind::Float | TagKind::Double => *self.scalars.entry(name.into()).or_insert(next),
            TagKind::Located(_) => *self.located.entry(name.into()).or_insert(next),
        };
        if place == next {
            self.tags.push(TagColumn {
                name: name.into(),
                kind,
                metadata: None,
                rows: Vec::new(),
                walls: Vec::new(),
                values: Values::none_of(kind),
            });
        } else if self.tags[place as usize].kind == TagKind::Located(0) {
            // It was introduced by somebody who did not know.
            self.tags[place as usize].kind = kind;
        }
        place as usize
    }

    /// A tag's points with their steps.
    #[must_use]
    pub fn column(&self, place: usize) -> Column {
        let tag = &self.tags[place];
        Column {
            rows: tag.rows.clone(),
            steps: tag.rows.iter().map(|&row| self.rows.steps[row as usize]).collect(),
            walls: tag.walls.clone(),
            values: tag.values.clone(),
        }
    }
}
