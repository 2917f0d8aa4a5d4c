// Env: the filesystems that this library has registered, by the schemes of paths; the clock; and REGISTER_FILE_SYSTEM.

#ifndef RECORDFS_ENV_H_
#define RECORDFS_ENV_H_

#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "recordfs/file_system.h"
#include "recordfs/local_file_system.h"
#include "recordfs/mutex.h"
#include "recordfs/path.h"
#include "recordfs/status.h"

namespace tensorflow {
inline namespace recordfs_adapter {

struct ThreadOptions {
  size_t stack_size = 0;
  size_t guard_size = 0;
};

// A thread, which its destructor waits for.
class Thread {
 public:
  explicit Thread(std::function<void()> work) : thread_(std::move(work)) {}
  virtual ~Thread() { thread_.join(); }
  Thread(const Thread&) = delete;
  void operator=(const Thread&) = delete;

 private:
  std::thread thread_;
};

// The filesystems of this library, made when they are first needed, and local files under "" and "file". What recordfs or
// TensorFlow have besides is not here: a plugin sees its own.
class Env {
 public:
  using Factory = std::function<FileSystem*()>;

  RECORDFS_OWN static Env* Default() {
    static Env* env = new Env;  // never destroyed: files may be open when the process ends
    return env;
  }

  Status RegisterFileSystem(const string& scheme, Factory factory) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!factories_.emplace(scheme, std::move(factory)).second) {
      return errors::AlreadyExists("the scheme ", scheme, " is registered already");
    }
    return Status();
  }

  // Takes the filesystem over.
  Status RegisterFileSystem(const string& scheme, std::unique_ptr<FileSystem> file_system) {
    TF_RETURN_IF_ERROR(RegisterFileSystem(scheme, Factory([] { return nullptr; })));
    std::lock_guard<std::mutex> lock(mutex_);
    file_systems_[scheme] = std::move(file_system);
    return Status();
  }

  Status GetFileSystemForFile(const string& name, FileSystem** result) {
    StringPiece scheme, host, path;
    io::ParseURI(name, &scheme, &host, &path);
    *result = Find(scheme.ToString());
    if (*result != nullptr) return Status();
    return errors::Unimplemented("this library has no filesystem for the scheme of ", name);
  }

  // The one for a scheme, or null.
  FileSystem* Find(const string& scheme) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto made = file_systems_.find(scheme);
    if (made != file_systems_.end()) return made->second.get();
    auto factory = factories_.find(scheme);
    if (factory == factories_.end()) return nullptr;
    return (file_systems_[scheme] = std::unique_ptr<FileSystem>(factory->second())).get();
  }

  Status GetRegisteredFileSystemSchemes(std::vector<string>* schemes) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& factory : factories_) schemes->push_back(factory.first);
    return Status();
  }

#define RECORDFS_ON_FILE_SYSTEM(name, call)                      \
  {                                                              \
    FileSystem* file_system;                                     \
    TF_RETURN_IF_ERROR(GetFileSystemForFile(name, &file_system)); \
    return file_system->call;                                    \
  }

  Status NewRandomAccessFile(const string& name, std::unique_ptr<RandomAccessFile>* result)
      RECORDFS_ON_FILE_SYSTEM(name, NewRandomAccessFile(name, result))
  Status NewWritableFile(const string& name, std::unique_ptr<WritableFile>* result)
      RECORDFS_ON_FILE_SYSTEM(name, NewWritableFile(name, result))
  Status NewAppendableFile(const string& name, std::unique_ptr<WritableFile>* result)
      RECORDFS_ON_FILE_SYSTEM(name, NewAppendableFile(name, result))
  Status NewReadOnlyMemoryRegionFromFile(const string& name, std::unique_ptr<ReadOnlyMemoryRegion>* result)
      RECORDFS_ON_FILE_SYSTEM(name, NewReadOnlyMemoryRegionFromFile(name, result))
  Status FileExists(const string& name) RECORDFS_ON_FILE_SYSTEM(name, FileExists(name))
  Status GetChildren(const string& name, std::vector<string>* result)
      RECORDFS_ON_FILE_SYSTEM(name, GetChildren(name, result))
  Status GetMatchingPaths(const string& pattern, std::vector<string>* results)
      RECORDFS_ON_FILE_SYSTEM(pattern, GetMatchingPaths(pattern, results))
  Status Stat(const string& name, FileStatistics* statistics) RECORDFS_ON_FILE_SYSTEM(name, Stat(name, statistics))
  Status DeleteFile(const string& name) RECORDFS_ON_FILE_SYSTEM(name, DeleteFile(name))
  Status DeleteRecursively(const string& name, int64* undeleted_files, int64* undeleted_dirs)
      RECORDFS_ON_FILE_SYSTEM(name, DeleteRecursively(name, undeleted_files, undeleted_dirs))
  Status CreateDir(const string& name) RECORDFS_ON_FILE_SYSTEM(name, CreateDir(name))
  Status RecursivelyCreateDir(const string& name) RECORDFS_ON_FILE_SYSTEM(name, RecursivelyCreateDir(name))
  Status DeleteDir(const string& name) RECORDFS_ON_FILE_SYSTEM(name, DeleteDir(name))
  Status GetFileSize(const string& name, uint64* size) RECORDFS_ON_FILE_SYSTEM(name, GetFileSize(name, size))
  Status IsDirectory(const string& name) RECORDFS_ON_FILE_SYSTEM(name, IsDirectory(name))

  Status HasAtomicMove(const string& name, bool* has_atomic_move)
      RECORDFS_ON_FILE_SYSTEM(name, HasAtomicMove(name, has_atomic_move))

#undef RECORDFS_ON_FILE_SYSTEM

  // Whether all are there; `statuses`, if it is not null, gets one for each.
  bool FilesExist(const std::vector<string>& names, std::vector<Status>* statuses) {
    bool all = true;
    for (const string& name : names) {
      Status status = FileExists(name);
      all = all && status.ok();
      if (statuses != nullptr) statuses->push_back(status);
    }
    return all;
  }

  // Has every filesystem that was made forget what it remembers.
  Status FlushFileSystemCaches() {
    std::vector<FileSystem*> made;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (const auto& file_system : file_systems_) made.push_back(file_system.second.get());
    }
    for (FileSystem* file_system : made) file_system->FlushCaches();
    return Status();
  }

  bool MatchPath(const string& path, const string& pattern) {
    return fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME) == 0;
  }

  Status RenameFile(const string& source, const string& target) {
    FileSystem *from, *to;
    TF_RETURN_IF_ERROR(GetFileSystemForFile(source, &from));
    TF_RETURN_IF_ERROR(GetFileSystemForFile(target, &to));
    if (from != to) return errors::Unimplemented("renaming ", source, " to ", target, ": two filesystems");
    return from->RenameFile(source, target);
  }

  // Between any two filesystems.
  Status CopyFile(const string& source, const string& target) {
    FileSystem *from, *to;
    TF_RETURN_IF_ERROR(GetFileSystemForFile(source, &from));
    TF_RETURN_IF_ERROR(GetFileSystemForFile(target, &to));
    if (from == to) return from->CopyFile(source, target);
    return recordfs_internal::CopyBytes(from, source, to, target);
  }

  // Libraries that a filesystem loads itself.
  Status LoadDynamicLibrary(const char* name, void** handle) {
    *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    return *handle != nullptr ? Status() : errors::NotFound(LinkerError(name));
  }
  Status LoadLibrary(const char* name, void** handle) { return LoadDynamicLibrary(name, handle); }
  Status GetSymbolFromLibrary(void* handle, const char* name, void** symbol) {
    *symbol = dlsym(handle, name);
    return *symbol != nullptr ? Status() : errors::NotFound(LinkerError(name));
  }
  string FormatLibraryFileName(const string& name, const string& version) {
    return "lib" + name + ".so" + (version.empty() ? "" : "." + version);
  }

  // The caller deletes the thread, and waits for it by that.
  Thread* StartThread(const ThreadOptions&, const string&, std::function<void()> work) {
    return new Thread(std::move(work));
  }
  void SchedClosure(std::function<void()> work) { std::thread(std::move(work)).detach(); }

  // The name of a new, empty file; false if there can be none.
  bool LocalTempFilename(string* name) {
    const char* directory = std::getenv("TMPDIR");
    *name = io::JoinPath(directory == nullptr ? "/tmp" : directory, "recordfs-plugin-XXXXXX");
    int descriptor = mkstemp(&(*name)[0]);
    return descriptor >= 0 && close(descriptor) == 0;
  }

  int32 GetProcessId() { return static_cast<int32>(getpid()); }

  uint64 NowNanos() const { return Now<std::chrono::nanoseconds>(); }
  uint64 NowMicros() const { return Now<std::chrono::microseconds>(); }
  uint64 NowSeconds() const { return Now<std::chrono::seconds>(); }
  void SleepForMicroseconds(int64 count) { std::this_thread::sleep_for(std::chrono::microseconds(count)); }

 private:
  Env() {
    factories_[""] = [] { return new recordfs_internal::LocalFileSystem; };
    factories_["file"] = factories_[""];
  }

  static string LinkerError(const char* name) {
    const char* reason = dlerror();
    return string(name) + ": " + (reason == nullptr ? "not found" : reason);
  }

  template <typename Unit>
  static uint64 Now() {
    auto since = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<uint64>(std::chrono::duration_cast<Unit>(since).count());
  }

  std::mutex mutex_;
  std::map<string, Factory> factories_;
  std::map<string, std::unique_ptr<FileSystem>> file_systems_;
};

// Copies a file between any two filesystems.
inline Status FileSystemCopyFile(FileSystem* from, const string& source, FileSystem* to, const string& target) {
  return recordfs_internal::CopyBytes(from, source, to, target);
}

// All bytes of a file.
inline Status ReadFileToString(Env* env, const string& name, string* data) {
  constexpr size_t kChunk = size_t{1} << 18;
  std::unique_ptr<RandomAccessFile> file;
  TF_RETURN_IF_ERROR(env->NewRandomAccessFile(name, &file));
  std::unique_ptr<char[]> scratch(new char[kChunk]);
  data->clear();
  for (;;) {
    StringPiece piece;
    Status status = file->Read(data->size(), kChunk, &piece, scratch.get());
    bool at_end = status.code() == error::OUT_OF_RANGE || (status.ok() && piece.empty());
    if (!status.ok() && !at_end) return status;
    TF_RETURN_IF_ERROR(recordfs_internal::CheckRead(piece, kChunk));
    data->append(piece.data(), piece.size());
    if (at_end) return Status();
  }
}

// A file with these bytes, in place of an old one.
inline Status WriteStringToFile(Env* env, const string& name, StringPiece data) {
  std::unique_ptr<WritableFile> file;
  TF_RETURN_IF_ERROR(env->NewWritableFile(name, &file));
  TF_RETURN_IF_ERROR(file->Append(data));
  return file->Close();
}

}  // namespace recordfs_adapter
}  // namespace tensorflow

#include "recordfs/plugin.h"

#endif  // RECORDFS_ENV_H_
