// What recordfs's C++ headers promise to sources in TensorFlow's style, as a program: it prints what does not hold.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tensorflow/core/lib/core/errors.h"
#include "tensorflow/core/lib/core/status.h"
#include "tensorflow/core/lib/core/stringpiece.h"
#include "tensorflow/core/lib/io/path.h"
#include "tensorflow/core/lib/random/random.h"
#include "tensorflow/core/lib/strings/numbers.h"
#include "tensorflow/core/lib/strings/str_util.h"
#include "tensorflow/core/lib/strings/strcat.h"
#include "tensorflow/core/lib/strings/stringprintf.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/platform/file_statistics.h"
#include "tensorflow/core/platform/file_system.h"
#include "tensorflow/core/platform/logging.h"
#include "tensorflow/core/platform/mutex.h"
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

// Overrides, beside the newer forms, what else a class of TensorFlow 2 may override.
class Newer : public FileSystem {
 public:
  TF_USE_FILESYSTEM_METHODS_WITH_NO_TRANSACTION_SUPPORT;
  using FileSystem::CreateDir;
  using FileSystem::FilesExist;

  bool FilesExist(const std::vector<string>& names, TransactionToken*, std::vector<Status>*) override {
    return names.empty();
  }
  Status RecursivelyCreateDir(const string& name, TransactionToken* token) override {
    return FileSystem::RecursivelyCreateDir(name, token);  // the default, which calls the two below
  }
  Status IsDirectory(const string& name, TransactionToken*) override {
    return name.size() < 12 ? Status::OK() : errors::NotFound(name);
  }
  Status CreateDir(const string& name, TransactionToken*) override {
    mutex_lock lock(mu_);
    made_.push_back(name);
    return Status::OK();
  }
  void FlushCaches(TransactionToken*) override { flushed_++; }
  char Separator() const override { return '|'; }
  StringPiece Basename(StringPiece path) const override { return io::Basename(path); }
  Status StartTransaction(TransactionToken** token) override { return FileSystem::StartTransaction(token); }
  Status AddToTransaction(const string&, TransactionToken*) override { return Status::OK(); }
  Status EndTransaction(TransactionToken*) override { return Status::OK(); }
  Status GetTokenOrStartTransaction(const string&, TransactionToken** token) override {
    *token = nullptr;
    return Status::OK();
  }
  Status GetTransactionForPath(const string&, TransactionToken** token) override {
    *token = nullptr;
    return Status::OK();
  }
  string DecodeTransaction(const TransactionToken*) override { return ""; }
  Status SetOption(const string&, const string&) override { return Status::OK(); }
  Status SetOption(const string&, const std::vector<string>&) override { return Status::OK(); }
  Status SetOption(const string&, const std::vector<int64>&) override { return Status::OK(); }
  Status SetOption(const string&, const std::vector<double>&) override { return Status::OK(); }

  mutable mutex mu_;
  std::vector<string> made_ TF_GUARDED_BY(mu_);
  int flushed_ = 0;
};

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

static void CheckNewer() {
  Newer newer;
  FileSystem* file_system = &newer;
  EXPECT(file_system->FilesExist({}, nullptr) && !file_system->FilesExist({"x"}, nullptr));
  EXPECT(file_system->RecursivelyCreateDir("newer://h/a/b/c").ok() && newer.made_.size() == 2);
  EXPECT(file_system->RecursivelyCreateDir("newer://h/c/d/e", nullptr).ok() && newer.made_.size() == 4);
  file_system->FlushCaches();
  file_system->FlushCaches(nullptr);
  EXPECT(newer.flushed_ == 2);
  Nothing().FlushCaches();
  EXPECT(Nothing().SetOption("key", "value").code() == error::UNIMPLEMENTED);
  EXPECT(newer.JoinPath("a", "b") == "a/b" && newer.Dirname("x://h/a/b") == "x://h/a" && newer.CleanPath("a//b") == "a/b");
}

static void CheckStrings() {
  EXPECT(str_util::StartsWith("abc", "ab") && !str_util::StartsWith("a", "ab") && str_util::EndsWith("abc", "bc"));
  EXPECT(str_util::StrContains("abc", "b") && str_util::Lowercase("aBC") == "abc" && str_util::Uppercase("aB") == "AB");
  StringPiece piece = "  text ";
  EXPECT(str_util::RemoveWhitespaceContext(&piece) == 3 && piece == "text");
  EXPECT(str_util::ConsumePrefix(&piece, "te") && piece == "xt" && !str_util::ConsumePrefix(&piece, "te"));
  EXPECT(str_util::StringReplace("aaa", "a", "ba", true) == "bababa" && str_util::StringReplace("aa", "a", "", false) == "a");
  EXPECT(str_util::Split("a,,b", ',') == (std::vector<string>{"a", "", "b"}) && str_util::Split("", ',').empty());
  EXPECT(str_util::Split("/a//b/", '/', str_util::SkipEmpty()) == (std::vector<string>{"a", "b"}));
  EXPECT(str_util::Join(std::vector<int>{1, 2, 3}, "-") == "1-2-3");
  int64 number = 7;
  EXPECT(strings::safe_strto64(" -12 ", &number) && number == -12 && !strings::safe_strto64("12x", &number));
  EXPECT(!strings::safe_strto64("99999999999999999999", &number) && number == -12 && !strings::safe_strto64("", &number));
  int32 small = 7;
  EXPECT(!strings::safe_strto32("3000000000", &small) && strings::safe_strto32("5", &small) && small == 5);
  uint64 large = 7;
  EXPECT(strings::safe_strtou64("18446744073709551615", &large) && !strings::safe_strtou64("-1", &large));
  double real = 0;
  EXPECT(strings::safe_strtod("1.5", &real) && real == 1.5);
  EXPECT(strings::Printf("%s %d", "a", 5) == "a 5" && strings::Printf("%s", "").empty());
  EXPECT(random::New64() != random::New64());
  EXPECT(StringPiece("abc").starts_with("a") && StringPiece("abc").ends_with("c"));
}

static void CheckThreads() {
  mutex mu(LINKER_INITIALIZED);
  condition_variable arrived;
  bool there = false;
  std::unique_ptr<Thread> thread(Env::Default()->StartThread(ThreadOptions(), "checks", [&] {
    mutex_lock lock(mu);
    there = true;
    arrived.notify_all();
  }));
  {
    mutex_lock lock(mu);
    while (!there) arrived.wait(lock);
    EXPECT(WaitForMilliseconds(&lock, &arrived, 1) == kCond_Timeout);
  }
  thread.reset();
  tf_shared_lock one(mu), another(mu);
  EXPECT(!mutex_lock(mu, std::try_to_lock).owns_lock());
}

static void CheckMacros() {
  bool reached = false;
  // Each is one statement, so the else is that of the if.
  if (failures < 0)
    VLOG(9) << "never";
  else
    reached = true;
  if (failures < 0)
    CHECK(failures == 0) << "never";
  else
    CHECK_EQ(1 + 1, 2) << "as it is";
  EXPECT(reached);
  TF_CHECK_OK(Status::OK()) << "no trouble";
  auto with_context = []() -> Status {
    TF_RETURN_WITH_CONTEXT_IF_ERROR(errors::NotFound("x"), "while ", 5);
    return Status::OK();
  };
  EXPECT(with_context().error_message() == "x\n\twhile 5");
  auto two_arguments = [](int, int) { return errors::Aborted("both"); };
  EXPECT(Returning(two_arguments(1, 2)).code() == error::ABORTED);
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
  void* handle = nullptr;
  void* symbol = nullptr;
  EXPECT(env->LoadLibrary("libnosuch.so", &handle).code() == error::NOT_FOUND);
  EXPECT(env->LoadLibrary("libc.so.6", &handle).ok() && env->GetSymbolFromLibrary(handle, "getpid", &symbol).ok());
  EXPECT(env->GetSymbolFromLibrary(handle, "no_such_function", &symbol).code() == error::NOT_FOUND);
  string temporary;
  EXPECT(env->LocalTempFilename(&temporary) && env->FileExists(temporary).ok() && env->DeleteFile(temporary).ok());
  EXPECT(env->FilesExist({path, path + "3"}, nullptr) && !env->FilesExist({path, path + "9"}, nullptr));
  EXPECT(env->MatchPath("a/b.c", "a/*.c") && !env->MatchPath("a/b/c", "a/*"));
  EXPECT(env->RegisterFileSystem("given", std::unique_ptr<FileSystem>(new Newer)).ok());
  EXPECT(env->FlushFileSystemCaches().ok() && env->GetFileSystemForFile("given://x", &file_system).ok());
  EXPECT(static_cast<Newer*>(file_system)->flushed_ == 1);
  EXPECT(env->FileExists("constant://x").code() == error::UNIMPLEMENTED);
  EXPECT(env->NowMicros() > 1000000 * (env->NowSeconds() - 2));
  VLOG(3) << "not shown";
  LOG(WARNING) << "shown " << 1;
}

REGISTER_FILE_SYSTEM("nothing", Nothing);
REGISTER_FILE_SYSTEM("lying", Lying);
static constexpr char kScheme[] = "constant";
REGISTER_LEGACY_FILE_SYSTEM(kScheme, Nothing);

}  // namespace tensorflow

int main(int, char** arguments) {
  tensorflow::CheckStatus();
  tensorflow::CheckPaths();
  tensorflow::CheckForms();
  tensorflow::CheckNewer();
  tensorflow::CheckStrings();
  tensorflow::CheckThreads();
  tensorflow::CheckMacros();
  tensorflow::CheckEnv(arguments[1]);
  return failures == 0 ? 0 : 1;
}
