// TF_InitPlugin over the filesystems that REGISTER_FILE_SYSTEM names: this header makes a plugin of a library.
//
// TensorFlow (tf.experimental.register_filesystem_plugin) and recordfs (load_file_system_library) load it. They define
// TF_SetStatus. No exception leaves the library.

#ifndef RECORDFS_PLUGIN_H_
#define RECORDFS_PLUGIN_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "recordfs/env.h"
#include "recordfs/file_system.h"

extern "C" {
struct TF_Status;
void TF_SetStatus(TF_Status* status, int code, const char* message);
}

namespace tensorflow {
inline namespace recordfs_adapter {
namespace recordfs_plugin {

// The C interface, ABI 0, in declarations of our own.
struct Handle {
  void* plugin;
};

struct Statistics {
  int64_t length;
  int64_t mtime_nsec;
  bool is_directory;
};

struct ReaderTable {
  void (*cleanup)(Handle*);
  int64_t (*read)(const Handle*, uint64_t, size_t, char*, TF_Status*);
};

struct WriterTable {
  void (*cleanup)(Handle*);
  void (*append)(const Handle*, const char*, size_t, TF_Status*);
  int64_t (*tell)(const Handle*, TF_Status*);
  void (*flush)(const Handle*, TF_Status*);
  void (*sync)(const Handle*, TF_Status*);
  void (*close)(const Handle*, TF_Status*);
};

struct RegionTable {
  void (*cleanup)(Handle*);
  const void* (*data)(const Handle*);
  uint64_t (*length)(const Handle*);
};

struct FileSystemTable {
  void (*init)(Handle*, TF_Status*);
  void (*cleanup)(Handle*);
  void (*new_random_access_file)(const Handle*, const char*, Handle*, TF_Status*);
  void (*new_writable_file)(const Handle*, const char*, Handle*, TF_Status*);
  void (*new_appendable_file)(const Handle*, const char*, Handle*, TF_Status*);
  void (*new_read_only_memory_region_from_file)(const Handle*, const char*, Handle*, TF_Status*);
  void (*create_dir)(const Handle*, const char*, TF_Status*);
  void (*recursively_create_dir)(const Handle*, const char*, TF_Status*);
  void (*delete_file)(const Handle*, const char*, TF_Status*);
  void (*delete_dir)(const Handle*, const char*, TF_Status*);
  void (*delete_recursively)(const Handle*, const char*, uint64_t*, uint64_t*, TF_Status*);
  void (*rename_file)(const Handle*, const char*, const char*, TF_Status*);
  void (*copy_file)(const Handle*, const char*, const char*, TF_Status*);
  void (*path_exists)(const Handle*, const char*, TF_Status*);
  bool (*paths_exist)(const Handle*, char**, int, TF_Status**);
  void (*stat)(const Handle*, const char*, Statistics*, TF_Status*);
  bool (*is_directory)(const Handle*, const char*, TF_Status*);
  int64_t (*get_file_size)(const Handle*, const char*, TF_Status*);
  char* (*translate_name)(const Handle*, const char*);
  int (*get_children)(const Handle*, const char*, char***, TF_Status*);
  int (*get_matching_paths)(const Handle*, const char*, char***, TF_Status*);
  void (*flush_caches)(const Handle*);
  void (*unused[11])();
};

struct SchemeTable {
  char* scheme;
  int filesystem_abi, filesystem_api;
  size_t filesystem_size;
  FileSystemTable* filesystem;
  int reader_abi, reader_api;
  size_t reader_size;
  ReaderTable* reader;
  int writer_abi, writer_api;
  size_t writer_size;
  WriterTable* writer;
  int region_abi, region_api;
  size_t region_size;
  RegionTable* region;
};

struct PluginInfo {
  size_t scheme_count;
  SchemeTable* schemes;
  void* (*allocate)(size_t);
  void (*release)(void*);
};

// Runs an operation and tells the host how it went; an exception is a status too.
template <typename Operation>
void Answer(TF_Status* out, Operation operation) noexcept {
  int code = error::INTERNAL;
  const char* message = "an exception left the filesystem";
  std::string text;
  try {
    Status status = operation();
    code = status.code();
    text = status.error_message();
    message = text.c_str();
  } catch (const std::bad_alloc&) {
    code = error::RESOURCE_EXHAUSTED;
    message = "out of memory";
  } catch (const std::exception& exception) {
    try {
      text = exception.what();
      message = text.c_str();
    } catch (...) {
    }
  } catch (...) {
  }
  TF_SetStatus(out, code, message);
}

// Runs what has nobody to tell.
template <typename Operation>
void Quietly(Operation operation) noexcept {
  try {
    operation();
  } catch (...) {
    std::fprintf(stderr, "a filesystem raised an exception while it let go of something\n");
  }
}

inline FileSystem* Of(const Handle* handle) { return static_cast<FileSystem*>(handle->plugin); }

// A writable file, whose Close is passed on once: TensorFlow's checkpoints close twice, and classes written after the guide
// do not survive that.
struct Writer {
  std::unique_ptr<WritableFile> file;
  bool closed = false;

  Status Open() const { return closed ? errors::FailedPrecondition("the file has been closed") : Status(); }
};

inline Writer* WriterOf(const Handle* handle) { return static_cast<Writer*>(handle->plugin); }

RECORDFS_OWN inline const ReaderTable kReader = {
    [](Handle* handle) { Quietly([&] { delete static_cast<RandomAccessFile*>(handle->plugin); }); },
    [](const Handle* handle, uint64_t offset, size_t n, char* buffer, TF_Status* status) -> int64_t {
      int64_t count = -1;
      Answer(status, [&] {
        StringPiece piece;
        Status read = static_cast<const RandomAccessFile*>(handle->plugin)->Read(offset, n, &piece, buffer);
        if (!read.ok() && read.code() != error::OUT_OF_RANGE) return read;
        TF_RETURN_IF_ERROR(recordfs_internal::CheckRead(piece, n));
        if (piece.data() != buffer && !piece.empty()) std::memmove(buffer, piece.data(), piece.size());
        count = static_cast<int64_t>(piece.size());
        return read;
      });
      return count;
    }};

RECORDFS_OWN inline const WriterTable kWriter = {
    [](Handle* handle) { Quietly([&] { delete WriterOf(handle); }); },
    [](const Handle* handle, const char* data, size_t n, TF_Status* status) {
      Answer(status, [&] {
        TF_RETURN_IF_ERROR(WriterOf(handle)->Open());
        return WriterOf(handle)->file->Append(StringPiece(data, n));
      });
    },
    [](const Handle* handle, TF_Status* status) -> int64_t {
      int64 position = -1;
      Answer(status, [&] {
        TF_RETURN_IF_ERROR(WriterOf(handle)->Open());
        return WriterOf(handle)->file->Tell(&position);
      });
      return position;
    },
    [](const Handle* handle, TF_Status* status) {
      Answer(status, [&] {
        TF_RETURN_IF_ERROR(WriterOf(handle)->Open());
        return WriterOf(handle)->file->Flush();
      });
    },
    [](const Handle* handle, TF_Status* status) {
      Answer(status, [&] {
        TF_RETURN_IF_ERROR(WriterOf(handle)->Open());
        return WriterOf(handle)->file->Sync();
      });
    },
    [](const Handle* handle, TF_Status* status) {
      Answer(status, [&] {
        Writer* writer = WriterOf(handle);
        if (writer->closed) return Status();
        writer->closed = true;
        return writer->file->Close();
      });
    }};

RECORDFS_OWN inline const RegionTable kRegion = {
    [](Handle* handle) { Quietly([&] { delete static_cast<ReadOnlyMemoryRegion*>(handle->plugin); }); },
    [](const Handle* handle) -> const void* {
      const void* data = nullptr;
      Quietly([&] { data = static_cast<ReadOnlyMemoryRegion*>(handle->plugin)->data(); });
      return data;
    },
    [](const Handle* handle) -> uint64_t {
      uint64_t length = 0;
      Quietly([&] { length = static_cast<ReadOnlyMemoryRegion*>(handle->plugin)->length(); });
      return length;
    }};

using NewWriter = Status (FileSystem::*)(const string&, std::unique_ptr<WritableFile>*);

template <NewWriter open>
void OpenWriter(const Handle* handle, const char* path, Handle* file, TF_Status* status) {
  Answer(status, [&] {
    std::unique_ptr<Writer> writer(new Writer);
    TF_RETURN_IF_ERROR((Of(handle)->*open)(path, &writer->file));
    if (writer->file == nullptr) return errors::Internal(path, ": opened, and no file was given");
    file->plugin = writer.release();
    return Status();
  });
}

using OnPath = Status (FileSystem::*)(const string&);

template <OnPath operation>
void Call(const Handle* handle, const char* path, TF_Status* status) {
  Answer(status, [&] { return (Of(handle)->*operation)(path); });
}

using OnPaths = Status (FileSystem::*)(const string&, const string&);

template <OnPaths operation>
void Call(const Handle* handle, const char* source, const char* target, TF_Status* status) {
  Answer(status, [&] { return (Of(handle)->*operation)(source, target); });
}

using ListPaths = Status (FileSystem::*)(const string&, std::vector<string>*);

template <ListPaths operation>
int List(const Handle* handle, const char* path, char*** names, TF_Status* status) {
  int count = -1;
  Answer(status, [&] {
    std::vector<string> found;
    TF_RETURN_IF_ERROR((Of(handle)->*operation)(path, &found));
    // The host frees the array and each name with `free`.
    char** array = static_cast<char**>(std::calloc(found.size() + 1, sizeof(char*)));
    if (array == nullptr) throw std::bad_alloc();
    for (size_t i = 0; i < found.size(); i++) array[i] = strdup(found[i].c_str());
    *names = array;
    count = static_cast<int>(found.size());
    return Status();
  });
  return count;
}

template <typename File, Status (FileSystem::*open)(const string&, std::unique_ptr<File>*)>
void Open(const Handle* handle, const char* path, Handle* file, TF_Status* status) {
  Answer(status, [&] {
    std::unique_ptr<File> opened;
    TF_RETURN_IF_ERROR((Of(handle)->*open)(path, &opened));
    if (opened == nullptr) return errors::Internal(path, ": opened, and no file was given");
    file->plugin = opened.release();
    return Status();
  });
}

// Whether a class says that it has both forms of each operation; then it is not to be seen which of them are its own.
template <typename FileSystemClass, typename = void>
struct HasBothForms : std::false_type {};
template <typename FileSystemClass>
struct HasBothForms<FileSystemClass, std::void_t<typename FileSystemClass::RecordfsHasBothForms>> : std::true_type {};

// Whether a class overrides an operation: the name is then one function's, and else the two of the base class.
#define RECORDFS_OVERRIDES(Operation)                                                                              \
  template <typename FileSystemClass, typename = void>                                                             \
  struct Overrides##Operation : HasBothForms<FileSystemClass> {};                                                  \
  template <typename FileSystemClass>                                                                              \
  struct Overrides##Operation<FileSystemClass, std::void_t<decltype(&FileSystemClass::Operation)>> : std::true_type {}

RECORDFS_OVERRIDES(NewWritableFile);
RECORDFS_OVERRIDES(NewAppendableFile);
RECORDFS_OVERRIDES(NewReadOnlyMemoryRegionFromFile);
RECORDFS_OVERRIDES(RenameFile);
RECORDFS_OVERRIDES(CopyFile);

#undef RECORDFS_OVERRIDES

// The table of the filesystems that `make` makes. Each scheme needs a table, because `init` is not told the scheme. What a
// class does not have stays out of it, so that the host knows, and does what it does without.
template <typename FileSystemClass, FileSystem* (*make)()>
FileSystemTable MakeTable() {
  FileSystemTable table = {};
  table.init = [](Handle* handle, TF_Status* status) {
    Answer(status, [&] {
      handle->plugin = make();
      return handle->plugin == nullptr ? errors::Internal("there is no filesystem") : Status();
    });
  };
  // The filesystem is Env's, which other code of the library may be using.
  table.cleanup = [](Handle*) {};
  table.new_random_access_file = Open<RandomAccessFile, &FileSystem::NewRandomAccessFile>;
  if (OverridesNewWritableFile<FileSystemClass>::value) {
    table.new_writable_file = OpenWriter<&FileSystem::NewWritableFile>;
  }
  if (OverridesNewAppendableFile<FileSystemClass>::value) {
    table.new_appendable_file = OpenWriter<&FileSystem::NewAppendableFile>;
  }
  if (OverridesNewReadOnlyMemoryRegionFromFile<FileSystemClass>::value) {
    table.new_read_only_memory_region_from_file =
        Open<ReadOnlyMemoryRegion, &FileSystem::NewReadOnlyMemoryRegionFromFile>;
  }
  table.create_dir = Call<&FileSystem::CreateDir>;
  table.recursively_create_dir = Call<&FileSystem::RecursivelyCreateDir>;
  table.delete_file = Call<&FileSystem::DeleteFile>;
  table.delete_dir = Call<&FileSystem::DeleteDir>;
  table.delete_recursively = [](const Handle* handle, const char* path, uint64_t* files, uint64_t* directories,
                                TF_Status* status) {
    int64 undeleted_files = 0, undeleted_directories = 1;
    Answer(status, [&] { return Of(handle)->DeleteRecursively(path, &undeleted_files, &undeleted_directories); });
    *files = static_cast<uint64_t>(undeleted_files);
    *directories = static_cast<uint64_t>(undeleted_directories);
  };
  if (OverridesRenameFile<FileSystemClass>::value) table.rename_file = Call<&FileSystem::RenameFile>;
  if (OverridesCopyFile<FileSystemClass>::value) table.copy_file = Call<&FileSystem::CopyFile>;
  table.path_exists = Call<&FileSystem::FileExists>;
  table.stat = [](const Handle* handle, const char* path, Statistics* out, TF_Status* status) {
    Answer(status, [&] {
      FileStatistics found;
      TF_RETURN_IF_ERROR(Of(handle)->Stat(path, &found));
      *out = Statistics{found.length, found.mtime_nsec, found.is_directory};
      return Status();
    });
  };
  table.is_directory = [](const Handle* handle, const char* path, TF_Status* status) {
    bool is_directory = false;
    Answer(status, [&] {
      Status found = Of(handle)->IsDirectory(path);
      is_directory = found.ok();
      return found;
    });
    return is_directory;
  };
  table.get_file_size = [](const Handle* handle, const char* path, TF_Status* status) -> int64_t {
    uint64 size = 0;
    Answer(status, [&] { return Of(handle)->GetFileSize(path, &size); });
    return static_cast<int64_t>(size);
  };
  // The operations get the full URI, as in the guide; a class translates names itself.
  table.translate_name = [](const Handle*, const char* uri) { return strdup(uri); };
  table.get_children = List<&FileSystem::GetChildren>;
  table.get_matching_paths = List<&FileSystem::GetMatchingPaths>;
  table.flush_caches = [](const Handle* handle) { Quietly([&] { Of(handle)->FlushCaches(); }); };
  return table;
}

// What REGISTER_FILE_SYSTEM has named, in its order.
struct Registration {
  string scheme;
  FileSystemTable table;
};

RECORDFS_OWN inline std::vector<Registration>& Registrations() {
  static std::vector<Registration>* registrations = new std::vector<Registration>;
  return *registrations;
}

template <typename FileSystemClass, typename Scheme>
struct Registrar {
  static FileSystem* Find() { return Env::Default()->Find(Scheme::Get()); }

  Registrar() {
    Status status = Env::Default()->RegisterFileSystem(Scheme::Get(), [] { return new FileSystemClass; });
    if (status.ok()) {
      Registrations().push_back({Scheme::Get(), MakeTable<FileSystemClass, &Find>()});
    } else {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
    }
  }
};

// Memory for a table that the host frees with `free`.
template <typename Table>
Table* Allocated(const Table& table) {
  void* memory = std::malloc(sizeof(Table));
  if (memory == nullptr) std::abort();
  return new (memory) Table(table);
}

inline void Fill(PluginInfo* info) {
  const std::vector<Registration>& registrations = Registrations();
  info->allocate = std::malloc;
  info->release = std::free;
  info->scheme_count = registrations.size();
  info->schemes = static_cast<SchemeTable*>(std::calloc(registrations.size() + 1, sizeof(SchemeTable)));
  if (info->schemes == nullptr) std::abort();
  for (size_t i = 0; i < registrations.size(); i++) {
    SchemeTable& scheme = info->schemes[i];
    scheme.scheme = strdup(registrations[i].scheme.c_str());
    scheme.filesystem_size = sizeof(FileSystemTable);
    scheme.filesystem = Allocated(registrations[i].table);
    scheme.reader_size = sizeof(ReaderTable);
    scheme.reader = Allocated(kReader);
    scheme.writer_size = sizeof(WriterTable);
    scheme.writer = Allocated(kWriter);
    scheme.region_size = sizeof(RegionTable);
    scheme.region = Allocated(kRegion);
  }
}

}  // namespace recordfs_plugin
}  // namespace recordfs_adapter
}  // namespace tensorflow

// In whichever files of a library include this, it is one function.
extern "C" __attribute__((visibility("default"), used)) inline void TF_InitPlugin(
    ::tensorflow::recordfs_plugin::PluginInfo* info) {
  ::tensorflow::recordfs_plugin::Fill(info);
}

#define RECORDFS_REGISTER_AT(counter, scheme_name, ...)                                                       \
  namespace {                                                                                                 \
  struct RecordfsScheme##counter {                                                                            \
    static ::std::string Get() { return scheme_name; }                                                        \
  };                                                                                                          \
  }                                                                                                           \
  [[maybe_unused]] static const ::tensorflow::recordfs_plugin::Registrar<__VA_ARGS__, RecordfsScheme##counter> \
      recordfs_registrar_##counter
#define RECORDFS_REGISTER(counter, scheme_name, ...) RECORDFS_REGISTER_AT(counter, scheme_name, __VA_ARGS__)

// Registers a class of filesystems, which has a constructor without arguments, for a scheme. There is one Env.
#define REGISTER_FILE_SYSTEM(scheme_name, ...) RECORDFS_REGISTER(__COUNTER__, scheme_name, __VA_ARGS__)
#define REGISTER_FILE_SYSTEM_ENV(env, scheme_name, ...) REGISTER_FILE_SYSTEM(scheme_name, __VA_ARGS__)
#define REGISTER_LEGACY_FILE_SYSTEM(scheme_name, ...) REGISTER_FILE_SYSTEM(scheme_name, __VA_ARGS__)

#endif  // RECORDFS_PLUGIN_H_
