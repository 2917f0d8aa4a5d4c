//! TensorFlow's C interface for filesystem plugins, in declarations of our own.
//!
//! Source: what TensorFlow 2.21 accepts and hands out, ABI number 0 of each table. Function pointers are `Option`s: a
//! table may leave out every operation but `init` and `cleanup`.

use std::ffi::{c_char, c_int, c_void};

/// The number that each table's `abi` has to have.
pub const ABI: c_int = 0;

/// The number of the interface's revision within an ABI; another one is no fault.
pub const API: c_int = 0;

/// The status codes that native code here gives or looks at; their numbers are gRPC's.
pub mod code {
    use std::ffi::c_int;

    pub const OK: c_int = 0;
    pub const UNKNOWN: c_int = 2;
    pub const INVALID_ARGUMENT: c_int = 3;
    pub const DEADLINE_EXCEEDED: c_int = 4;
    pub const NOT_FOUND: c_int = 5;
    pub const ALREADY_EXISTS: c_int = 6;
    pub const PERMISSION_DENIED: c_int = 7;
    pub const RESOURCE_EXHAUSTED: c_int = 8;
    pub const FAILED_PRECONDITION: c_int = 9;
    pub const ABORTED: c_int = 10;
    pub const OUT_OF_RANGE: c_int = 11;
    pub const UNIMPLEMENTED: c_int = 12;
    pub const INTERNAL: c_int = 13;
    pub const UNAVAILABLE: c_int = 14;
}

/// `TF_Status`: the maker's business. Here it is a `status::Status` when recordfs is the host, and TensorFlow's own
/// when recordfs is the guest.
#[repr(C)]
pub struct Status {
    _opaque: [u8; 0],
}

/// `TF_Filesystem`, `TF_RandomAccessFile`, `TF_WritableFile` and `TF_ReadOnlyMemoryRegion`, which are all one pointer of
/// the plugin's in memory of the host's.
#[repr(C)]
pub struct Handle {
    pub plugin: *mut c_void,
}

/// C's bool as somebody else fills it: everything but 0 is true. In a bool of Rust's, 2 would be undefined behaviour.
pub type Truth = u8;

/// `TF_FileStatistics`.
#[repr(C)]
#[derive(Default)]
pub struct FileStatistics {
    pub length: i64,
    pub mtime_nsec: i64,
    pub is_directory: Truth,
}

/// An operation that takes nothing but a file or a filesystem.
pub type Cleanup = unsafe extern "C" fn(*mut Handle);
/// An operation on a path.
pub type OnPath = unsafe extern "C" fn(*const Handle, *const c_char, *mut Status);
/// An operation that opens a path.
pub type Open = unsafe extern "C" fn(*const Handle, *const c_char, *mut Handle, *mut Status);
/// An operation on two paths.
pub type OnPaths = unsafe extern "C" fn(*const Handle, *const c_char, *const c_char, *mut Status);
/// An operation on an open file.
pub type OnFile = unsafe extern "C" fn(*const Handle, *mut Status);
/// An operation that lists names.
pub type List = unsafe extern "C" fn(*const Handle, *const c_char, *mut *mut *mut c_char, *mut Status) -> c_int;

/// `TF_RandomAccessFileOps`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RandomAccessFileOps {
    pub cleanup: Option<Cleanup>,
    pub read: Option<unsafe extern "C" fn(*const Handle, u64, usize, *mut c_char, *mut Status) -> i64>,
}

/// `TF_WritableFileOps`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct WritableFileOps {
    pub cleanup: Option<Cleanup>,
    pub append: Option<unsafe extern "C" fn(*const Handle, *const c_char, usize, *mut Status)>,
    pub tell: Option<unsafe extern "C" fn(*const Handle, *mut Status) -> i64>,
    pub flush: Option<OnFile>,
    pub sync: Option<OnFile>,
    pub close: Option<OnFile>,
}

/// `TF_ReadOnlyMemoryRegionOps`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct MemoryRegionOps {
    pub cleanup: Option<Cleanup>,
    pub data: Option<unsafe extern "C" fn(*const Handle) -> *const c_void>,
    pub length: Option<unsafe extern "C" fn(*const Handle) -> u64>,
}

/// `TF_FilesystemOps`. What stands in `unused`, transactions and settings, TensorFlow 2.21 never calls.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct FilesystemOps {
    pub init: Option<unsafe extern "C" fn(*mut Handle, *mut Status)>,
    pub cleanup: Option<Cleanup>,
    pub new_random_access_file: Option<Open>,
    pub new_writable_file: Option<Open>,
    pub new_appendable_file: Option<Open>,
    pub new_read_only_memory_region_from_file: Option<Open>,
    pub create_dir: Option<OnPath>,
    pub recursively_create_dir: Option<OnPath>,
    pub delete_file: Option<OnPath>,
    pub delete_dir: Option<OnPath>,
    pub delete_recursively: Option<unsafe extern "C" fn(*const Handle, *const c_char, *mut u64, *mut u64, *mut Status)>,
    pub rename_file: Option<OnPaths>,
    pub copy_file: Option<OnPaths>,
    pub path_exists: Option<OnPath>,
    pub paths_exist: Option<unsafe extern "C" fn(*const Handle, *mut *mut c_char, c_int, *mut *mut Status) -> Truth>,
    pub stat: Option<unsafe extern "C" fn(*const Handle, *const c_char, *mut FileStatistics, *mut Status)>,
    pub is_directory: Option<unsafe extern "C" fn(*const Handle, *const c_char, *mut Status) -> Truth>,
    pub get_file_size: Option<unsafe extern "C" fn(*const Handle, *const c_char, *mut Status) -> i64>,
    pub translate_name: Option<unsafe extern "C" fn(*const Handle, *const c_char) -> *mut c_char>,
    pub get_children: Option<List>,
    pub get_matching_paths: Option<List>,
    pub flush_caches: Option<unsafe extern "C" fn(*const Handle)>,
    pub unused: [Option<unsafe extern "C" fn()>; 11],
}

/// `TF_FilesystemPluginOps`: the tables of one scheme, with their numbers and sizes.
#[repr(C)]
pub struct PluginOps {
    pub scheme: *mut c_char,
    pub filesystem_abi: c_int,
    pub filesystem_api: c_int,
    pub filesystem_size: usize,
    pub filesystem: *mut FilesystemOps,
    pub random_access_file_abi: c_int,
    pub random_access_file_api: c_int,
    pub random_access_file_size: usize,
    pub random_access_file: *mut RandomAccessFileOps,
    pub writable_file_abi: c_int,
    pub writable_file_api: c_int,
    pub writable_file_size: usize,
    pub writable_file: *mut WritableFileOps,
    pub memory_region_abi: c_int,
    pub memory_region_api: c_int,
    pub memory_region_size: usize,
    pub memory_region: *mut MemoryRegionOps,
}

/// `TF_FilesystemPluginInfo`: what `TF_InitPlugin` fills in. The tables, and whatever a plugin returns as names, come from
/// `allocate` and are freed by the host with `free`.
#[repr(C)]
pub struct PluginInfo {
    pub scheme_count: usize,
    pub schemes: *mut PluginOps,
    pub allocate: Option<unsafe extern "C" fn(usize) -> *mut c_void>,
    pub free: Option<unsafe extern "C" fn(*mut c_void)>,
}

// The sizes that TensorFlow 2.21 has compiled in.
const _: () = {
    assert!(size_of::<FilesystemOps>() == 264);
    assert!(size_of::<RandomAccessFileOps>() == 16);
    assert!(size_of::<WritableFileOps>() == 48);
    assert!(size_of::<MemoryRegionOps>() == 24);
};
