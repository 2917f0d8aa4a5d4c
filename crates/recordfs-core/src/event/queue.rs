//! The queue between those who log and the one thread that writes: bounded in bytes, and never held over anything slow.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::decode::is_wall_time;
use super::encode::{KEPT_EVENT, ScalarTag, encode_scalar_event, scalar_event_size};

/// Events are gathered in chunks of so many bytes, so that adding one never moves those before it.
const CHUNK: usize = 256 << 10;

/// Room after a chunk for the event that fills it.
const SLACK: usize = 4096;

/// Chunks that are kept to be filled again.
const SPARE_CHUNKS: usize = 8;

/// So many chunks at most are taken at once.
const TAKEN_CHUNKS: usize = 4;

/// Before each event: its length and its flags.
const ITEM_HEADER: usize = 8;

/// The writer gives a tag's metadata with every value; all but the first are to be left out.
const REPEATS_METADATA: u32 = 1;

/// Events that were taken from a queue, in the order in which they were added.
#[derive(Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    /// How many events it holds.
    pub events: u64,
}

impl Chunk {
    /// How much of the queue's bound it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The events, and whether each repeats its tag's metadata.
    pub fn items(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (header, left) = rest.split_first_chunk::<ITEM_HEADER>()?;
            let [a, b, c, d, flags, ..] = *header;
            let (payload, left) = left.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
            rest = left;
            Some((payload, u32::from(flags) & REPEATS_METADATA != 0))
        })
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the queue.
    Added,
    /// There is no room for it.
    Full,
    /// Its tag has values of another kind: this one.
    OtherKind(u8),
    /// The queue is closed.
    Closed,
    /// Its wall time is none.
    NoWallTime,
}

/// What adding an event needs comes first and stands together: after a pause each line of the processor's cache that is
/// fetched costs about as much as the rest of the work.
#[derive(Default)]
#[repr(C)]
struct State {
    filling: Chunk,
    /// Bytes that were added and are not done.
    queued: usize,
    added: u64,
    is_closed: bool,
    consumer_waits: bool,
    has_ended: bool,
    /// Whether the consumer is to take what there is, a full chunk or not.
    urgent: bool,
    producers_waiting: usize,
    dropped: u64,
    full: VecDeque<Chunk>,
    spare: Vec<Vec<u8>>,
    /// The kinds of the tags so far.
    kinds: HashMap<Box<str>, u8>,
}

/// The kind of tags that hold scalars.
pub const SCALAR_KIND: u8 = 0;

/// A queue of events with many producers and one consumer.
#[repr(C, align(64))]
pub struct EventQueue {
    limit: usize,
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
}

impl EventQueue {
    /// An empty queue of at most `limit` bytes; one event may be larger if it is alone.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
        }
    }

    /// Nothing under this lock panics half-way, so a poisoned lock is sound all the same.
    #[inline(always)]
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty queue that knows the tags of one before it.
    #[must_use]
    pub fn after(former: &Self, limit: usize) -> Self {
        let queue = Self::new(limit);
        queue.lock().kinds.clone_from(&former.lock().kinds);
        queue
    }

    /// Adds the event of a scalar; only then its tag has that kind.
    #[inline]
    pub fn push_scalar(&self, wall_time: f64, step: i64, tag: &str, value: f32) -> Pushed {
        if !is_wall_time(wall_time) {
            return Pushed::NoWallTime;
        }
        let size = scalar_event_size(tag, step);
        let mut state = self.lock();
        if state.is_closed {
            return Pushed::Closed;
        }
        let known = state.kinds.get(tag).copied();
        if let Some(other) = known.filter(|kind| *kind != SCALAR_KIND) {
            return Pushed::OtherKind(other);
        }
        if !self.has_room(&state, size) {
            return Pushed::Full;
        }
        if known.is_none() {
            state.kinds.insert(tag.into(), SCALAR_KIND);
        }
        let out = state.begin_item(size, 0);
        encode_scalar_event(out, wall_time, step, tag, value);
        self.added(state, size);
        Pushed::Added
    }

    /// Adds the event of a scalar, as [`push_scalar`](Self::push_scalar) does, if that is simple: `tag` was added to this
    /// queue as a scalar's, and there is room in the chunk that is being filled. Else it does nothing and returns false.
    // Part of its caller, so that the processor fetches one piece of code.
    #[inline(always)]
    pub fn push_scalar_of(&self, tag: &ScalarTag, wall_time: f64, step: i64, value: f32) -> bool {
        const ITEM: usize = ITEM_HEADER + KEPT_EVENT;
        let mut state = self.lock();
        let State {
            filling,
            queued,
            added,
            is_closed,
            ..
        } = &mut *state;
        let used = filling.bytes.len();
        let is_simple = is_wall_time(wall_time)
            && !*is_closed
            && filling.events > 0
            && used + ITEM < CHUNK.min(filling.bytes.capacity())
            && *queued + ITEM <= self.limit;
        if is_simple {
            // Written where it is to stay: bytes that are copied as words soon after make the processor wait.
            filling.bytes.extend_from_slice(&[0; ITEM]);
            let item = &mut filling.bytes[used..];
            let Some((header, event)) = item.split_first_chunk_mut() else {
                return false;
            };
            let Some(event) = event.first_chunk_mut() else {
                return false;
            };
            let size = tag.write_event(event, wall_time, step, value);
            *header = (size as u64).to_le_bytes();
            let added_bytes = ITEM_HEADER + size;
            filling.bytes.truncate(used + added_bytes);
            filling.events += 1;
            *queued += added_bytes;
            *added += 1;
        }
        is_simple
    }

    /// Adds any event that [`decode_writable_event`](super::decode_writable_event) has read; only then the tag that is
    /// given with it has the kind that is.
    pub fn push(&self, payload: &[u8], repeats_metadata: bool, tag: Option<(&str, u8)>) -> Pushed {
        let mut state = self.lock();
        if state.is_closed {
            return Pushed::Closed;
        }
        if let Some((name, kind)) = tag
            && let Some(&other) = state.kinds.get(name).filter(|known| **known != kind)
        {
            return Pushed::OtherKind(other);
        }
        if !self.has_room(&state, payload.len()) {
            return Pushed::Full;
        }
        if let Some((name, kind)) = tag {
            state.kinds.insert(name.into(), kind);
        }
        let flags = if repeats_metadata { REPEATS_METADATA } else { 0 };
        state.begin_item(payload.len(), flags).extend_from_slice(payload);
        self.added(state, payload.len());
        Pushed::Added
    }

    #[inline]
    fn has_room(&self, state: &State, size: usize) -> bool {
        state.queued == 0 || state.queued + size + ITEM_HEADER <= self.limit
    }

    #[inline]
    fn added(&self, mut state: MutexGuard<'_, State>, size: usize) {
        state.queued += size + ITEM_HEADER;
        state.added += 1;
        state.filling.events += 1;
        if state.filling.size() >= CHUNK {
            state.close_chunk();
            if state.consumer_waits {
                drop(state);
                self.work.notify_one();
            }
        }
    }

    /// Counts events that were given up for lack of room.
    pub fn drop_one(&self) {
        self.lock().dropped += 1;
    }

    /// Waits until something was done, or for so long. Events may fit then or not.
    pub fn wait_for_room(&self, patience: Duration) {
        let mut state = self.lock();
        state.producers_waiting += 1;
        let (mut state, _) = self
            .room
            .wait_timeout(state, patience)
            .unwrap_or_else(PoisonError::into_inner);
        state.producers_waiting -= 1;
    }

    /// Takes no more events: those that were added before are all that there will be.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.room.notify_all();
    }

    /// Takes events again, if it has not ended; whether it does.
    pub fn reopen(&self) -> bool {
        let mut state = self.lock();
        state.is_closed = state.has_ended;
        !state.is_closed
    }

    /// Stays closed for ever, if it is closed and everything was taken and done; whether it has ended.
    pub fn end(&self) -> bool {
        let mut state = self.lock();
        state.has_ended |= state.is_closed && state.queued == 0;
        state.has_ended
    }

    /// Whether it takes no more events.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Has the consumer take what there is at once.
    pub fn urge(&self) {
        self.lock().urgent = true;
        self.work.notify_one();
    }

    /// Takes events, the oldest first: full chunks as soon as there is one; all that there are once it was urged to, or
    /// when the time is over.
    pub fn take(&self, patience: Duration) -> Vec<Chunk> {
        // Too long a time is no time that the clock can tell.
        let deadline = Instant::now() + patience.min(Duration::from_secs(86_400));
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !state.full.is_empty() || state.urgent || left.is_zero() {
                break;
            }
            state.consumer_waits = true;
            state = self
                .work
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            state.consumer_waits = false;
        }
        let is_late = state.full.is_empty();
        let count = state.full.len().min(TAKEN_CHUNKS);
        let mut taken: Vec<Chunk> = state.full.drain(..count).collect();
        if state.full.is_empty() && (state.urgent || is_late) {
            state.urgent = false;
            if state.filling.events > 0 {
                taken.push(std::mem::take(&mut state.filling));
            }
        }
        taken
    }

    /// Says that chunks were dealt with: their bytes count no longer.
    pub fn done(&self, chunks: Vec<Chunk>) {
        let mut state = self.lock();
        for mut chunk in chunks {
            state.queued -= chunk.size();
            if state.spare.len() < SPARE_CHUNKS && chunk.bytes.capacity() <= 2 * CHUNK {
                chunk.bytes.clear();
                state.spare.push(chunk.bytes);
            }
        }
        if state.producers_waiting > 0 {
            drop(state);
            self.room.notify_all();
        }
    }

    /// How many events were added, how many were given up, and how many bytes are not done.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, usize) {
        let state = self.lock();
        (state.added, state.dropped, state.queued)
    }
}

impl State {
    #[inline]
    fn begin_item(&mut self, size: usize, flags: u32) -> &mut Vec<u8> {
        if self.filling.bytes.capacity() - self.filling.size() < size + ITEM_HEADER {
            self.close_chunk();
            self.filling.bytes = match self.spare.pop() {
                Some(bytes) if bytes.capacity() >= size + ITEM_HEADER => bytes,
                _ => fresh_chunk(CHUNK.max(size) + ITEM_HEADER + SLACK),
            };
        }
        let out = &mut self.filling.bytes;
        // An event of 4 GiB cannot be: protobuf ends at 2.
        out.extend_from_slice(&(size as u32).to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out
    }

    fn close_chunk(&mut self) {
        if self.filling.events > 0 {
            self.full.push_back(std::mem::take(&mut self.filling));
        }
    }
}

/// Memory for a chunk whose pages are all there. Otherwise each page would be fetched by the event that reaches it first,
/// which is one in a hundred scalars, at several times the cost of adding one.
fn fresh_chunk(capacity: usize) -> Vec<u8> {
    let mut bytes = vec![1; capacity];
    bytes.clear();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(chunks: &[Chunk]) -> Vec<Vec<u8>> {
        chunks
            .iter()
            .flat_map(Chunk::items)
            .map(|(payload, _)| payload.to_vec())
            .collect()
    }

    #[test]
    fn events_come_out_in_order_whatever_their_size() {
        let queue = EventQueue::new(usize::MAX);
        let sent: Vec<Vec<u8>> = (0..2000).map(|n| vec![n as u8; (n * 37) % 1500]).collect();
        sent.iter()
            .for_each(|payload| assert_eq!(queue.push(payload, false, None), Pushed::Added));
        assert_eq!(queue.push(&vec![7; 3 << 20], true, None), Pushed::Added);
        queue.urge();
        let (mut found, mut flags) = (Vec::new(), Vec::new());
        while queue.counts().2 > 0 {
            let chunks = queue.take(Duration::ZERO);
            found.extend(payloads(&chunks));
            flags.extend(chunks.iter().flat_map(Chunk::items).map(|(_, flag)| flag));
            queue.done(chunks);
        }
        assert_eq!(found[..2000], sent);
        assert_eq!(found[2000].len(), 3 << 20);
        assert_eq!(flags.iter().filter(|flag| **flag).count(), 1);
        assert_eq!(queue.counts(), (2001, 0, 0));
    }

    #[test]
    fn there_is_no_room_before_what_was_taken_is_done() {
        let queue = EventQueue::new(1000);
        assert_eq!(
            queue.push(&[1; 5000], false, None),
            Pushed::Added,
            "alone, an event of any size fits"
        );
        assert_eq!(queue.push(&[1; 10], false, None), Pushed::Full);
        let taken = queue.take(Duration::ZERO);
        assert_eq!(queue.push(&[1; 10], false, None), Pushed::Full);
        queue.done(taken);
        assert_eq!(queue.push(&[1; 10], false, None), Pushed::Added);
    }

    #[test]
    fn scalars_of_a_kept_tag_are_those_of_the_tag() {
        let (queue, plain) = (EventQueue::new(100_000_000), EventQueue::new(100_000_000));
        let tag = ScalarTag::new("loss").unwrap();
        assert!(!queue.push_scalar_of(&tag, 0.0, 0, 1.0), "there is no chunk yet");
        for step in 0..20_000 {
            let (wall_time, value) = (step as f64 / 7.0, step as f32);
            assert_eq!(plain.push_scalar(wall_time, step, "loss", value), Pushed::Added);
            if !queue.push_scalar_of(&tag, wall_time, step, value) {
                assert_eq!(queue.push_scalar(wall_time, step, "loss", value), Pushed::Added);
            }
        }
        assert_eq!(queue.counts(), plain.counts());
        let (chunks, expected) = (queue.take(Duration::ZERO), plain.take(Duration::ZERO));
        assert!(chunks.len() > 1, "the chunks are filled");
        assert_eq!(payloads(&chunks), payloads(&expected));
    }

    #[test]
    fn a_kept_tag_adds_nothing_where_the_tag_would_not() {
        let tag = ScalarTag::new("loss").unwrap();
        let queue = EventQueue::new(300);
        assert_eq!(queue.push_scalar(0.0, 0, "loss", 1.0), Pushed::Added);
        assert!(!queue.push_scalar_of(&tag, f64::NAN, 0, 1.0));
        while queue.push_scalar_of(&tag, 0.0, 0, 1.0) {}
        assert!(queue.counts().2 <= 300, "the bound holds");
        queue.done(queue.take(Duration::ZERO));
        assert_eq!(queue.push_scalar(0.0, 0, "loss", 1.0), Pushed::Added);
        queue.close();
        assert!(!queue.push_scalar_of(&tag, 0.0, 0, 1.0));
    }

    #[test]
    fn a_tag_keeps_its_kind() {
        let queue = EventQueue::new(usize::MAX);
        assert_eq!(queue.push_scalar(0.0, 0, "a", 1.0), Pushed::Added);
        assert_eq!(queue.push(&[1], false, Some(("b", 3))), Pushed::Added);
        for queue in [&queue, &EventQueue::after(&queue, 10)] {
            assert_eq!(queue.push(&[1], false, Some(("a", 3))), Pushed::OtherKind(SCALAR_KIND));
            assert_eq!(queue.push(&[1], false, Some(("b", 3))), Pushed::Added);
            assert_eq!(queue.push_scalar(0.0, 0, "b", 1.0), Pushed::OtherKind(3));
        }
    }

    #[test]
    fn what_is_not_added_gives_its_tag_no_kind() {
        let queue = EventQueue::new(10);
        assert_eq!(queue.push(&[1; 10], false, None), Pushed::Added);
        assert_eq!(queue.push_scalar(0.0, 0, "a", 1.0), Pushed::Full);
        assert_eq!(queue.push(&[1], false, Some(("b", 3))), Pushed::Full);
        queue.done(queue.take(Duration::ZERO));
        assert_eq!(queue.push_scalar(0.0, 0, "b", 1.0), Pushed::Added);
        queue.done(queue.take(Duration::ZERO));
        queue.close();
        assert_eq!(queue.push_scalar(0.0, 0, "a", 1.0), Pushed::Closed);
        assert!(queue.reopen());
        assert_eq!(queue.push(&[1], false, Some(("a", 3))), Pushed::Added);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
        let queue = EventQueue::new(usize::MAX);
        assert_eq!(queue.push(&[1; 10], false, None), Pushed::Added);
        queue.close();
        assert_eq!(queue.push(&[2; 10], false, None), Pushed::Closed);
        assert_eq!(queue.push_scalar(0.0, 0, "a", 1.0), Pushed::Closed);
        assert_eq!(payloads(&queue.take(Duration::ZERO)), [vec![1; 10]]);
        assert!(queue.reopen());
        assert_eq!(queue.push(&[3; 10], false, None), Pushed::Added);
        assert_eq!(queue.counts().0, 2);
    }

    #[test]
    fn a_queue_ends_once_it_is_closed_and_empty_and_never_opens_again() {
        let queue = EventQueue::new(usize::MAX);
        assert!(!queue.end(), "open");
        queue.push(&[1; 10], false, None);
        queue.close();
        assert!(!queue.end(), "an event waits");
        let taken = queue.take(Duration::ZERO);
        assert!(!queue.end(), "an event is not done");
        queue.done(taken);
        assert!(queue.end());
        assert!(!queue.reopen());
        assert_eq!(queue.push(&[2; 10], false, None), Pushed::Closed);
    }

    #[test]
    fn many_producers_lose_nothing_to_one_consumer() {
        let queue = EventQueue::new(64 << 10);
        let total = std::thread::scope(|scope| {
            for producer in 0..4 {
                let queue = &queue;
                scope.spawn(move || {
                    let tag = format!("tag{producer}");
                    for step in 0..5000 {
                        while queue.push_scalar(1.0, step, &tag, 0.5) == Pushed::Full {
                            queue.urge();
                            queue.wait_for_room(Duration::from_millis(50));
                        }
                    }
                });
            }
            let mut total = 0;
            while total < 20_000 {
                let chunks = queue.take(Duration::from_millis(5));
                total += chunks.iter().map(|chunk| chunk.events).sum::<u64>();
                queue.done(chunks);
            }
            total
        });
        assert_eq!(total, 20_000);
        assert_eq!(queue.counts(), (20_000, 0, 0));
    }
}
