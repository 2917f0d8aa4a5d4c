//! How a thread of TensorFlow's has something done in Python, and how none is left behind when Python ends.
//!
//! A thread that Python knows (gfile in a user's thread) calls Python itself. A thread that Python does not know (the
//! threads of `tf.data`) never does: it hands the call to one of Python's own threads, the workers, and waits. So when
//! the interpreter ends it can be let go at any moment, with UNAVAILABLE, even if the call in Python takes for ever;
//! a thread that waited for the interpreter's lock could not. All memory that a call reads or writes belongs to the call,
//! never to TensorFlow, because its thread may be gone by the time Python uses it.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::super::abi::code;
use super::super::status::Outcome;
use super::PyShared;
use crate::python_call::{call, call_method};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<GuestCall>()?;
    module.add_function(wrap_pyfunction!(next_guest_call, module)?)?;
    module.add_function(wrap_pyfunction!(end_guest_calls, module)?)?;
    module.add_function(wrap_pyfunction!(renew_guest_calls, module)?)
}

/// A worker that has had nothing to do for so long ends, unless it is the last one.
const IDLE_SECONDS: u64 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Calls are taken.
    Open,
    /// No further calls are taken; those under way may end.
    Draining,
    /// Who still waits for a call is let go.
    Closed,
}

struct State {
    gate: Gate,
    waiting: VecDeque<Box<dyn Job>>,
    /// Workers that wait for a call.
    idle: usize,
    /// Workers that exist.
    workers: usize,
    /// Calls that were taken and are not over.
    under_way: usize,
}

struct Pool {
    state: Mutex<State>,
    /// A call has come, or the gate has moved: for the workers.
    arrived: Condvar,
    /// A call is over, a worker has ended, or the gate has moved: for everybody else.
    over: Condvar,
}

impl Pool {
    const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                gate: Gate::Open,
                waiting: VecDeque::new(),
                idle: 0,
                workers: 0,
                under_way: 0,
            }),
            arrived: Condvar::new(),
            over: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_over(&self, deadline: Instant, mut is_over: impl FnMut(&State) -> bool) {
        let mut state = self.lock();
        while !is_over(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self
                .over
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

static FIRST_POOL: Pool = Pool::new();
static RENEWED: AtomicPtr<Pool> = AtomicPtr::new(std::ptr::null_mut());

/// The pool of this process. A forked child has one of its own, because a lock of its parent's may be held for ever.
fn pool() -> &'static Pool {
    let renewed = RENEWED.load(Ordering::Acquire);
    // SAFETY: a pool that was put here is never freed.
    unsafe { renewed.as_ref() }.unwrap_or(&FIRST_POOL)
}

/// A function of Python's and its arguments, as they are found out under the interpreter's lock.
type Prepared<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

/// Finds out what to call, in a thread that has the interpreter's lock.
type Prepare = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Prepared<'py>> + Send>;

/// Takes what is needed out of what the function returned.
type Convert<T> = Box<dyn for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T> + Send>;

/// Something to be done in Python: what to call, and what to make of the result.
pub struct Call<T> {
    /// Returns the function and its arguments.
    pub prepare: Prepare,
    /// Takes what is needed out of the result.
    pub convert: Convert<T>,
    /// The adapter, whose `describe_error` gives an exception its code and message.
    pub adapter: PyShared,
}

impl<T: Send + 'static> Call<T> {
    /// Has it done, and waits for it.
    pub fn run(self) -> Outcome<T> {
        if is_thread_of_python() {
            self.run_here()
        } else {
            self.hand_over()
        }
    }

    fn run_here(self) -> Outcome<T> {
        // SAFETY: asks a question that may be asked at any time.
        if unsafe { ffi::Py_IsInitialized() } == 0 {
            return Err(python_has_ended());
        }
        Python::attach(|py| {
            let attempt = (self.prepare)(py)
                .and_then(|(function, arguments)| call(&function, arguments))
                .and_then(|result| (self.convert)(&result));
            attempt.map_err(|error| {
                let outcome = describe(self.adapter.bind(py), &error);
                if error.is_instance_of::<PyKeyboardInterrupt>(py) {
                    interrupt_again();
                }
                outcome
            })
        })
    }

    fn hand_over(self) -> Outcome<T> {
        let pool = pool();
        let slot = Arc::new(Slot::default());
        let handed = HandedCall {
            prepare: Some(self.prepare),
            convert: Some(self.convert),
            adapter: self.adapter,
            slot: Arc::clone(&slot),
        };
        {
            let mut state = pool.lock();
            if state.gate != Gate::Open {
                return Err(python_has_ended());
            }
            state.under_way += 1;
            state.waiting.push_back(Box::new(handed));
            pool.arrived.notify_one();
        }
        let outcome = slot.wait(pool);
        pool.lock().under_way -= 1;
        pool.over.notify_all();
        outcome
    }
}

/// Has Python see Ctrl-C once more, soon: TensorFlow turns the KeyboardInterrupt into an error of its own, and a program
/// that takes that for the filesystem's trouble would go on.
///
/// Not at once, because TensorFlow does not survive an interrupt in the making of its exception.
fn interrupt_again() {
    const UNTIL_TENSORFLOW_HAS_RAISED: Duration = Duration::from_millis(100);
    std::thread::spawn(|| {
        std::thread::sleep(UNTIL_TENSORFLOW_HAS_RAISED);
        // A program that has begun to end does what was asked of it, and is not interrupted while it saves its files.
        // SAFETY: may be called by any thread at any time.
        if pool().lock().gate == Gate::Open && unsafe { ffi::Py_IsInitialized() } != 0 {
            // SAFETY: as above.
            unsafe { ffi::PyErr_SetInterrupt() };
        }
    });
}

/// Whether Python knows the thread that asks: then it may call Python directly.
fn is_thread_of_python() -> bool {
    // SAFETY: may be called from any thread at any time; null for a thread without a state.
    !unsafe { ffi::PyGILState_GetThisThreadState() }.is_null()
}

fn python_has_ended() -> (c_int, String) {
    (
        code::UNAVAILABLE,
        String::from("Python is ending, and this filesystem with it"),
    )
}

/// The code and the message that the adapter gives an exception.
fn describe(adapter: &Bound<'_, PyAny>, error: &PyErr) -> (c_int, String) {
    let py = adapter.py();
    let described = call_method(adapter, intern!(py, "describe_error"), (error.value(py),))
        .and_then(|described| described.extract::<(c_int, String)>());
    described.unwrap_or_else(|second| (code::INTERNAL, format!("{error}; and describing it failed: {second}")))
}

/// Where the outcome of a call arrives.
struct Slot<T> {
    outcome: Mutex<Option<Outcome<T>>>,
    arrived: Condvar,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            outcome: Mutex::new(None),
            arrived: Condvar::new(),
        }
    }
}

impl<T> Slot<T> {
    fn put(&self, outcome: Outcome<T>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.arrived.notify_one();
    }

    /// Waits for the outcome, or until nobody will give it any more.
    fn wait(&self, pool: &Pool) -> Outcome<T> {
        /// How long a thread waits before it looks at the gate.
        const GATE_INTERVAL: Duration = Duration::from_millis(20);
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            outcome = self
                .arrived
                .wait_timeout(outcome, GATE_INTERVAL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if outcome.is_none() && pool.lock().gate == Gate::Closed {
                return Err(python_has_ended());
            }
        }
    }
}

/// A call that waits for a worker or is with one, of whatever result.
trait Job: Send + Sync {
    fn prepare<'py>(&mut self, py: Python<'py>) -> PyResult<Prepared<'py>>;
    fn succeed(&mut self, result: &Bound<'_, PyAny>) -> PyResult<()>;
    fn fail(&mut self, outcome: (c_int, String));
    fn adapter(&self) -> &PyShared;
}

struct HandedCall<T> {
    prepare: Option<Prepare>,
    convert: Option<Convert<T>>,
    adapter: PyShared,
    slot: Arc<Slot<T>>,
}

// SAFETY: used by one thread at a time, through `&mut`.
unsafe impl<T: Send> Sync for HandedCall<T> {}

impl<T: Send> Job for HandedCall<T> {
    fn prepare<'py>(&mut self, py: Python<'py>) -> PyResult<Prepared<'py>> {
        match self.prepare.take() {
            Some(prepare) => prepare(py),
            None => Err(pyo3::exceptions::PyRuntimeError::new_err("a call is made once")),
        }
    }

    fn succeed(&mut self, result: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some(convert) = self.convert.take() {
            self.slot.put(Ok(convert(result)?));
        }
        Ok(())
    }

    fn fail(&mut self, outcome: (c_int, String)) {
        self.slot.put(Err(outcome));
    }

    fn adapter(&self) -> &PyShared {
        &self.adapter
    }
}

/// A call of TensorFlow's that a worker makes: ``call.function(*call.arguments)``, and then one of the two answers.
#[pyclass(frozen, module = "recordfs._core")]
pub struct GuestCall {
    job: Mutex<Option<Box<dyn Job>>>,
    #[pyo3(get)]
    function: Py<PyAny>,
    #[pyo3(get)]
    arguments: Py<PyTuple>,
    /// Whether no other worker is waiting for calls: then there has to be one more.
    #[pyo3(get)]
    is_last_worker: bool,
}

#[pymethods]
impl GuestCall {
    /// Give TensorFlow the result.
    fn succeed(&self, py: Python<'_>, result: &Bound<'_, PyAny>) {
        if let Some(mut job) = self.take_job()
            && let Err(error) = job.succeed(result)
        {
            let outcome = describe(job.adapter().bind(py), &error);
            job.fail(outcome);
        }
    }

    /// Give TensorFlow the exception.
    fn fail(&self, py: Python<'_>, error: Bound<'_, PyAny>) {
        if let Some(mut job) = self.take_job() {
            let outcome = describe(job.adapter().bind(py), &PyErr::from_value(error));
            job.fail(outcome);
        }
    }
}

impl GuestCall {
    fn take_job(&self) -> Option<Box<dyn Job>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Wait for a call of TensorFlow's, in a worker; None if the worker shall end.
#[pyfunction]
fn next_guest_call(py: Python<'_>, is_first_call: bool) -> PyResult<Option<GuestCall>> {
    let pool = pool();
    let mut is_first_call = is_first_call;
    loop {
        let Some((mut job, is_last_worker)) = py.detach(|| wait_for_job(pool, is_first_call)) else {
            return Ok(None);
        };
        is_first_call = false;
        match job.prepare(py) {
            Ok((function, arguments)) => {
                return Ok(Some(GuestCall {
                    job: Mutex::new(Some(job)),
                    function: function.unbind(),
                    arguments: arguments.unbind(),
                    is_last_worker,
                }));
            }
            Err(error) => {
                let outcome = describe(job.adapter().bind(py), &error);
                job.fail(outcome);
            }
        }
    }
}

fn wait_for_job(pool: &Pool, is_first_call: bool) -> Option<(Box<dyn Job>, bool)> {
    let mut state = pool.lock();
    if is_first_call {
        state.workers += 1;
    }
    state.idle += 1;
    let deadline = Instant::now() + Duration::from_secs(IDLE_SECONDS);
    let job = loop {
        if state.gate == Gate::Closed {
            break None;
        }
        if let Some(job) = state.waiting.pop_front() {
            break Some(job);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() && state.idle > 1 {
            break None;
        }
        let left = left.max(Duration::from_millis(500));
        state = pool
            .arrived
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    };
    state.idle -= 1;
    if job.is_none() {
        state.workers -= 1;
        pool.over.notify_all();
    }
    let is_last_worker = state.idle == 0;
    job.map(|job| (job, is_last_worker))
}

/// Take no more calls, and let go of every thread of TensorFlow's that waits for one.
///
/// Calls under way have ``seconds`` to end. Workers that are idle then end; one that is still at a call stays at it.
#[pyfunction]
fn end_guest_calls(py: Python<'_>, seconds: f64) {
    let pool = pool();
    let patience = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    py.detach(|| {
        pool.lock().gate = Gate::Draining;
        pool.wait_until_over(Instant::now() + patience, |state| state.under_way == 0);
        let unmade = {
            let mut state = pool.lock();
            state.gate = Gate::Closed;
            std::mem::take(&mut state.waiting)
        };
        drop(unmade);
        pool.arrived.notify_all();
        pool.over.notify_all();
        // An idle worker needs no more than its turn to end.
        pool.wait_until_over(Instant::now() + Duration::from_millis(500), |state| state.idle == 0);
        pool.wait_until_over(Instant::now() + Duration::from_millis(500), |state| {
            state.under_way == 0
        });
    });
}

/// Begin again in a forked child, which has none of its parent's threads.
#[pyfunction]
fn renew_guest_calls() {
    RENEWED.store(Box::into_raw(Box::new(Pool::new())), Ordering::Release);
}
