// What a filesystem opens: RandomAccessFile, WritableFile, ReadOnlyMemoryRegion; and FileStatistics.

#ifndef RECORDFS_FILES_H_
#define RECORDFS_FILES_H_

#include "recordfs/status.h"
#include "recordfs/types.h"

namespace tensorflow {
inline namespace recordfs_adapter {

// What Stat tells of a path.
struct FileStatistics {
  int64 length = -1;      // bytes; -1 where it is not known
  int64 mtime_nsec = 0;   // nanoseconds since 1970
  bool is_directory = false;

  FileStatistics() = default;
  FileStatistics(int64 bytes, int64 modified_nsec, bool is_a_directory)
      : length(bytes), mtime_nsec(modified_nsec), is_directory(is_a_directory) {}
};

// A file open for reading at any offset, from many threads at once.
class RandomAccessFile {
 public:
  RandomAccessFile() = default;
  virtual ~RandomAccessFile() = default;

  virtual Status Name(StringPiece*) const { return errors::Unimplemented("this file does not tell its name"); }

  // Reads up to `n` bytes into `scratch`, or points `result` at them elsewhere. Where the file ends before `n` bytes, it
  // gives those that there are, and OUT_OF_RANGE.
  virtual Status Read(uint64 offset, size_t n, StringPiece* result, char* scratch) const = 0;

 private:
  TF_DISALLOW_COPY_AND_ASSIGN(RandomAccessFile);
};

namespace recordfs_internal {

// Whether what Read gave can be what was asked for.
inline Status CheckRead(StringPiece piece, size_t n) {
  if (piece.size() > n) return errors::Internal("Read returned ", piece.size(), " bytes, ", n, " were asked for");
  if (piece.data() == nullptr && !piece.empty()) {
    return errors::Internal("Read returned ", piece.size(), " bytes at a null pointer");
  }
  return Status();
}

// Append as TensorFlow had it up to 1.12. It stands in a base of its own, where the newer one hides it from callers,
// who would not know which of the two to call; a derived class may override either.
class AppendByReference {
 public:
  virtual ~AppendByReference() = default;
  virtual Status Append(const StringPiece&) { return errors::Unimplemented("this file cannot be appended to"); }
};

}  // namespace recordfs_internal

// A file open for writing at its end, by one thread at a time.
class WritableFile : public recordfs_internal::AppendByReference {
 public:
  WritableFile() = default;
  ~WritableFile() override = default;

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverloaded-virtual"
#elif defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Woverloaded-virtual"
#endif
  virtual Status Append(StringPiece data) {
    return static_cast<recordfs_internal::AppendByReference*>(this)->Append(data);
  }
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#elif defined(__clang__)
#pragma clang diagnostic pop
#endif

  virtual Status Close() = 0;
  virtual Status Flush() = 0;
  virtual Status Sync() = 0;
  virtual Status Name(StringPiece*) const { return errors::Unimplemented("this file does not tell its name"); }
  virtual Status Tell(int64* position) {
    *position = -1;
    return errors::Unimplemented("this file does not tell its position");
  }

 private:
  TF_DISALLOW_COPY_AND_ASSIGN(WritableFile);
};

// The bytes of a file in memory.
class ReadOnlyMemoryRegion {
 public:
  ReadOnlyMemoryRegion() = default;
  virtual ~ReadOnlyMemoryRegion() = default;
  virtual const void* data() = 0;
  virtual uint64 length() = 0;
};

}  // namespace recordfs_adapter
}  // namespace tensorflow

#endif  // RECORDFS_FILES_H_
