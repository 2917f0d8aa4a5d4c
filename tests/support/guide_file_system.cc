// The filesystem of TensorFlow's guide "Adding a custom filesystem", in the guide's shape: local files under foobar://,
// compiled against recordfs's adapter as it would be against TensorFlow. foobar://path/to/file.txt is the local file
// $FOOBAR_ROOT/to/file.txt; "path" is the host of the URI.
//
// With TOKENS it overrides the newer forms, with TransactionToken*; with BY_REFERENCE its Append is that of TensorFlow 1.

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensorflow/core/lib/core/errors.h"
#include "tensorflow/core/lib/core/status.h"
#include "tensorflow/core/lib/io/path.h"
#include "tensorflow/core/lib/strings/strcat.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/platform/file_system.h"
#include "tensorflow/core/platform/file_system_helper.h"
#include "tensorflow/core/platform/logging.h"
#include "tensorflow/core/platform/macros.h"
#include "tensorflow/core/platform/posix/error.h"
#include "tensorflow/core/platform/types.h"

#ifdef TOKENS
#define TOKEN TransactionToken* /*token*/,
#define LAST_TOKEN , TransactionToken* /*token*/
#define PASS_TOKEN nullptr,
#else
#define TOKEN
#define LAST_TOKEN
#define PASS_TOKEN
#endif

namespace tensorflow {
namespace {

class FooBarRandomAccessFile : public RandomAccessFile {
 public:
  FooBarRandomAccessFile(const string& fname, int fd) : filename_(fname), fd_(fd) {}
  ~FooBarRandomAccessFile() override { close(fd_); }

  Status Name(StringPiece* result) const override {
    *result = filename_;
    return Status::OK();
  }

  Status Read(uint64 offset, size_t n, StringPiece* result, char* scratch) const override {
#ifdef READ_LIES
    *result = StringPiece(static_cast<const char*>(nullptr), READ_LIES);
    return Status::OK();
#endif
    Status s;
    char* dst = scratch;
    while (n > 0 && s.ok()) {
      ssize_t r = pread(fd_, dst, n, static_cast<off_t>(offset));
      if (r > 0) {
        dst += r;
        n -= static_cast<size_t>(r);
        offset += static_cast<uint64>(r);
      } else if (r == 0) {
        s = Status(error::OUT_OF_RANGE, "Read less bytes than requested");
      } else if (errno != EINTR && errno != EAGAIN) {
        s = IOError(filename_, errno);
      }
    }
    *result = StringPiece(scratch, static_cast<size_t>(dst - scratch));
    return s;
  }

 private:
  string filename_;
  int fd_;
};

class FooBarWritableFile : public WritableFile {
 public:
  FooBarWritableFile(const string& fname, FILE* f) : filename_(fname), file_(f) {}
  ~FooBarWritableFile() override {
    if (file_ != nullptr) fclose(file_);
  }

#ifdef BY_REFERENCE
  Status Append(const StringPiece& data) override {
#else
  Status Append(StringPiece data) override {
#endif
    if (data == "throw") throw std::runtime_error("thrown by Append");
    size_t r = fwrite(data.data(), 1, data.size(), file_);
    if (r != data.size()) return IOError(filename_, errno);
    return Status::OK();
  }

  Status Close() override {
    // As in the guide: a second call would crash.
    Status result;
    if (fclose(file_) != 0) result = IOError(filename_, errno);
    file_ = nullptr;
    return result;
  }

  Status Flush() override {
    if (fflush(file_) != 0) return IOError(filename_, errno);
    return OkStatus();
  }

  Status Sync() override {
    TF_RETURN_IF_ERROR(Flush());
    return OkStatus();
  }

  Status Tell(int64* position) override {
    *position = ftell(file_);
    return OkStatus();
  }

 private:
  string filename_;
  FILE* file_;
};

class FooBarReadOnlyMemoryRegion : public ReadOnlyMemoryRegion {
 public:
  FooBarReadOnlyMemoryRegion(const void* address, uint64 length) : address_(address), length_(length) {}
  ~FooBarReadOnlyMemoryRegion() override { munmap(const_cast<void*>(address_), length_); }
  const void* data() override { return address_; }
  uint64 length() override { return length_; }

 private:
  const void* const address_;
  const uint64 length_;
};

}  // namespace

class FooBarFileSystem : public FileSystem {
 public:
  FooBarFileSystem() {}
  ~FooBarFileSystem() override {}
#ifdef TOKENS
  TF_USE_FILESYSTEM_METHODS_WITH_NO_TRANSACTION_SUPPORT;
#endif

  string TranslateName(const string& name) const override {
    StringPiece scheme, host, path;
    io::ParseURI(name, &scheme, &host, &path);
    const char* root = getenv("FOOBAR_ROOT");
    return io::JoinPath(root == nullptr ? "/nowhere" : root, io::CleanPath(strings::StrCat("/", path)));
  }

  Status NewRandomAccessFile(const string& fname, TOKEN std::unique_ptr<RandomAccessFile>* result) override {
    string translated_fname = TranslateName(fname);
    int fd = open(translated_fname.c_str(), O_RDONLY);
    if (fd < 0) return IOError(fname, errno);
    result->reset(new FooBarRandomAccessFile(translated_fname, fd));
    return Status::OK();
  }

  Status NewWritableFile(const string& fname, TOKEN std::unique_ptr<WritableFile>* result) override {
    string translated_fname = TranslateName(fname);
    FILE* f = fopen(translated_fname.c_str(), "w");
    if (f == nullptr) return IOError(fname, errno);
    result->reset(new FooBarWritableFile(translated_fname, f));
    return Status::OK();
  }

  Status NewAppendableFile(const string& fname, TOKEN std::unique_ptr<WritableFile>* result) override {
    string translated_fname = TranslateName(fname);
    FILE* f = fopen(translated_fname.c_str(), "a");
    if (f == nullptr) return IOError(fname, errno);
    result->reset(new FooBarWritableFile(translated_fname, f));
    return Status::OK();
  }

  Status NewReadOnlyMemoryRegionFromFile(const string& fname,
                                         TOKEN std::unique_ptr<ReadOnlyMemoryRegion>* result) override {
    Status s = Status::OK();
    int fd = open(TranslateName(fname).c_str(), O_RDONLY);
    if (fd < 0) return IOError(fname, errno);
    struct stat st;
    ::fstat(fd, &st);
    const void* address = mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) {
      s = IOError(fname, errno);
    } else {
      result->reset(new FooBarReadOnlyMemoryRegion(address, static_cast<uint64>(st.st_size)));
    }
    close(fd);
    return s;
  }

  Status FileExists(const string& fname LAST_TOKEN) override {
    if (access(TranslateName(fname).c_str(), F_OK) == 0) return Status::OK();
    return errors::NotFound(fname, " not found");
  }

  Status GetChildren(const string& dir, TOKEN std::vector<string>* result) override {
    string translated_dir = TranslateName(dir);
    result->clear();
    DIR* d = opendir(translated_dir.c_str());
    if (d == nullptr) return IOError(dir, errno);
    struct dirent* entry;
    while ((entry = readdir(d)) != nullptr) {
      StringPiece basename = entry->d_name;
      if ((basename != ".") && (basename != "..")) result->push_back(entry->d_name);
    }
    closedir(d);
    return Status::OK();
  }

  Status GetMatchingPaths(const string& pattern, TOKEN std::vector<string>* results) override {
    return internal::GetMatchingPaths(this, Env::Default(), pattern, results);
  }

  Status DeleteFile(const string& fname LAST_TOKEN) override {
    Status result;
    if (unlink(TranslateName(fname).c_str()) != 0) result = IOError(fname, errno);
    return result;
  }

  Status CreateDir(const string& name LAST_TOKEN) override {
    string translated = TranslateName(name);
    if (translated.empty()) return errors::AlreadyExists(name);
    if (mkdir(translated.c_str(), 0755) != 0) return IOError(name, errno);
    return Status::OK();
  }

  Status DeleteDir(const string& name LAST_TOKEN) override {
    Status result;
    if (rmdir(TranslateName(name).c_str()) != 0) result = IOError(name, errno);
    return result;
  }

  Status GetFileSize(const string& fname, TOKEN uint64* size) override {
    Status s;
    struct stat sbuf;
    if (stat(TranslateName(fname).c_str(), &sbuf) != 0) {
      *size = 0;
      s = IOError(fname, errno);
    } else {
      *size = static_cast<uint64>(sbuf.st_size);
    }
    return s;
  }

  Status Stat(const string& fname, TOKEN FileStatistics* stats) override {
    Status s;
    struct stat sbuf;
    if (stat(TranslateName(fname).c_str(), &sbuf) != 0) {
      s = IOError(fname, errno);
    } else {
      stats->mtime_nsec = static_cast<int64>(sbuf.st_mtim.tv_sec) * 1000000000 + sbuf.st_mtim.tv_nsec;
      stats->length = sbuf.st_size;
      stats->is_directory = S_ISDIR(sbuf.st_mode);
    }
    return s;
  }

  Status RenameFile(const string& src, const string& target LAST_TOKEN) override {
    Status result;
    if (rename(TranslateName(src).c_str(), TranslateName(target).c_str()) != 0) result = IOError(src, errno);
    return result;
  }
};

REGISTER_FILE_SYSTEM("foobar", FooBarFileSystem);

// A second scheme, which lacks everything that has no default.
class EmptyFileSystem : public FileSystem {};
REGISTER_FILE_SYSTEM("emptybar", EmptyFileSystem);

}  // namespace tensorflow
