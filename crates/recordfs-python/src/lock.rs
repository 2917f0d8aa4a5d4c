//! The lock inside a native object.
//!
//! It is taken with the GIL held, which costs one atomic exchange. Where another thread holds it, the GIL is let go for
//! the wait, because that thread may need it to go on. A waiting thread takes it without the GIL: it would get that only
//! where the other is inside of the object again, and might wait as long as the other goes on. Signals are served while
//! waiting. A thread that comes back to an object it is inside of - from a signal handler, or from a file's own method -
//! gets an error instead of a deadlock.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::error::{ErrorClass, error};
use crate::process::ProcessMark;

const FREE: usize = 0;

/// How long a waiting thread goes without looking for signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// A value that one thread at a time may use.
pub struct Guarded<T> {
    value: UnsafeCell<T>,
    /// `FREE`, or the mark of the thread that uses the value.
    holder: AtomicUsize,
    waiting: AtomicUsize,
    gate: Mutex<()>,
    turn: Condvar,
    made_in: ProcessMark,
}

// SAFETY: `holder` lets only one thread at a time have a `Guard`, and only a `Guard` reaches the value.
unsafe impl<T: Send> Sync for Guarded<T> {}

impl<T: Send> Guarded<T> {
    /// Guards a value, in the process that is running.
    pub fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            holder: AtomicUsize::new(FREE),
            waiting: AtomicUsize::new(0),
            gate: Mutex::new(()),
            turn: Condvar::new(),
            made_in: ProcessMark::current(),
        }
    }

    /// True in the process that made this, false in a forked child.
    #[inline]
    pub fn belongs_to_this_process(&self) -> bool {
        self.made_in.is_current()
    }

    /// Waits for the value.
    ///
    /// # Errors
    /// FailedPreconditionError if this thread has it already, or if a thread had it when the process was forked;
    /// RuntimeError if another had it when the interpreter ended; whatever a signal handler raises.
    #[inline]
    pub fn lock(&self, py: Python<'_>) -> PyResult<Guard<'_, T>> {
        match self.try_lock() {
            Some(guard) => Ok(guard),
            None => self.wait(py),
        }
    }

    /// The value, if nobody uses it.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.holder
            .compare_exchange(FREE, thread_mark(), Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            // Not `then_some`: a guard that is made is dropped, and that lets go of the lock.
            .then(|| Guard { guarded: self })
    }

    #[cold]
    fn wait(&self, py: Python<'_>) -> PyResult<Guard<'_, T>> {
        if self.holder.load(Ordering::Relaxed) == thread_mark() {
            let message =
                "it was called again from inside one of its own calls, by a signal handler or a file's method";
            return Err(error(py, ErrorClass::FailedPrecondition, message, None, None));
        }
        loop {
            if !self.belongs_to_this_process() {
                let message = "another thread was using it when this process was forked; open it again in the child";
                return Err(error(py, ErrorClass::FailedPrecondition, message, None, None));
            }
            if let Some(guard) = py.detach(|| self.wait_for_turn()) {
                return Ok(guard);
            }
            if is_finalizing(py) {
                // Python stops that thread where it wants the GIL, so it never lets go. Our own classes may be gone.
                let message = "another thread was using it when the interpreter ended, and was stopped in the middle";
                return Err(PyRuntimeError::new_err(message));
            }
            py.check_signals()?;
        }
    }

    fn wait_for_turn(&self) -> Option<Guard<'_, T>> {
        // Counted before the last try, so that whoever lets go after that try wakes this thread.
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let guard = self.try_lock().or_else(|| {
            let _gate = self.turn.wait_timeout(gate, SIGNAL_INTERVAL);
            self.try_lock()
        });
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        guard
    }
}

/// Sole use of a guarded value, until dropped.
pub struct Guard<'a, T> {
    guarded: &'a Guarded<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `holder` names this thread until the guard is dropped.
        unsafe { &*self.guarded.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed mutably.
        unsafe { &mut *self.guarded.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.guarded.holder.store(FREE, Ordering::Release);
        // A thread that begins to wait at this very moment may be overlooked; it tries again after SIGNAL_INTERVAL.
        // Not to overlook it would cost every call a memory fence.
        if self.guarded.waiting.load(Ordering::Relaxed) > 0 {
            let _gate = self.guarded.gate.lock().unwrap_or_else(PoisonError::into_inner);
            self.guarded.turn.notify_one();
        }
    }
}

/// Whether the interpreter has ended all threads but one.
#[cold]
fn is_finalizing(py: Python<'_>) -> bool {
    // SAFETY: the name ends with a zero, and the GIL is held. What comes is borrowed, and null once `sys` is taken apart.
    let asked = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PySys_GetObject(c"is_finalizing".as_ptr())) };
    asked.is_none_or(|asked| asked.call0().and_then(|answer| answer.extract()).unwrap_or(true))
}

/// A number that no other running thread has, and that is never `FREE`.
#[inline]
fn thread_mark() -> usize {
    thread_local! { static MARK: u8 = const { 0 }; }
    MARK.with(|mark| std::ptr::from_ref(mark) as usize)
}
