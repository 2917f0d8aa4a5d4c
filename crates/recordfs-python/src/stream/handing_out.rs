//! What was handed out and what was only read: `tell` and the report count the former.

use pyo3::prelude::*;
use recordfs_core::record::{Decoded, decode_record};

use super::{Form, Stream};

impl Stream {
    /// Begins to gather records: `tell` and the report count them only once `hand_out` says that they have left.
    pub fn gather(&mut self) {
        self.gathering = true;
    }

    /// Where the next record begins in its source.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes the payloads of the gathered records have.
    pub fn gathered_bytes(&self) -> u64 {
        self.gathered.1
    }

    /// The source in which the record ends that `next` returned last, and where.
    pub fn end_of_last(&self) -> (u64, u64) {
        match &self.share {
            Some(share) => share.end_of_last(),
            None => (self.source_index, self.offset),
        }
    }

    /// Counts what was gathered.
    pub fn hand_out(&mut self) {
        self.gathering = false;
        let (records, bytes) = std::mem::take(&mut self.gathered);
        self.progress.count_many(records, bytes, self.source_index, self.offset);
    }

    /// Takes up to `most` records that lie in the window as a whole, and gives `consumer` their payloads and the offset
    /// at which the first of them begins, without the GIL. They count as gathered.
    ///
    /// None where the next record is not there as a whole, is broken, or needs anything else: `next` finds it.
    pub fn take_window<T: Send>(
        &mut self,
        py: Python<'_>,
        most: usize,
        consumer: impl FnOnce(&[&[u8]], u64) -> T + Send,
    ) -> Option<T> {
        if self.is_busy() || self.share.is_some() || !self.is_ready() {
            return None;
        }
        let (result, records, payload, size) = py.detach(|| {
            let bytes = self.window.bytes();
            let (mut payloads, mut end, mut total) = (Vec::new(), 0, 0);
            while payloads.len() < most
                && let Ok(Decoded::Record { payload, size }) = decode_record(&bytes[end..], &self.options.decode)
            {
                total += payload.len() as u64;
                payloads.push(&bytes[end..][payload]);
                end += size;
            }
            let result = (!payloads.is_empty()).then(|| consumer(&payloads, self.offset));
            (result, payloads.len() as u64, total, end)
        });
        self.window.consume(size);
        self.offset += size as u64;
        self.gathered.0 += records;
        self.gathered.1 += payload;
        result
    }

    /// Goes past a record at the front of the window.
    #[inline]
    pub(super) fn pass(&mut self, form: Form, payload: usize, size: usize) {
        self.window.consume(size);
        self.offset += size as u64;
        self.count(form, payload as u64);
    }

    /// Counts a record that ends where the reader stands.
    #[inline]
    pub(super) fn count(&mut self, form: Form, payload: u64) {
        if form == Form::Nothing {
            self.show_position();
        } else if self.gathering {
            self.gathered.0 += 1;
            self.gathered.1 += payload;
        } else {
            self.progress.count(payload, self.offset);
        }
    }

    /// Lets `tell` say where the reader stands, unless there are records before that which were not handed out.
    pub(super) fn show_position(&self) {
        if !self.gathering || (self.gathered.0 == 0 && self.options.share.is_none()) {
            self.progress.set_position(self.source_index, self.offset);
        }
    }
}
