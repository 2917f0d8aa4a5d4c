// Local files, for sources that read and write them through Env::Default().

#ifndef RECORDFS_LOCAL_FILE_SYSTEM_H_
#define RECORDFS_LOCAL_FILE_SYSTEM_H_

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "recordfs/file_system.h"

namespace tensorflow {
inline namespace recordfs_adapter {
namespace recordfs_internal {

class LocalReader : public RandomAccessFile {
 public:
  LocalReader(const string& name, int descriptor) : name_(name), descriptor_(descriptor) {}
  ~LocalReader() override { close(descriptor_); }

  Status Name(StringPiece* result) const override {
    *result = name_;
    return Status();
  }

  Status Read(uint64 offset, size_t n, StringPiece* result, char* scratch) const override {
    size_t filled = 0;
    while (filled < n) {
      ssize_t count = pread(descriptor_, scratch + filled, n - filled, static_cast<off_t>(offset + filled));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return IOError(name_, errno);
      if (count == 0) break;
      filled += static_cast<size_t>(count);
    }
    *result = StringPiece(scratch, filled);
    return filled < n ? errors::OutOfRange(name_, ": the file ends") : Status();
  }

 private:
  string name_;
  int descriptor_;
};

class LocalWriter : public WritableFile {
 public:
  LocalWriter(const string& name, std::FILE* file) : name_(name), file_(file) {}
  ~LocalWriter() override {
    if (file_ != nullptr) std::fclose(file_);
  }

  Status Append(StringPiece data) override {
    return file_ != nullptr && std::fwrite(data.data(), 1, data.size(), file_) == data.size() ? Status() : Failed();
  }
  Status Flush() override { return file_ != nullptr && std::fflush(file_) == 0 ? Status() : Failed(); }
  Status Sync() override {
    TF_RETURN_IF_ERROR(Flush());
    return fsync(fileno(file_)) == 0 ? Status() : Failed();
  }
  Status Tell(int64* position) override {
    *position = file_ == nullptr ? -1 : static_cast<int64>(ftello(file_));
    return *position < 0 ? Failed() : Status();
  }
  Status Name(StringPiece* result) const override {
    *result = name_;
    return Status();
  }
  Status Close() override {
    if (file_ == nullptr) return Failed();
    std::FILE* file = file_;
    file_ = nullptr;
    return std::fclose(file) == 0 ? Status() : IOError(name_, errno);
  }

 private:
  Status Failed() const { return IOError(name_, file_ == nullptr ? EBADF : errno); }

  string name_;
  std::FILE* file_;
};

class LocalFileSystem : public FileSystem {
 public:
  Status NewRandomAccessFile(const string& name, std::unique_ptr<RandomAccessFile>* result) override {
    int descriptor = open(TranslateName(name).c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return IOError(name, errno);
    result->reset(new LocalReader(name, descriptor));
    return Status();
  }
  Status NewWritableFile(const string& name, std::unique_ptr<WritableFile>* result) override {
    return Open(name, "we", result);
  }
  Status NewAppendableFile(const string& name, std::unique_ptr<WritableFile>* result) override {
    return Open(name, "ae", result);
  }
  Status GetChildren(const string& name, std::vector<string>* result) override {
    DIR* directory = opendir(TranslateName(name).c_str());
    if (directory == nullptr) return IOError(name, errno);
    while (const dirent* entry = readdir(directory)) {
      StringPiece child(entry->d_name);
      if (child != "." && child != "..") result->push_back(child.ToString());
    }
    closedir(directory);
    return Status();
  }
  Status Stat(const string& name, FileStatistics* statistics) override {
    struct stat found;
    if (stat(TranslateName(name).c_str(), &found) != 0) return IOError(name, errno);
    int64 mtime_nsec = static_cast<int64>(found.st_mtim.tv_sec) * 1000000000 + found.st_mtim.tv_nsec;
    *statistics = FileStatistics(found.st_size, mtime_nsec, S_ISDIR(found.st_mode));
    return Status();
  }
  Status DeleteFile(const string& name) override { return Done(unlink(TranslateName(name).c_str()), name); }
  Status CreateDir(const string& name) override { return Done(mkdir(TranslateName(name).c_str(), 0755), name); }
  Status DeleteDir(const string& name) override { return Done(rmdir(TranslateName(name).c_str()), name); }
  Status RenameFile(const string& source, const string& target) override {
    return Done(std::rename(TranslateName(source).c_str(), TranslateName(target).c_str()), source);
  }

 private:
  static Status Done(int result, const string& name) { return result == 0 ? Status() : IOError(name, errno); }

  Status Open(const string& name, const char* mode, std::unique_ptr<WritableFile>* result) {
    std::FILE* file = std::fopen(TranslateName(name).c_str(), mode);
    if (file == nullptr) return IOError(name, errno);
    result->reset(new LocalWriter(name, file));
    return Status();
  }
};

}  // namespace recordfs_internal
}  // namespace recordfs_adapter
}  // namespace tensorflow

#endif  // RECORDFS_LOCAL_FILE_SYSTEM_H_
