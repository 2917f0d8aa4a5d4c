// What recordfs's C++ headers promise to sources in TensorFlow's style, as a program: it prints what does not hold.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tensorflow/core/lib/core/errors.h"
#include "tensorflow/core/lib/core/status.h"
#include "tensorflow/core/lib/core/stringpiece.h"
#include "tensorflow/core/lib/io/path.h"
#include "tensorflow/core/lib/strings/strcat.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/platform/file_statistics.h"
#include "tensorflow/core/platform/file_system.h"
#include "tensorflow/core/platform/logging.h"
#include "tsl/platform/errors.h"
#include "tsl/platform/file_system.h"
#include "tsl/platform/status.h"

extern "C" void TF_SetStatus(TF_Status*, int, const char*) {}

static int failures = 0;
#define EXPECT(condition) \
  if (!(condition)) std::printf("line %d: %s\n", __LINE__, #condition), failures++

namespace tensorflow {

// Overrides one operation in each form, and one of them calls the base's.
class Counting : public FileSystem {
 public:
  TF_USE_FILESYSTEM_METHODS_WITH_NO_TRANSACTION_SUPPORT;

  Status Stat(const string& name, TransactionToken*, FileStatistics* statistics) override {
    stats++;
    // Looks at the directory above through the older form, which leads back here for another path.
    if (name == "count://h/a/b") {
      FileStatistics above;
      TF_RETURN_IF_ERROR(Stat("count://h/a", &above));
    }
    *statistics = FileStatistics(7, 1, name == "count://h/a");
    return name.find("missing") == string::npos ? Status::OK() : errors::NotFound(name);
  }

  using FileSystem::CreateDir;
  Status CreateDir(const string& name) override {
    made.push_back(name);
    return Status::OK();
  }

  int stats = 0;
  std::vector<string> made;
};

class Nothing : public FileSystem {};

// Has files that read five bytes at a null pointer.
class Lying : public FileSystem {
 public:
  class File : public RandomAccessFile {
    Status Read(uint64, size_t, StringPiece* result, char*) const override {
      *result = StringPiece(static_cast<const char*>(nullptr), 5);
      return Status::OK();
    }
  };

  Status NewRandomAccessFile(const string&, std::unique_ptr<RandomAccessFile>* result) override {
    result->reset(new File);
    return Status::OK();
  }
};

static Status Returning(const Status& status) {
  TF_RETURN_IF_ERROR(status);
  return errors::Internal("went on");
}

static void CheckStatus() {
  EXPECT(Status().ok() && Status::OK() == OkStatus());
  Status missing = errors::NotFound("no ", 7, " at ", string("here"));
  EXPECT(missing.code() == error::NOT_FOUND && missing.error_message() == "no 7 at here");
  EXPECT(errors::IsNotFound(missing) && !errors::IsAborted(missing));
  EXPECT(Returning(missing) == missing && errors::IsInternal(Returning(Status::OK())));
  EXPECT(IOError("x", ENOENT).code() == error::NOT_FOUND && IOError("x", EISDIR).code() == error::FAILED_PRECONDITION);
  EXPECT(IOError("/x", ENOENT).error_message() == "/x; No such file or directory");
  Status first;
  first.Update(missing);
  first.Update(errors::Internal("later"));
  EXPECT(first == missing);
  EXPECT(tsl::errors::IsNotFound(missing));
  EXPECT(Status(error::OUT_OF_RANGE, "Read less bytes than requested").code() == error::OUT_OF_RANGE);
}

static void CheckPaths() {
  StringPiece scheme, host, path;
  io::ParseURI("foobar://host/a/b", &scheme, &host, &path);
  EXPECT(scheme == "foobar" && host == "host" && path == "/a/b");
  io::ParseURI("/a://b", &scheme, &host, &path);
  EXPECT(scheme.empty() && path == "/a://b");
  io::ParseURI("s3://bucket", &scheme, &host, &path);
  EXPECT(scheme == "s3" && host == "bucket" && path.empty());
  EXPECT(io::CleanPath("/a//b/./../c/") == "/a/c" && io::CleanPath("../a") == "../a" && io::CleanPath("") == ".");
  EXPECT(io::CleanPath("/../..") == "/");
  EXPECT(io::JoinPath("/a/", "/b", "", "c") == "/a/b/c");
  EXPECT(io::Dirname("foobar://h/a/b") == "foobar://h/a" && io::Dirname("foobar://h/a") == "foobar://h/");
  EXPECT(io::Basename("foobar://h/a.txt") == "a.txt" && io::Extension("/a/b.txt") == "txt" && io::Extension("/a").empty());
  EXPECT(Nothing().TranslateName("foobar://h/a/../b") == "/b" && Nothing().TranslateName("foobar://h") == "/");
  EXPECT(Nothing().TranslateName("").empty());
  EXPECT(StringPiece("abc").ToString() == "abc" && string(StringPiece(string("x"))) == "x");
  EXPECT(strings::StrCat("a", 1, 'b', 2.5) == "a1b2.5");
}

static void CheckForms() {
  Counting counting;
  FileStatistics statistics;
  EXPECT(counting.Stat("count://h/a/b", &statistics).ok() && statistics.length == 7 && counting.stats == 2);
  EXPECT(counting.Stat("count://h/x", nullptr, &statistics).ok() && counting.stats == 3);
  uint64 size = 0;
  EXPECT(counting.GetFileSize("count://h/x", &size).ok() && size == 7);
  EXPECT(counting.FileExists("count://h/missing").code() == error::NOT_FOUND);
  EXPECT(counting.IsDirectory("count://h/a").ok());
  EXPECT(counting.IsDirectory("count://h/x").code() == error::FAILED_PRECONDITION);
  EXPECT(counting.RecursivelyCreateDir("count://h/a/missing/missing2").ok());
  EXPECT(counting.made == (std::vector<string>{"count://h/a/missing", "count://h/a/missing/missing2"}));
  Nothing nothing;
  std::unique_ptr<RandomAccessFile> reader;
  std::unique_ptr<WritableFile> writer;
  EXPECT(nothing.NewRandomAccessFile("x", &reader).code() == error::UNIMPLEMENTED);
  EXPECT(nothing.NewRandomAccessFile("x", nullptr, &reader).code() == error::UNIMPLEMENTED);
  EXPECT(nothing.NewAppendableFile("x", &writer).code() == error::UNIMPLEMENTED);
  EXPECT(nothing.RecursivelyCreateDir("none://h/a/b").code() == error::UNIMPLEMENTED);
  std::vector<Status> statuses;
  EXPECT(!counting.FilesExist({"count://h/x", "count://h/missing"}, &statuses) && statuses.size() == 2);
}

static void CheckEnv(const string& directory) {
  Env* env = Env::Default();
  string path = io::JoinPath(directory, "local");
  EXPECT(WriteStringToFile(env, path, "bytes").ok());
  string read;
  EXPECT(ReadFileToString(env, "file://" + path, &read).ok() && read == "bytes");
  EXPECT(env->CopyFile(path, path + "2").ok() && env->RenameFile(path + "2", path + "3").ok());
  uint64 size = 0;
  EXPECT(env->GetFileSize(path + "3", &size).ok() && size == 5);
  EXPECT(env->RecursivelyCreateDir(directory + "/a/b").ok() && env->IsDirectory(directory + "/a/b").ok());
  std::vector<string> matches;
  EXPECT(env->GetMatchingPaths(directory + "/local*", &matches).ok() && matches.size() == 2);
  EXPECT(env->FileExists("nobody://x").code() == error::UNIMPLEMENTED);
  EXPECT(env->FileExists("nothing://x").code() == error::UNIMPLEMENTED);  // registered below, and without operations
  FileSystem* file_system = nullptr;
  EXPECT(env->GetFileSystemForFile("nothing://x", &file_system).ok() && file_system != nullptr);
  EXPECT(!env->RegisterFileSystem("nothing", [] { return new Nothing; }).ok());
  EXPECT(env->RenameFile(path, "nothing://x").code() == error::UNIMPLEMENTED);
  EXPECT(ReadFileToString(env, "lying://x", &read).error_message() == "Read returned 5 bytes at a null pointer");
  EXPECT(env->CopyFile("lying://x", path + "4").error_message() == "Read returned 5 bytes at a null pointer");
  int64 files = -1, directories = -1;
  EXPECT(env->DeleteRecursively(directory + "/a", &files, &directories).ok() && files == 0 && directories == 0);
  EXPECT(env->NowMicros() > 1000000 * (env->NowSeconds() - 2));
  VLOG(3) << "not shown";
  LOG(WARNING) << "shown " << 1;
}

REGISTER_FILE_SYSTEM("nothing", Nothing);
REGISTER_FILE_SYSTEM("lying", Lying);

}  // namespace tensorflow

int main(int, char** arguments) {
  tensorflow::CheckStatus();
  tensorflow::CheckPaths();
  tensorflow::CheckForms();
  tensorflow::CheckEnv(arguments[1]);
  return failures == 0 ? 0 : 1;
}
