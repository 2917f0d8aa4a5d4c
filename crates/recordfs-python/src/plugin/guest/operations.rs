//! The operations of a guest's filesystem: each calls the adapter's method of the same name.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::super::abi::{FileStatistics, FilesystemOps, Handle, Status, Truth, code};
use super::super::status::Outcome;
use super::calls::Call;
use super::reader::GuestReader;
use super::region::GuestRegion;
use super::tensorflow::{answer, answer_both};
use super::writer::GuestWriter;
use super::{GuestFileSystem, announced};
use crate::python_call::call_method;

pub const FILESYSTEM: FilesystemOps = FilesystemOps {
    init: Some(init),
    cleanup: Some(cleanup),
    new_random_access_file: Some(new_random_access_file),
    new_writable_file: Some(new_writable_file),
    new_appendable_file: Some(new_appendable_file),
    new_read_only_memory_region_from_file: Some(new_read_only_memory_region_from_file),
    create_dir: Some(create_dir),
    recursively_create_dir: Some(recursively_create_dir),
    delete_file: Some(delete_file),
    delete_dir: Some(delete_dir),
    delete_recursively: Some(delete_recursively),
    rename_file: Some(rename_file),
    copy_file: Some(copy_file),
    path_exists: Some(path_exists),
    // TensorFlow asks for one path after the other then.
    paths_exist: None,
    stat: Some(stat),
    is_directory: Some(is_directory),
    get_file_size: Some(get_file_size),
    translate_name: Some(translate_name),
    get_children: Some(get_children),
    get_matching_paths: Some(get_matching_paths),
    flush_caches: Some(flush_caches),
    unused: [None; 11],
};

impl GuestFileSystem {
    /// Calls a method of the adapter with paths, and converts what it returns.
    fn call<T: Send + 'static>(
        &self,
        method: &'static str,
        paths: Vec<OsString>,
        convert: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T> + Send + 'static,
    ) -> Outcome<T> {
        let adapter = Arc::clone(&self.adapter);
        let call = Call {
            prepare: Box::new(move |py| Ok((adapter.bind(py).getattr(method)?, PyTuple::new(py, paths)?))),
            convert: Box::new(convert),
            adapter: Arc::clone(&self.adapter),
        };
        call.run()
    }
}

/// # Safety
/// `handle` is that of a filesystem that is initialized.
unsafe fn file_system<'a>(handle: *const Handle) -> &'a Arc<GuestFileSystem> {
    // SAFETY: as promised to this function.
    unsafe { &*(*handle).plugin.cast::<Arc<GuestFileSystem>>() }
}

/// # Safety
/// `path` ends with a zero.
unsafe fn owned(path: *const c_char) -> OsString {
    // SAFETY: as promised to this function.
    OsString::from_vec(unsafe { CStr::from_ptr(path) }.to_bytes().to_vec())
}

/// Calls the adapter's `method` with a path, and converts what it returns.
///
/// # Safety
/// As TensorFlow calls an operation: the filesystem is initialized, and the path ends with a zero.
unsafe fn ask<T: Send + 'static>(
    method: &'static str,
    handle: *const Handle,
    path: *const c_char,
    convert: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T> + Send + 'static,
) -> Outcome<T> {
    // SAFETY: as promised to this function.
    let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
    file_system.call(method, vec![path], convert)
}

unsafe extern "C" fn init(handle: *mut Handle, status: *mut Status) {
    answer(status, (), || {
        let Some(guest) = announced().pop_front() else {
            let message = "recordfs.interop.tensorflow.register registers filesystems of recordfs";
            return Err((code::FAILED_PRECONDITION, String::from(message)));
        };
        // SAFETY: TensorFlow passes memory for a handle.
        unsafe { (*handle).plugin = Box::into_raw(Box::new(guest)).cast() };
        Ok(())
    });
}

unsafe extern "C" fn cleanup(handle: *mut Handle) {
    // SAFETY: TensorFlow cleans a filesystem up once, and nothing uses it then.
    drop(unsafe { Box::from_raw((*handle).plugin.cast::<Arc<GuestFileSystem>>()) });
}

/// Opens a path by the adapter's `method`, and puts what `keep` makes of it into TensorFlow's handle.
///
/// # Safety
/// As `ask`; `opened` is TensorFlow's memory for a handle.
unsafe fn open<T: Send + 'static, F>(
    method: &'static str,
    (handle, path): (*const Handle, *const c_char),
    opened: *mut Handle,
    status: *mut Status,
    convert: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T> + Send + 'static,
    keep: impl FnOnce(&Arc<GuestFileSystem>, T) -> *const F,
) {
    answer(status, (), || {
        // SAFETY: as promised to this function.
        unsafe {
            let file = ask(method, handle, path, convert)?;
            (*opened).plugin = keep(file_system(handle), file).cast_mut().cast();
        }
        Ok(())
    });
}

macro_rules! operations_that_open {
    ($($name:ident: $method:literal, $convert:expr, $keep:expr;)+) => {$(
        unsafe extern "C" fn $name(handle: *const Handle, path: *const c_char, file: *mut Handle, status: *mut Status) {
            // SAFETY: TensorFlow calls the operation.
            unsafe { open($method, (handle, path), file, status, $convert, $keep) };
        }
    )+};
}

operations_that_open! {
    new_random_access_file: "open_reader", |file| Ok(Arc::new(file.clone().unbind())), |file_system, file| {
        Box::into_raw(Box::new(GuestReader::new(Arc::clone(file_system), file)))
    };
    new_writable_file: "open_writer", file_and_position, keep_writer;
    new_appendable_file: "open_appender", file_and_position, keep_writer;
    new_read_only_memory_region_from_file: "open_region", GuestRegion::new, |_, region| Box::into_raw(Box::new(region));
}

/// A writer's file, and where it stands.
fn file_and_position(file: &Bound<'_, PyAny>) -> PyResult<(Py<PyAny>, i64)> {
    let position = call_method(file, intern!(file.py(), "tell"), ())?.extract::<i64>()?;
    Ok((file.clone().unbind(), position))
}

fn keep_writer(file_system: &Arc<GuestFileSystem>, (file, position): (Py<PyAny>, i64)) -> *const GuestWriter {
    Arc::into_raw(GuestWriter::new(Arc::clone(file_system), file, position))
}

macro_rules! operations_on_one_path {
    ($($name:ident),+) => {$(
        unsafe extern "C" fn $name(handle: *const Handle, path: *const c_char, status: *mut Status) {
            // SAFETY: TensorFlow calls the operation.
            answer(status, (), || unsafe { ask(stringify!($name), handle, path, |_| Ok(())) });
        }
    )+};
}

macro_rules! operations_on_two_paths {
    ($($name:ident),+) => {$(
        unsafe extern "C" fn $name(
            handle: *const Handle,
            source: *const c_char,
            target: *const c_char,
            status: *mut Status,
        ) {
            answer(status, (), || {
                // SAFETY: TensorFlow passes a filesystem, and paths that end with a zero.
                let (file_system, source, target) = unsafe { (file_system(handle), owned(source), owned(target)) };
                file_system.call(stringify!($name), vec![source, target], |_| Ok(()))
            });
        }
    )+};
}

operations_on_one_path!(create_dir, recursively_create_dir, delete_file, delete_dir, path_exists);
operations_on_two_paths!(rename_file, copy_file);

unsafe extern "C" fn delete_recursively(
    handle: *const Handle,
    path: *const c_char,
    undeleted_files: *mut u64,
    undeleted_directories: *mut u64,
    status: *mut Status,
) {
    // What the interface asks for when nothing was begun.
    let (files, directories) = answer_both(status, (0, 1), || {
        // A tree of which something is left is a result and an error.
        type Left = (u64, u64, Option<(c_int, String)>);
        // SAFETY: TensorFlow calls the operation.
        match unsafe { ask("delete_recursively", handle, path, |left| left.extract::<Left>()) } {
            Ok((files, directories, error)) => ((files, directories), error.map_or(Ok(()), Err)),
            Err(error) => ((0, 1), Err(error)),
        }
    });
    // SAFETY: TensorFlow passes memory for both.
    unsafe {
        undeleted_files.write(files);
        undeleted_directories.write(directories);
    }
}

/// What `stat` of the adapter tells: length, time and whether it is a directory.
///
/// # Safety
/// As `ask`.
unsafe fn ask_stat(handle: *const Handle, path: *const c_char) -> Outcome<(i64, i64, bool)> {
    // SAFETY: as promised to this function.
    unsafe { ask("stat", handle, path, |found| found.extract()) }
}

unsafe extern "C" fn stat(handle: *const Handle, path: *const c_char, found: *mut FileStatistics, status: *mut Status) {
    answer(status, (), || {
        // SAFETY: TensorFlow calls the operation, and passes memory for what is found.
        unsafe {
            let (length, mtime_nsec, is_directory) = ask_stat(handle, path)?;
            found.write(FileStatistics {
                length,
                mtime_nsec,
                is_directory: is_directory.into(),
            });
        }
        Ok(())
    });
}

unsafe extern "C" fn is_directory(handle: *const Handle, path: *const c_char, status: *mut Status) -> Truth {
    answer(status, 0, || {
        // SAFETY: TensorFlow calls the operation.
        let ((_, _, is_directory), path) = unsafe { (ask_stat(handle, path)?, owned(path)) };
        // TensorFlow looks at the status only.
        if is_directory {
            Ok(1)
        } else {
            Err((
                code::FAILED_PRECONDITION,
                format!("{}: not a directory", path.to_string_lossy()),
            ))
        }
    })
}

unsafe extern "C" fn get_file_size(handle: *const Handle, path: *const c_char, status: *mut Status) -> i64 {
    // SAFETY: TensorFlow calls the operation.
    answer(status, -1, || unsafe {
        ask("get_file_size", handle, path, |size| size.extract::<i64>())
    })
}

/// The path as recordfs has it: what TensorFlow has, with the scheme of recordfs.
unsafe extern "C" fn translate_name(handle: *const Handle, uri: *const c_char) -> *mut c_char {
    // SAFETY: as above.
    let (file_system, uri) = unsafe { (file_system(handle), CStr::from_ptr(uri)) };
    let translated = match uri.to_bytes().strip_prefix(&file_system.scheme[..]) {
        Some(rest) => CString::new([&file_system.target, rest].concat()).unwrap_or_default(),
        None => uri.to_owned(),
    };
    // SAFETY: ends with a zero; TensorFlow frees the copy with `free`.
    unsafe { libc::strdup(translated.as_ptr()) }
}

macro_rules! operations_that_list {
    ($($name:ident),+) => {$(
        unsafe extern "C" fn $name(
            handle: *const Handle,
            path: *const c_char,
            names: *mut *mut *mut c_char,
            status: *mut Status,
        ) -> c_int {
            // SAFETY: TensorFlow calls the operation.
            unsafe { list(stringify!($name), (handle, path), names, status) }
        }
    )+};
}

operations_that_list!(get_children, get_matching_paths);

/// # Safety
/// As `ask`; `names` is TensorFlow's memory for a list.
unsafe fn list(
    method: &'static str,
    (handle, path): (*const Handle, *const c_char),
    names: *mut *mut *mut c_char,
    status: *mut Status,
) -> c_int {
    answer(status, -1, || {
        // SAFETY: as promised to this function.
        let found = unsafe { ask(method, handle, path, |names| names.extract::<Vec<OsString>>()) }?;
        if let Some(name) = found.iter().find(|name| name.as_bytes().contains(&0)) {
            return Err((
                code::INTERNAL,
                format!("{method} returned {name:?}, and no name has a NUL in it"),
            ));
        }
        let Ok(count) = c_int::try_from(found.len()) else {
            return Err((
                code::RESOURCE_EXHAUSTED,
                format!("{} names are too many for one listing", found.len()),
            ));
        };
        // SAFETY: memory for so many names, which TensorFlow frees with `free`, as it does each name.
        unsafe {
            let array = libc::calloc(found.len().max(1), size_of::<*mut c_char>()).cast::<*mut c_char>();
            if array.is_null() {
                return Err((code::RESOURCE_EXHAUSTED, String::from("no memory for a listing")));
            }
            for (index, name) in found.iter().enumerate() {
                array.add(index).write(copied(name));
            }
            names.write(array);
        }
        Ok(count)
    })
}

fn copied(name: &OsStr) -> *mut c_char {
    let name = CString::new(name.as_bytes()).unwrap_or_default();
    // SAFETY: ends with a zero.
    unsafe { libc::strdup(name.as_ptr()) }
}

unsafe extern "C" fn flush_caches(handle: *const Handle) {
    // SAFETY: TensorFlow passes a filesystem.
    let file_system = unsafe { file_system(handle) };
    // The interface has no way to say that it failed; the next operation will.
    let _ = file_system.call("flush_caches", Vec::new(), |_| Ok(()));
}
