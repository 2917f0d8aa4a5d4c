// FileSystem: the base class of a filesystem in the style of TensorFlow's guide.
//
// Each operation can be overridden in its older form or in the newer one, which takes a TransactionToken* (always null
// here). Whichever is called, the one that was overridden runs; if neither was, the default does, or the operation is
// UNIMPLEMENTED. Every path is the full URI; TranslateName takes scheme and host off.

#ifndef RECORDFS_FILE_SYSTEM_H_
#define RECORDFS_FILE_SYSTEM_H_

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "recordfs/files.h"
#include "recordfs/path.h"
#include "recordfs/status.h"
#include "recordfs/types.h"

namespace tensorflow {
inline namespace recordfs_adapter {

class FileSystem;

// There are no transactions; the type is here for the newer signatures.
struct TransactionToken {
  FileSystem* owner;
  void* token;
};

namespace recordfs_internal {

// The two forms of an operation.
enum class Form { kOlder, kNewer };

// An operation's default is forwarding to the operation's other form, in this thread. If that form's default finds this
// as the innermost, neither form was overridden.
class Forwarding {
 public:
  Forwarding(const void* object, const char* operation, Form form)
      : outer_(Innermost()), object_(object), operation_(operation), form_(form) {
    Innermost() = this;
  }
  ~Forwarding() { Innermost() = outer_; }
  Forwarding(const Forwarding&) = delete;
  void operator=(const Forwarding&) = delete;

  bool came_back() const {
    return outer_ != nullptr && outer_->object_ == object_ && outer_->form_ != form_ &&
           std::strcmp(outer_->operation_, operation_) == 0;
  }

 private:
  RECORDFS_OWN static const Forwarding*& Innermost() {
    static thread_local const Forwarding* innermost = nullptr;
    return innermost;
  }

  const Forwarding* outer_;
  const void* object_;
  const char* operation_;
  Form form_;
};

}  // namespace recordfs_internal

namespace recordfs_internal {

// Copies a file by reading and writing, between any two filesystems.
inline Status CopyBytes(FileSystem* from, const string& source, FileSystem* to, const string& target);

}  // namespace recordfs_internal

namespace internal {

// The default of FileSystem::GetMatchingPaths, for sources that call it by this name.
template <typename EnvType>
Status GetMatchingPaths(FileSystem* file_system, EnvType*, const string& pattern, std::vector<string>* results);

}  // namespace internal

class FileSystem {
 public:
  FileSystem() = default;
  virtual ~FileSystem() = default;

#define RECORDFS_FORWARD(form, operation, to, otherwise)                                         \
  {                                                                                              \
    recordfs_internal::Forwarding forwarding(this, operation, recordfs_internal::Form::form);    \
    if (forwarding.came_back()) return otherwise;                                                \
    return to;                                                                                   \
  }

  virtual Status NewRandomAccessFile(const string& name, std::unique_ptr<RandomAccessFile>* result)
      RECORDFS_FORWARD(kOlder, "NewRandomAccessFile", NewRandomAccessFile(name, nullptr, result), Lacking(name, "reading"))
  virtual Status NewRandomAccessFile(const string& name, TransactionToken*, std::unique_ptr<RandomAccessFile>* result)
      RECORDFS_FORWARD(kNewer, "NewRandomAccessFile", NewRandomAccessFile(name, result), Lacking(name, "reading"))

  virtual Status NewWritableFile(const string& name, std::unique_ptr<WritableFile>* result)
      RECORDFS_FORWARD(kOlder, "NewWritableFile", NewWritableFile(name, nullptr, result), Lacking(name, "writing"))
  virtual Status NewWritableFile(const string& name, TransactionToken*, std::unique_ptr<WritableFile>* result)
      RECORDFS_FORWARD(kNewer, "NewWritableFile", NewWritableFile(name, result), Lacking(name, "writing"))

  virtual Status NewAppendableFile(const string& name, std::unique_ptr<WritableFile>* result)
      RECORDFS_FORWARD(kOlder, "NewAppendableFile", NewAppendableFile(name, nullptr, result), Lacking(name, "appending"))
  virtual Status NewAppendableFile(const string& name, TransactionToken*, std::unique_ptr<WritableFile>* result)
      RECORDFS_FORWARD(kNewer, "NewAppendableFile", NewAppendableFile(name, result), Lacking(name, "appending"))

  virtual Status NewReadOnlyMemoryRegionFromFile(const string& name, std::unique_ptr<ReadOnlyMemoryRegion>* result)
      RECORDFS_FORWARD(kOlder, "NewReadOnlyMemoryRegionFromFile", NewReadOnlyMemoryRegionFromFile(name, nullptr, result),
                       Lacking(name, "memory regions"))
  virtual Status NewReadOnlyMemoryRegionFromFile(const string& name, TransactionToken*,
                                                 std::unique_ptr<ReadOnlyMemoryRegion>* result)
      RECORDFS_FORWARD(kNewer, "NewReadOnlyMemoryRegionFromFile", NewReadOnlyMemoryRegionFromFile(name, result),
                       Lacking(name, "memory regions"))

  // OK if something is there, else NOT_FOUND. By default what Stat says.
  virtual Status FileExists(const string& name)
      RECORDFS_FORWARD(kOlder, "FileExists", FileExists(name, nullptr), ExistsByStat(name))
  virtual Status FileExists(const string& name, TransactionToken*)
      RECORDFS_FORWARD(kNewer, "FileExists", FileExists(name), ExistsByStat(name))

  // Whether all are there; `statuses`, if it is not null, gets one for each. By default one after the other.
  virtual bool FilesExist(const std::vector<string>& names, std::vector<Status>* statuses)
      RECORDFS_FORWARD(kOlder, "FilesExist", FilesExist(names, nullptr, statuses), ExistOneByOne(names, statuses))
  virtual bool FilesExist(const std::vector<string>& names, TransactionToken*, std::vector<Status>* statuses)
      RECORDFS_FORWARD(kNewer, "FilesExist", FilesExist(names, statuses), ExistOneByOne(names, statuses))

  // The names in a directory, without the directory's.
  virtual Status GetChildren(const string& name, std::vector<string>* result)
      RECORDFS_FORWARD(kOlder, "GetChildren", GetChildren(name, nullptr, result), Lacking(name, "listing"))
  virtual Status GetChildren(const string& name, TransactionToken*, std::vector<string>* result)
      RECORDFS_FORWARD(kNewer, "GetChildren", GetChildren(name, result), Lacking(name, "listing"))

  // The paths that match a pattern; by default by listing.
  virtual Status GetMatchingPaths(const string& pattern, std::vector<string>* results)
      RECORDFS_FORWARD(kOlder, "GetMatchingPaths", GetMatchingPaths(pattern, nullptr, results), MatchByListing(pattern, results))
  virtual Status GetMatchingPaths(const string& pattern, TransactionToken*, std::vector<string>* results)
      RECORDFS_FORWARD(kNewer, "GetMatchingPaths", GetMatchingPaths(pattern, results), MatchByListing(pattern, results))

  // Whether a name matches a pattern as a whole; "*" and "?" match no slash.
  virtual bool Match(const string& name, const string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0;
  }

  virtual Status Stat(const string& name, FileStatistics* statistics)
      RECORDFS_FORWARD(kOlder, "Stat", Stat(name, nullptr, statistics), Lacking(name, "stat"))
  virtual Status Stat(const string& name, TransactionToken*, FileStatistics* statistics)
      RECORDFS_FORWARD(kNewer, "Stat", Stat(name, statistics), Lacking(name, "stat"))

  virtual Status DeleteFile(const string& name)
      RECORDFS_FORWARD(kOlder, "DeleteFile", DeleteFile(name, nullptr), Lacking(name, "deleting files"))
  virtual Status DeleteFile(const string& name, TransactionToken*)
      RECORDFS_FORWARD(kNewer, "DeleteFile", DeleteFile(name), Lacking(name, "deleting files"))

  virtual Status CreateDir(const string& name)
      RECORDFS_FORWARD(kOlder, "CreateDir", CreateDir(name, nullptr), Lacking(name, "making directories"))
  virtual Status CreateDir(const string& name, TransactionToken*)
      RECORDFS_FORWARD(kNewer, "CreateDir", CreateDir(name), Lacking(name, "making directories"))

  // A directory and those above it that are missing; by default one by one.
  virtual Status RecursivelyCreateDir(const string& name)
      RECORDFS_FORWARD(kOlder, "RecursivelyCreateDir", RecursivelyCreateDir(name, nullptr), CreateOneByOne(name))
  virtual Status RecursivelyCreateDir(const string& name, TransactionToken*)
      RECORDFS_FORWARD(kNewer, "RecursivelyCreateDir", RecursivelyCreateDir(name), CreateOneByOne(name))

  virtual Status DeleteDir(const string& name)
      RECORDFS_FORWARD(kOlder, "DeleteDir", DeleteDir(name, nullptr), Lacking(name, "deleting directories"))
  virtual Status DeleteDir(const string& name, TransactionToken*)
      RECORDFS_FORWARD(kNewer, "DeleteDir", DeleteDir(name), Lacking(name, "deleting directories"))

  // A tree; by default from its leaves up, going on after failures, of which the first is returned. The default cannot
  // tell symbolic links and follows them.
  virtual Status DeleteRecursively(const string& name, int64* undeleted_files, int64* undeleted_dirs)
      RECORDFS_FORWARD(kOlder, "DeleteRecursively", DeleteRecursively(name, nullptr, undeleted_files, undeleted_dirs),
                       DeleteOneByOne(name, undeleted_files, undeleted_dirs))
  virtual Status DeleteRecursively(const string& name, TransactionToken*, int64* undeleted_files, int64* undeleted_dirs)
      RECORDFS_FORWARD(kNewer, "DeleteRecursively", DeleteRecursively(name, undeleted_files, undeleted_dirs),
                       DeleteOneByOne(name, undeleted_files, undeleted_dirs))

  // By default what Stat says.
  virtual Status GetFileSize(const string& name, uint64* size)
      RECORDFS_FORWARD(kOlder, "GetFileSize", GetFileSize(name, nullptr, size), SizeByStat(name, size))
  virtual Status GetFileSize(const string& name, TransactionToken*, uint64* size)
      RECORDFS_FORWARD(kNewer, "GetFileSize", GetFileSize(name, size), SizeByStat(name, size))

  // Replaces the target. By default a copy, and the source is deleted.
  virtual Status RenameFile(const string& source, const string& target)
      RECORDFS_FORWARD(kOlder, "RenameFile", RenameFile(source, target, nullptr), RenameByCopy(source, target))
  virtual Status RenameFile(const string& source, const string& target, TransactionToken*)
      RECORDFS_FORWARD(kNewer, "RenameFile", RenameFile(source, target), RenameByCopy(source, target))

  // By default the bytes go through this process.
  virtual Status CopyFile(const string& source, const string& target)
      RECORDFS_FORWARD(kOlder, "CopyFile", CopyFile(source, target, nullptr), recordfs_internal::CopyBytes(this, source, this, target))
  virtual Status CopyFile(const string& source, const string& target, TransactionToken*)
      RECORDFS_FORWARD(kNewer, "CopyFile", CopyFile(source, target), recordfs_internal::CopyBytes(this, source, this, target))

  // OK for a directory, FAILED_PRECONDITION for a file, NOT_FOUND for nothing; by default what Stat says.
  virtual Status IsDirectory(const string& name)
      RECORDFS_FORWARD(kOlder, "IsDirectory", IsDirectory(name, nullptr), IsDirectoryByStat(name))
  virtual Status IsDirectory(const string& name, TransactionToken*)
      RECORDFS_FORWARD(kNewer, "IsDirectory", IsDirectory(name), IsDirectoryByStat(name))

  // Whether RenameFile is one step for every observer.
  virtual Status HasAtomicMove(const string&, bool* has_atomic_move) {
    *has_atomic_move = true;
    return Status();
  }

  virtual void FlushCaches() RECORDFS_FORWARD(kOlder, "FlushCaches", FlushCaches(nullptr), void())
  virtual void FlushCaches(TransactionToken*) RECORDFS_FORWARD(kNewer, "FlushCaches", FlushCaches(), void())

  // The path inside the filesystem: without scheme and host, cleaned. The empty one stays empty.
  virtual string TranslateName(const string& name) const {
    if (name.empty()) return name;
    StringPiece scheme, host, path;
    io::ParseURI(name, &scheme, &host, &path);
    return path.empty() ? "/" : io::CleanPath(path);
  }

  // Transactions and settings, which no host asks for.
  virtual Status StartTransaction(TransactionToken** token) { return NoTransaction(token); }
  virtual Status GetTokenOrStartTransaction(const string&, TransactionToken** token) { return NoTransaction(token); }
  virtual Status GetTransactionForPath(const string&, TransactionToken** token) { return NoTransaction(token); }
  virtual Status AddToTransaction(const string&, TransactionToken*) { return Status(); }
  virtual Status EndTransaction(TransactionToken*) { return Status(); }
  virtual string DecodeTransaction(const TransactionToken*) { return "no transaction"; }
  virtual Status SetOption(const string& key, const string&) { return Lacking(key, "settings"); }
  virtual Status SetOption(const string& key, const std::vector<string>&) { return Lacking(key, "settings"); }
  virtual Status SetOption(const string& key, const std::vector<int64>&) { return Lacking(key, "settings"); }
  virtual Status SetOption(const string& key, const std::vector<double>&) { return Lacking(key, "settings"); }

  // Paths as text; as in namespace io.
  virtual char Separator() const { return '/'; }
  virtual StringPiece Basename(StringPiece path) const { return io::Basename(path); }
  StringPiece Dirname(StringPiece path) const { return io::Dirname(path); }
  StringPiece Extension(StringPiece path) const { return io::Extension(path); }
  std::pair<StringPiece, StringPiece> SplitPath(StringPiece path) const { return io::SplitPath(path); }
  string CleanPath(StringPiece path) const { return io::CleanPath(path); }
  bool IsAbsolutePath(StringPiece path) const { return io::IsAbsolutePath(path); }
  void ParseURI(StringPiece uri, StringPiece* scheme, StringPiece* host, StringPiece* path) const {
    io::ParseURI(uri, scheme, host, path);
  }
  string CreateURI(StringPiece scheme, StringPiece host, StringPiece path) const {
    return io::CreateURI(scheme, host, path);
  }
  template <typename... Parts>
  string JoinPath(const Parts&... parts) const {
    return io::JoinPath(parts...);
  }

 private:
  TF_DISALLOW_COPY_AND_ASSIGN(FileSystem);

  static Status NoTransaction(TransactionToken** token) {
    *token = nullptr;
    return Status();
  }

  template <typename EnvType>
  friend Status internal::GetMatchingPaths(FileSystem*, EnvType*, const string&, std::vector<string>*);

  static Status Lacking(const string& name, const char* what) {
    return errors::Unimplemented(name, ": this filesystem has no ", what);
  }

  Status ExistsByStat(const string& name) {
    FileStatistics statistics;
    return Stat(name, &statistics);
  }

  bool ExistOneByOne(const std::vector<string>& names, std::vector<Status>* statuses) {
    bool all = true;
    for (const string& name : names) {
      Status status = FileExists(name);
      all = all && status.ok();
      if (statuses != nullptr) statuses->push_back(status);
    }
    return all;
  }

  Status SizeByStat(const string& name, uint64* size) {
    FileStatistics statistics;
    TF_RETURN_IF_ERROR(Stat(name, &statistics));
    if (statistics.is_directory) return errors::FailedPrecondition(name, ": a directory has no size");
    *size = static_cast<uint64>(statistics.length);
    return Status();
  }

  Status IsDirectoryByStat(const string& name) {
    FileStatistics statistics;
    TF_RETURN_IF_ERROR(Stat(name, &statistics));
    return statistics.is_directory ? Status() : errors::FailedPrecondition(name, ": not a directory");
  }

  Status RenameByCopy(const string& source, const string& target) {
    TF_RETURN_IF_ERROR(CopyFile(source, target));
    return DeleteFile(source);
  }

  Status CreateOneByOne(const string& name) {
    std::vector<string> missing;
    for (string current = name;;) {
      while (current.size() > 1 && current.back() == '/') current.pop_back();
      Status status = IsDirectory(current);
      if (status.ok()) break;
      if (status.code() != error::NOT_FOUND) return status;
      missing.push_back(current);
      string above = io::Dirname(current).ToString();
      // The root of a scheme need not be there to be looked at.
      if (above.size() >= current.size() || above.empty()) {
        if (missing.size() > 1) missing.pop_back();
        break;
      }
      current = above;
    }
    for (; !missing.empty(); missing.pop_back()) {
      Status status = CreateDir(missing.back());
      // Somebody else may have made it meanwhile.
      if (status.code() == error::ALREADY_EXISTS) status = IsDirectory(missing.back());
      TF_RETURN_IF_ERROR(status);
    }
    return Status();
  }

  Status DeleteOneByOne(const string& name, int64* undeleted_files, int64* undeleted_dirs) {
    *undeleted_files = 0;
    *undeleted_dirs = 0;
    FileStatistics top;
    Status found = Stat(name, &top);
    if (!found.ok()) {
      *undeleted_dirs = 1;
      return found;
    }
    if (!top.is_directory) return DeleteFile(name);
    Status first;
    std::vector<string> directories{name};
    for (size_t i = 0; i < directories.size(); i++) {
      std::vector<string> children;
      first.Update(GetChildren(directories[i], &children));
      for (const string& child : children) {
        string path = io::JoinPath(directories[i], child);
        if (IsDirectory(path).ok()) {
          directories.push_back(path);
          continue;
        }
        Status status = DeleteFile(path);
        if (status.ok() || status.code() == error::NOT_FOUND) continue;
        (*undeleted_files)++;
        first.Update(status);
      }
    }
    for (; !directories.empty(); directories.pop_back()) {
      Status status = DeleteDir(directories.back());
      // A directory that is there only while something is in it went with its last child.
      if (status.ok() || status.code() == error::NOT_FOUND) continue;
      (*undeleted_dirs)++;
      first.Update(status);
    }
    return first;
  }

  // `pattern` component by component, listing a directory only where a component has a wildcard.
  Status MatchByListing(const string& pattern, std::vector<string>* results) {
    results->clear();
    StringPiece scheme, host, path;
    io::ParseURI(pattern, &scheme, &host, &path);
    std::vector<string> found{io::CreateURI(scheme, host, io::IsAbsolutePath(path) ? "/" : "")};
    for (size_t start = 0; start < path.size();) {
      size_t end = path.find('/', start);
      if (end == std::string_view::npos) end = path.size();
      string component(path.substr(start, end - start));
      start = end + 1;
      if (component.empty()) continue;
      std::vector<string> next;
      for (const string& directory : found) {
        if (component.find_first_of("*?[\\") == string::npos) {
          string literal = io::JoinPath(directory, component);
          if (FileExists(literal).ok()) next.push_back(literal);
          continue;
        }
        std::vector<string> children;
        if (!GetChildren(directory.empty() ? "." : directory, &children).ok()) continue;
        for (const string& child : children) {
          if (Match(child, component)) next.push_back(io::JoinPath(directory, child));
        }
      }
      found.swap(next);
    }
    for (string& match : found) results->push_back(match);
    return Status();
  }

#undef RECORDFS_FORWARD
};

namespace recordfs_internal {

inline Status CopyBytes(FileSystem* from, const string& source, FileSystem* to, const string& target) {
  constexpr size_t kChunk = size_t{1} << 18;
  std::unique_ptr<RandomAccessFile> reader;
  TF_RETURN_IF_ERROR(from->NewRandomAccessFile(source, &reader));
  std::unique_ptr<WritableFile> writer;
  TF_RETURN_IF_ERROR(to->NewWritableFile(target, &writer));
  std::unique_ptr<char[]> scratch(new char[kChunk]);
  uint64 offset = 0;
  for (;;) {
    StringPiece piece;
    Status status = reader->Read(offset, kChunk, &piece, scratch.get());
    bool at_end = status.code() == error::OUT_OF_RANGE || (status.ok() && piece.empty());
    if (!status.ok() && !at_end) return status;
    TF_RETURN_IF_ERROR(CheckRead(piece, kChunk));
    if (!piece.empty()) TF_RETURN_IF_ERROR(writer->Append(piece));
    if (at_end) return writer->Close();
    offset += piece.size();
  }
}

}  // namespace recordfs_internal

namespace internal {

template <typename EnvType>
Status GetMatchingPaths(FileSystem* file_system, EnvType*, const string& pattern, std::vector<string>* results) {
  return file_system->MatchByListing(pattern, results);
}

}  // namespace internal

}  // namespace recordfs_adapter
}  // namespace tensorflow

// For classes that override the newer forms: the older ones, which they hide.
#define TF_USE_FILESYSTEM_METHODS_WITH_NO_TRANSACTION_SUPPORT \
  using RecordfsHasBothForms = void;                          \
  using ::tensorflow::FileSystem::NewRandomAccessFile;        \
  using ::tensorflow::FileSystem::NewWritableFile;            \
  using ::tensorflow::FileSystem::NewAppendableFile;          \
  using ::tensorflow::FileSystem::NewReadOnlyMemoryRegionFromFile; \
  using ::tensorflow::FileSystem::FileExists;                 \
  using ::tensorflow::FileSystem::GetChildren;                \
  using ::tensorflow::FileSystem::GetMatchingPaths;           \
  using ::tensorflow::FileSystem::Stat;                       \
  using ::tensorflow::FileSystem::DeleteFile;                 \
  using ::tensorflow::FileSystem::RecursivelyCreateDir;       \
  using ::tensorflow::FileSystem::DeleteDir;                  \
  using ::tensorflow::FileSystem::DeleteRecursively;          \
  using ::tensorflow::FileSystem::GetFileSize;                \
  using ::tensorflow::FileSystem::RenameFile;                 \
  using ::tensorflow::FileSystem::CopyFile;                   \
  using ::tensorflow::FileSystem::IsDirectory;                \
  using ::tensorflow::FileSystem::FlushCaches

#endif  // RECORDFS_FILE_SYSTEM_H_
