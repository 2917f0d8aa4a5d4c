//! The operations of a guest's filesystem: each calls the adapter's method of the same name.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::super::abi::{FileStatistics, FilesystemOps, Handle, Status, code};
use super::super::filesystem::Outcome;
use super::calls::Call;
use super::reader::GuestReader;
use super::region::GuestRegion;
use super::tensorflow::{answer, answer_both};
use super::writer::GuestWriter;
use super::{GuestFileSystem, announced};

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

/// # Safety
/// `file` is TensorFlow's memory for a handle.
unsafe fn open<T>(file: *mut Handle, opened: *const T) {
    // SAFETY: as promised to this function.
    unsafe { (*file).plugin = opened.cast_mut().cast() };
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

unsafe extern "C" fn new_random_access_file(
    handle: *const Handle,
    path: *const c_char,
    file: *mut Handle,
    status: *mut Status,
) {
    answer(status, (), || {
        // SAFETY: TensorFlow passes a filesystem, and a path that ends with a zero.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        let opened = file_system.call("open_reader", vec![path], |file| Ok(Arc::new(file.clone().unbind())))?;
        let reader = GuestReader::new(Arc::clone(file_system), opened);
        // SAFETY: TensorFlow passes memory for a handle.
        unsafe { open(file, Box::into_raw(Box::new(reader))) };
        Ok(())
    });
}

/// # Safety
/// As TensorFlow calls the operation `method`.
unsafe fn open_writer(
    method: &'static str,
    handle: *const Handle,
    path: *const c_char,
    file: *mut Handle,
    status: *mut Status,
) {
    answer(status, (), || {
        // SAFETY: as above.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        let (opened, position) = file_system.call(method, vec![path], |file| {
            Ok((file.clone().unbind(), file.call_method0("tell")?.extract::<i64>()?))
        })?;
        let writer = GuestWriter::new(Arc::clone(file_system), opened, position);
        // SAFETY: as above.
        unsafe { open(file, Arc::into_raw(writer)) };
        Ok(())
    });
}

unsafe extern "C" fn new_writable_file(
    handle: *const Handle,
    path: *const c_char,
    file: *mut Handle,
    status: *mut Status,
) {
    // SAFETY: TensorFlow calls the operation.
    unsafe { open_writer("open_writer", handle, path, file, status) };
}

unsafe extern "C" fn new_appendable_file(
    handle: *const Handle,
    path: *const c_char,
    file: *mut Handle,
    status: *mut Status,
) {
    // SAFETY: as above.
    unsafe { open_writer("open_appender", handle, path, file, status) };
}

unsafe extern "C" fn new_read_only_memory_region_from_file(
    handle: *const Handle,
    path: *const c_char,
    region: *mut Handle,
    status: *mut Status,
) {
    answer(status, (), || {
        // SAFETY: TensorFlow passes a filesystem, and a path that ends with a zero.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        let opened = file_system.call("open_region", vec![path], GuestRegion::new)?;
        // SAFETY: TensorFlow passes memory for a handle.
        unsafe { open(region, Box::into_raw(Box::new(opened))) };
        Ok(())
    });
}

/// # Safety
/// As TensorFlow calls the operation `method`.
unsafe fn on_path(method: &'static str, handle: *const Handle, path: *const c_char, status: *mut Status) {
    answer(status, (), || {
        // SAFETY: TensorFlow passes a filesystem, and a path that ends with a zero.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        file_system.call(method, vec![path], |_| Ok(()))
    });
}

/// # Safety
/// As TensorFlow calls the operation `method`.
unsafe fn on_paths(
    method: &'static str,
    handle: *const Handle,
    (source, target): (*const c_char, *const c_char),
    status: *mut Status,
) {
    answer(status, (), || {
        // SAFETY: as above.
        let (file_system, source, target) = unsafe { (file_system(handle), owned(source), owned(target)) };
        file_system.call(method, vec![source, target], |_| Ok(()))
    });
}

macro_rules! operations_on_one_path {
    ($($name:ident),+) => {$(
        unsafe extern "C" fn $name(handle: *const Handle, path: *const c_char, status: *mut Status) {
            // SAFETY: TensorFlow calls the operation.
            unsafe { on_path(stringify!($name), handle, path, status) };
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
            // SAFETY: as above.
            unsafe { on_paths(stringify!($name), handle, (source, target), status) };
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
        // SAFETY: TensorFlow passes a filesystem, and a path that ends with a zero.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        // A tree of which something is left is a result and an error.
        type Left = (u64, u64, Option<(c_int, String)>);
        match file_system.call("delete_recursively", vec![path], |left| left.extract::<Left>()) {
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

unsafe extern "C" fn stat(handle: *const Handle, path: *const c_char, found: *mut FileStatistics, status: *mut Status) {
    answer(status, (), || {
        // SAFETY: TensorFlow passes a filesystem, and a path that ends with a zero.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        let (length, mtime_nsec, is_directory) =
            file_system.call("stat", vec![path], |found| found.extract::<(i64, i64, bool)>())?;
        // SAFETY: TensorFlow passes memory for it.
        unsafe {
            found.write(FileStatistics {
                length,
                mtime_nsec,
                is_directory,
            });
        }
        Ok(())
    });
}

unsafe extern "C" fn is_directory(handle: *const Handle, path: *const c_char, status: *mut Status) -> bool {
    answer(status, false, || {
        // SAFETY: as above.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        let (_, _, is_directory) =
            file_system.call("stat", vec![path.clone()], |found| found.extract::<(i64, i64, bool)>())?;
        // TensorFlow looks at the status only.
        if is_directory {
            Ok(true)
        } else {
            Err((
                code::FAILED_PRECONDITION,
                format!("{}: not a directory", path.to_string_lossy()),
            ))
        }
    })
}

unsafe extern "C" fn get_file_size(handle: *const Handle, path: *const c_char, status: *mut Status) -> i64 {
    answer(status, -1, || {
        // SAFETY: as above.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        file_system.call("get_file_size", vec![path], |size| size.extract::<i64>())
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

unsafe extern "C" fn get_children(
    handle: *const Handle,
    path: *const c_char,
    names: *mut *mut *mut c_char,
    status: *mut Status,
) -> c_int {
    // SAFETY: TensorFlow calls the operation.
    unsafe { list("get_children", handle, path, names, status) }
}

unsafe extern "C" fn get_matching_paths(
    handle: *const Handle,
    pattern: *const c_char,
    paths: *mut *mut *mut c_char,
    status: *mut Status,
) -> c_int {
    // SAFETY: as above.
    unsafe { list("get_matching_paths", handle, pattern, paths, status) }
}

/// # Safety
/// As TensorFlow calls the operation `method`.
unsafe fn list(
    method: &'static str,
    handle: *const Handle,
    path: *const c_char,
    names: *mut *mut *mut c_char,
    status: *mut Status,
) -> c_int {
    answer(status, -1, || {
        // SAFETY: as above.
        let (file_system, path) = unsafe { (file_system(handle), owned(path)) };
        let found = file_system.call(method, vec![path], |names| names.extract::<Vec<OsString>>())?;
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
