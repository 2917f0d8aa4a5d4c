//! Several readers of the same records, each of which hands out its share: one in `count`, taken in turn.
//!
//! All of them read every record, and so agree on whose turn it is. A record is handed out when its round is over, so that
//! what `tell` says then is where a round begins, and a reader that starts there takes the right turns.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::{Form, Next, Stream};
use crate::error::is_data_loss;

/// See the module.
pub struct Share {
    index: u64,
    count: u64,
    /// Whose turn the next record is.
    turn: u64,
    /// This reader's record of the round.
    own: Option<Py<PyAny>>,
    /// The source in which it ends, and where.
    own_end: (u64, u64),
    /// What was wrong with a record after that; it comes out after it.
    error: Option<PyErr>,
}

impl Share {
    /// The share of one reader, counted from 0, among `count`.
    pub fn new(index: u64, count: u64) -> Self {
        Self {
            index,
            count,
            turn: 0,
            own: None,
            own_end: (0, 0),
            error: None,
        }
    }

    /// Where this reader's last record ends.
    pub fn end_of_last(&self) -> (u64, u64) {
        self.own_end
    }

    /// Shows the garbage collector the record that waits.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.own.as_ref().map_or(Ok(()), |record| visit.call(record))
    }
}

impl Stream {
    #[cold]
    pub(super) fn next_of_share<'py>(&mut self, py: Python<'py>, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        let in_list = self.gathering;
        let found = self.look_for_own(py, form, may_wait);
        if !in_list && !matches!(found, Err(_) | Ok(Next::WouldWait)) && !self.progress.is_stopped() {
            self.hand_out();
        }
        found
    }

    fn look_for_own<'py>(&mut self, py: Python<'py>, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        let Some(mut share) = self.share.take() else {
            return Ok(Next::End);
        };
        let found = self.go_round(py, &mut share, form, may_wait);
        self.share = Some(share);
        found
    }

    fn go_round<'py>(&mut self, py: Python<'py>, share: &mut Share, form: Form, may_wait: bool) -> PyResult<Next<'py>> {
        if let Some(error) = share.error.take() {
            return Err(error);
        }
        self.gather();
        loop {
            let is_own = share.turn == share.index;
            match self.next_record(py, if is_own { form } else { Form::Nothing }, may_wait) {
                Ok(Next::Record(record)) => {
                    if is_own {
                        share.own = Some(record.unbind());
                        share.own_end = (self.source_index, self.offset);
                    }
                    share.turn = (share.turn + 1) % share.count;
                    if share.turn == 0
                        && let Some(own) = share.own.take()
                    {
                        return Ok(Next::Record(own.into_bound(py)));
                    }
                }
                Ok(Next::End) if !self.progress.is_stopped() => {
                    return Ok(match share.own.take() {
                        Some(own) => Next::Record(own.into_bound(py)),
                        None => Next::End,
                    });
                }
                Err(error) if is_data_loss(py, &error) => {
                    let Some(own) = share.own.take() else {
                        return Err(error);
                    };
                    share.error = Some(error);
                    return Ok(Next::Record(own.into_bound(py)));
                }
                other => return other,
            }
        }
    }
}
